extension ConfigurationError {
    /// One issue of a configuration.
    public struct Issue: Sendable, Equatable, CustomStringConvertible {
        /// The category of an issue.
        public enum Kind: Sendable, Equatable {
            case unknownKey, missing, wrongType, outOfRange, unknownChoice, syntax, override
            /// A violation of a rule added with `addIssue`, such as a relation between two keys.
            case rule
        }
        /// Full path of the key, such as `model.router.width`, or a position in a text, such as `line 3, column 7`.
        public let path: String
        /// Category of the issue.
        public let kind: Kind
        /// What is wrong and what is expected.
        public let message: String

        public init(path: String, kind: Kind, message: String) {
            self.path = path
            self.kind = kind
            self.message = message
        }
        public var description: String { path.isEmpty ? message : "\(path): \(message)" }
    }
}

/// All issues of a configuration; its description has one line per issue.
public struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The issues, in the order of reading.
    public let issues: [Issue]

    public init(_ issues: [Issue]) { self.issues = issues }
    init(_ path: String, _ kind: Issue.Kind, _ message: String) {
        self.init([Issue(path: path, kind: kind, message: message)])
    }
    public var description: String { issues.map(\.description).joined(separator: "\n") }
}

extension String {
    /// The closest of the names, for a suggestion; nil when the edit distance to each is above a third of the length.
    func nearest(among names: [String]) -> String? {
        func maxDistance(_ name: String) -> Int { max(1, max(count, name.count) / 3) }
        // The difference of lengths is a lower bound of the distance and spares its computation.
        let near = names.filter { abs(count - $0.count) <= maxDistance($0) }
            .map { (name: $0, distance: lowercased().editDistance(to: $0.lowercased())) }
        guard let best = near.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= maxDistance(best.name) ? best.name : nil
    }
    /// The number of insertions, deletions, replacements and swaps of neighbors (optimal string alignment distance).
    private func editDistance(to other: String) -> Int {
        let a = Array(self), b = Array(other)
        var rows = [Array(0...b.count)]
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var best = Swift.min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = Swift.min(best, rows[i - 1][j - 1] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}

/// The end of a message about an unknown name: `did you mean 'x'? known keys: x, y`.
func hint(_ name: String, _ what: String, _ known: [String]) -> String {
    let guess = name.nearest(among: known).map { "did you mean '\($0)'? " } ?? ""
    return known.isEmpty ? "there are no \(what)" : guess + "known \(what): " + known.joined(separator: ", ")
}
