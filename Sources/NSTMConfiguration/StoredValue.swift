/// A value that is decoded from a file.
///
/// Decoding checks types; `issues` checks ranges, and the decoding code has to read it, as `CheckpointArchive.decode` does.
package protocol StoredValue: Codable {
    /// One text per value that is out of range, with its name; empty when the value is valid.
    var issues: [String] { get }
}

/// A collector of the issues of a stored value.
package struct RangeIssues {
    package private(set) var list: [String] = []
    package init() {}

    /// Adds an issue if a value is outside a range.
    ///
    /// NaN is outside every range.
    package mutating func check<T: Comparable>(_ name: String, _ value: T?, in range: ClosedRange<T>) {
        guard let value, !range.contains(value) else { return }
        list.append("\(name) is \(value), outside \(range.lowerBound)...\(range.upperBound)")
    }
    /// Adds an issue unless a condition holds.
    package mutating func demand(_ holds: Bool, _ issue: @autoclosure () -> String) {
        if !holds { list.append(issue()) }
    }
    /// Adds the issues of a nested value.
    package mutating func add(_ name: String, _ part: some StoredValue) { list += part.issues.map { "\(name).\($0)" } }
}

/// Valid ranges that several stored values share.
package enum StoredRange {
    /// Training steps, and counts of events that occur at most once per step: the range of `training.steps`.
    package static let steps = 0...1_000_000_000
    /// Identifiers of states: integers that float32 represents exactly.
    package static let identities = 0...1 << 24
    /// All finite doubles.
    package static let finite = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
}

/// An error for a stored value that is invalid.
package struct StoredValueError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

extension DecodingError {
    /// Coding path and reason of the error, in one line.
    package var summary: String {
        let context: Context? =
            switch self {
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context): context
            case .dataCorrupted(let context): context
            @unknown default: nil
            }
        guard let context else { return "\(self)" }
        let path = context.codingPath.map(\.stringValue).joined(separator: ".")
        return (path.isEmpty ? "" : "\(path): ") + context.debugDescription
    }
}
