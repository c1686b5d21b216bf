import Foundation
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// The content of a checkpoint in memory: tensors and lists of integers in declared order, and named JSON documents.
///
/// A path is one or more names of letters, digits, `_`, `.` and `-`, joined by `/`; every name but the last becomes an HDF5
/// group. The parameter `blocks.3.update.gate.weight` of a model is thus stored as `model/blocks.3.update.gate.weight`. Paths
/// are checked when the archive is written.
public struct CheckpointArchive: Sendable {
    /// Tensors, in the order of addition.
    public private(set) var tensors: [(path: String, tensor: Tensor)] = []
    /// Lists of 64-bit integers (random states, counters, permutations), in the order of addition.
    public private(set) var integers: [(path: String, values: [Int64])] = []
    /// JSON texts by name: configuration, environment, manifest, training state, tokenizer and so on.
    public var documents: [String: String] = [:]
    /// Path of the file that the archive was read from, for error messages; nil for an archive created in memory.
    public package(set) var source: String?

    private var tensorPositions: [String: Int] = [:]
    private var integerPositions: [String: Int] = [:]

    public init() {}

    /// The tensor at a path; nil when there is none.
    ///
    /// A tensor at a new path is appended, one at a known path is replaced without a change of the order; assigning nil removes
    /// it.
    public subscript(tensor path: String) -> Tensor? {
        get { tensorPositions[path].map { tensors[$0].tensor } }
        set {
            if let position = tensorPositions[path] {
                if let newValue {
                    tensors[position].tensor = newValue
                } else {
                    tensors.remove(at: position)
                    tensorPositions = CheckpointArchive.positions(tensors.map(\.path))
                }
            } else if let newValue {
                tensorPositions[path] = tensors.count
                tensors.append((path, newValue))
            }
        }
    }
    /// The integers at a path; nil when there are none.
    ///
    /// Assignment works as for tensors.
    public subscript(integers path: String) -> [Int64]? {
        get { integerPositions[path].map { integers[$0].values } }
        set {
            if let position = integerPositions[path] {
                if let newValue {
                    integers[position].values = newValue
                } else {
                    integers.remove(at: position)
                    integerPositions = CheckpointArchive.positions(integers.map(\.path))
                }
            } else if let newValue {
                integerPositions[path] = integers.count
                integers.append((path, newValue))
            }
        }
    }
    /// The JSON text of a document; nil when there is none.
    public subscript(document name: String) -> String? {
        get { documents[name] }
        set { documents[name] = newValue }
    }

    /// Appends tensors at the paths `prefix/path`.
    public mutating func append(_ named: some Sequence<(path: String, tensor: Tensor)>, under prefix: String) {
        for (path, tensor) in named { self[tensor: "\(prefix)/\(path)"] = tensor }
    }
    /// The tensors whose paths start with `prefix/`, in order, with paths relative to it.
    public func tensors(under prefix: String) -> [(path: String, tensor: Tensor)] {
        let head = prefix + "/"
        return tensors.compactMap { $0.path.hasPrefix(head) ? (String($0.path.dropFirst(head.count)), $0.tensor) : nil }
    }

    /// Stores a value as a JSON document with sorted keys.
    /// - Throws: `CheckpointError.invalidDocument` if the value cannot be encoded.
    public mutating func encode(_ value: some Encodable, document name: String) throws(CheckpointError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            documents[name] = String(decoding: try encoder.encode(value), as: UTF8.self)
        } catch {
            throw .invalidDocument(path: displayPath, name: name, reason: "cannot be encoded: \(error)")
        }
    }
    /// The value of a JSON document.
    ///
    /// The ranges of a `StoredValue` are checked.
    /// - Throws: `CheckpointError.invalidDocument` if the document is missing, cannot be decoded or has values out of range.
    public func decode<T: Decodable>(_ type: T.Type, document name: String) throws(CheckpointError) -> T {
        try CheckpointFile.decode(type, document: name, of: documents, path: displayPath)
    }

    var displayPath: String { source ?? "archive in memory" }

    private static func positions(_ paths: [String]) -> [String: Int] {
        Dictionary(uniqueKeysWithValues: paths.enumerated().map { ($1, $0) })
    }
}

extension CheckpointFile.Info {
    /// The value of a JSON document.
    ///
    /// The ranges of a `StoredValue` are checked.
    /// - Throws: `CheckpointError.invalidDocument` if the document is missing, cannot be decoded or has values out of range.
    public func decode<T: Decodable>(_ type: T.Type, document name: String) throws(CheckpointError) -> T {
        try CheckpointFile.decode(type, document: name, of: documents, path: url.path)
    }
}

extension CheckpointFile {
    fileprivate static func decode<T: Decodable>(
        _ type: T.Type, document name: String, of documents: [String: String], path: String
    ) throws(CheckpointError) -> T {
        func invalid(_ reason: String) -> CheckpointError { .invalidDocument(path: path, name: name, reason: reason) }
        guard let text = documents[name] else {
            throw invalid("missing; the archive has: \(documents.keys.sorted().joined(separator: ", "))")
        }
        let value: T
        do { value = try JSONDecoder().decode(type, from: Data(text.utf8)) } catch {
            throw invalid("cannot be decoded as \(type): \((error as? DecodingError)?.summary ?? "\(error)")")
        }
        let issues = (value as? any StoredValue)?.issues ?? []
        guard issues.isEmpty else { throw invalid(issues.joined(separator: "; ")) }
        return value
    }
}
