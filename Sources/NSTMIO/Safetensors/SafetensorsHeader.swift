import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// The header of a safetensors file, checked against the size of the file.
struct SafetensorsHeader {
    /// The description of a tensor.
    struct Entry {
        let name: String
        let type: SafetensorsType
        let shape: Shape
        /// Byte range of the elements, relative to the end of the header.
        let range: Range<Int>
    }
    /// The tensors, in the order of their elements.
    var entries: [Entry] = []
    var metadata: [String: String] = [:]
    /// Number of bytes before the elements: the length and the JSON text.
    let byteCount: Int

    /// Maximum size of the JSON text in the format, in bytes.
    static let maxBytes = 100_000_000
    private static let metadataKey = "__metadata__"

    // MARK: Reading

    init(_ file: borrowing OpenFile) throws(CheckpointError) {
        let path = file.path, fileBytes = try file.byteCount()
        func invalid(_ issue: String) -> CheckpointError { .invalidSafetensors(path: path, issues: [issue]) }
        let start = try file.bytes(at: 0, count: 8)
        guard start.count == 8 else { throw invalid("\(fileBytes) bytes; the length of the header alone takes 8") }
        let length = start.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(SafetensorsHeader.maxBytes) else {
            throw invalid("a header of \(length) bytes; at most \(SafetensorsHeader.maxBytes)")
        }
        byteCount = 8 + Int(length)
        guard byteCount <= fileBytes else { throw invalid("a header of \(length) bytes in a file of \(fileBytes)") }
        let bytes = try file.bytes(at: 8, count: Int(length))
        guard bytes.first == UInt8(ascii: "{"), let text = String(validating: bytes, as: UTF8.self) else {
            throw invalid("the header is not a JSON map in UTF-8")
        }
        let value: ConfigurationValue
        do { value = try ConfigurationValue(json: text) } catch { throw invalid("header: \(error)") }
        // A JSON text that starts with a brace is a map.
        guard case .map(let map) = value else { throw invalid("the header is not a JSON map in UTF-8") }

        var issues: [String] = []
        for (name, value) in map.pairs {
            if name == SafetensorsHeader.metadataKey {
                issues += readMetadata(value)
            } else {
                do { entries.append(try SafetensorsHeader.entry(name, value, dataBytes: fileBytes - byteCount)) } catch {
                    issues += error.list.map { "'\(name)': \($0)" }
                }
            }
        }
        entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        // Overlaps and gaps can be found only when the ranges of all tensors are known.
        issues += overlaps()
        if issues.isEmpty { issues += gaps(dataBytes: fileBytes - byteCount) }
        guard issues.isEmpty else { throw .invalidSafetensors(path: path, issues: issues) }
    }

    private struct Issues: Error { var list: [String] }

    private static func entry(_ name: String, _ value: ConfigurationValue, dataBytes: Int) throws(Issues) -> Entry {
        guard case .map(let map) = value else { throw Issues(list: ["\(value.summary) instead of a map"]) }
        var issues: [String] = []
        for key in map.keys where !["dtype", "shape", "data_offsets"].contains(key) { issues.append("unknown key '\(key)'") }

        var type: SafetensorsType?
        switch map["dtype"] {
        case .string(let name)?:
            type = SafetensorsType(rawValue: name)
            let known = SafetensorsType.allCases.map(\.rawValue).joined(separator: ", ")
            if type == nil { issues.append("element type '\(name)'; known types: \(known)") }
        case let other: issues.append("dtype is \(other?.summary ?? "missing"); expected a string")
        }
        func numbers(_ key: String) -> [Int]? {
            if case .list(let list)? = map[key] {
                let numbers = list.compactMap { if case .int(let n) = $0, n >= 0 { n } else { nil } }
                if numbers.count == list.count { return numbers }
            }
            issues.append("\(key) is \(map[key]?.json(indent: nil) ?? "missing"); expected a list of nonnegative integers")
            return nil
        }
        var shape: Shape?
        if let dims = numbers("shape") {
            shape = CheckpointLimits.shape(dims)
            if shape == nil {
                issues.append("shape \(dims); at most \(Shape.maximumRank) axes and 2³¹ − 1 elements after the first axis")
            }
        }
        var range: Range<Int>?
        if let offsets = numbers("data_offsets") {
            if offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= dataBytes {
                range = offsets[0]..<offsets[1]
            } else {
                issues.append("data_offsets \(offsets); expected begin ≤ end ≤ \(dataBytes), the bytes after the header")
            }
        }
        if let type, let shape, let range {
            let (bytes, overflow) = shape.count.multipliedReportingOverflow(by: type.byteCount)
            if overflow || bytes != range.count {
                issues.append(
                    "\(shape.count) elements of \(type.rawValue), \(type.byteCount) bytes each, in data_offsets of "
                        + "\(range.count) bytes")
            }
        }
        if let type, let shape, let range, issues.isEmpty { return Entry(name: name, type: type, shape: shape, range: range) }
        throw Issues(list: issues)
    }

