import NSTMTensor

/// Limits that the writer observes and the reader enforces, so that a malicious file cannot exhaust memory or time.
enum CheckpointLimits {
    /// Maximum number of groups and datasets in a file.
    static let objects = 100_000
    /// Maximum number of names in a path.
    static let depth = 16
    /// Maximum length of a name, in bytes.
    static let nameBytes = 255
    /// Maximum size of a JSON document, in bytes.
    static let documentBytes = 256 << 20
    /// Maximum size of a chunk for the reader, in bytes; the writer creates chunks of at most 1 MiB.
    static let chunkBytes = 64 << 20
    /// Maximum number of filters of a dataset, which is that of libhdf5.
    static let filters = 32
    /// Maximum compression ratio of deflate.
    static let deflateRatio = 1032

    /// Group of the JSON documents, which is reserved for them.
    static let documentGroup = "meta"

    static func isValid(name: some StringProtocol) -> Bool {
        guard !name.isEmpty, name.utf8.count <= nameBytes, name != ".", name != ".." else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"): true
            default: false
            }
        }
    }

    /// The shape of given sizes; nil when it exceeds the maximum rank of `Shape` or the 32-bit strides of a `Tensor`.
    static func shape(_ dims: [Int]) -> Shape? {
        guard dims.count <= Shape.maximumRank, dims.allSatisfy({ $0 >= 0 && $0 <= Int(Int32.max) }) else { return nil }
        var run = 1
        for size in dims.dropFirst().reversed() {
            run *= max(size, 1)
            if run > Int(Int32.max) { return nil }
        }
        return Shape(dims)
    }
}

extension CheckpointArchive {
    /// All reasons why the archive cannot be written.
    func issues() -> [String] {
        var issues: [String] = []
        var datasets: Set<String> = [], groups: Set<String> = [CheckpointLimits.documentGroup]
        let paths = tensors.map(\.path) + integers.map(\.path)
        for path in paths {
            let names = path.split(separator: "/", omittingEmptySubsequences: false)
            if !names.allSatisfy({ CheckpointLimits.isValid(name: $0) }) {
                issues.append("'\(path)': not a valid path")
                continue
            }
            if names.count > CheckpointLimits.depth {
                issues.append("'\(path)': \(names.count) names; at most \(CheckpointLimits.depth)")
            } else if names[0] == CheckpointLimits.documentGroup {
                issues.append("'\(path)': '\(CheckpointLimits.documentGroup)' is reserved for documents")
            }
            if !datasets.insert(path).inserted { issues.append("'\(path)': used for a tensor and for integers") }
            for end in 1..<names.count { groups.insert(names[..<end].joined(separator: "/")) }
        }
        for path in datasets.intersection(groups).sorted() where path != CheckpointLimits.documentGroup {
            issues.append("'\(path)': used for a dataset and for a group")
        }
        for (name, text) in documents.sorted(by: { $0.key < $1.key }) {
            if !CheckpointLimits.isValid(name: name) { issues.append("document '\(name)': not a valid name") }
            if text.utf8.count > CheckpointLimits.documentBytes {
                issues.append("document '\(name)': \(text.utf8.count) bytes; at most \(CheckpointLimits.documentBytes)")
            }
        }
        let objects = datasets.count + groups.count + documents.count
        if objects > CheckpointLimits.objects { issues.append("\(objects) objects; at most \(CheckpointLimits.objects)") }
        return issues
    }
}
