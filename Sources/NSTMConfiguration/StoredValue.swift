/// A value that is read from a file. Decoding sees to it that the types are right; what its numbers and lists may be it says here, and
/// whoever decodes it asks (`CheckpointArchive.decode` does).
public protocol StoredValue: Codable {
    /// Everything that is out of range, each with its name; empty when the value can be used.
    var issues: [String] { get }
}

/// Collects what is out of range in a stored value.
package struct RangeIssues {
    package private(set) var list: [String] = []
    package init() {}

    /// Also refuses NaN, which lies in no range.
    package mutating func check<T: Comparable>(_ name: String, _ value: T?, in range: ClosedRange<T>) {
        guard let value, !range.contains(value) else { return }
        list.append("\(name) is \(value), outside \(range.lowerBound)...\(range.upperBound)")
    }
    package mutating func demand(_ holds: Bool, _ issue: @autoclosure () -> String) {
        if !holds { list.append(issue()) }
    }
    /// What is wrong with a part of the value.
    package mutating func add(_ name: String, _ part: some StoredValue) { list += part.issues.map { "\(name).\($0)" } }
}

/// Ranges that several stored values have.
package enum StoredRange {
    /// Steps of training, and counts of things that happen at most once a step: what `training.steps` allows.
    package static let steps = 0...1_000_000_000
    /// Numbers that a float32 holds exactly: identities of states.
    package static let identities = 0...1 << 24
    package static let finite = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
}

/// Why a stored value cannot be used.
public struct StoredValueError: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

extension DecodingError {
    /// Where it happened and what, in one line.
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