    private mutating func readMetadata(_ value: ConfigurationValue) -> [String] {
        guard case .map(let map) = value else { return ["\(SafetensorsHeader.metadataKey): \(value.summary) instead of a map"] }
        return map.pairs.compactMap { key, value in
            guard case .string(let text) = value else {
                return "\(SafetensorsHeader.metadataKey): '\(key)' is \(value.summary), not a string"
            }
            metadata[key] = text
            return nil
        }
    }
    private func overlaps() -> [String] {
        var issues: [String] = [], last: Entry?
        for entry in entries where !entry.range.isEmpty {
            if let last, entry.range.lowerBound < last.range.upperBound {
                issues.append("'\(last.name)' (bytes \(last.range)) and '\(entry.name)' (bytes \(entry.range)) overlap")
            }
            if last.map({ entry.range.upperBound > $0.range.upperBound }) ?? true { last = entry }
        }
        return issues
    }
    private func gaps(dataBytes: Int) -> [String] {
        var issues: [String] = [], end = 0
        for start in entries.map(\.range) + [dataBytes..<dataBytes] {
            if start.lowerBound > end { issues.append("bytes \(end)..<\(start.lowerBound) belong to no tensor") }
            end = max(end, start.upperBound)
        }
        return issues
    }

    // MARK: Writing

    /// The header of a file with the elements in the order of the tensors, padded with spaces to a multiple of 8 bytes.
    /// - Throws: `CheckpointError.invalidSafetensors` with all issues.
    static func encode(
        _ tensors: [(path: String, tensor: Tensor)], _ metadata: [String: String], path: String
    ) throws(CheckpointError) -> [UInt8] {
        var map = ConfigurationValue.Map(), issues: [String] = []
        if !metadata.isEmpty {
            map[metadataKey] = .map(
                ConfigurationValue.Map(metadata.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
        }
        var offset = 0
        for (name, tensor) in tensors {
            if name == metadataKey { issues.append("'\(name)' is reserved and cannot name a tensor") }
            if name != metadataKey, map[name] != nil { issues.append("two tensors have the name '\(name)'") }
            let end = offset + tensor.count * tensor.dtype.byteCount
            map[name] = [
                "dtype": .string(SafetensorsType(tensor.dtype).rawValue),
                "shape": .list(tensor.shape.dims.map(ConfigurationValue.int)),
                "data_offsets": [.int(offset), .int(end)],
            ]
            offset = end
        }
        var text = Array(ConfigurationValue.map(map).json(indent: nil).utf8)
        text += Array(repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
        if text.count > maxBytes { issues.append("a header of \(text.count) bytes; at most \(maxBytes)") }
        guard issues.isEmpty else { throw .invalidSafetensors(path: path, issues: issues) }
        return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) } + text
    }
}
