/// One thing that is wrong with a configuration.
public struct ConfigurationIssue: Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        case unknownKey, missing, wrongType, outOfRange, unknownChoice, syntax, override
        /// A rule that the reader of a value added, such as one that binds two keys together.
        case rule
    }
    /// The full path of the key, such as `model.router.width`, or a place in a text.
    public let path: String
    public let kind: Kind
    public let message: String

    public init(path: String, kind: Kind, message: String) {
        self.path = path
        self.kind = kind
        self.message = message
    }
    public var description: String { path.isEmpty ? message : "\(path): \(message)" }
}

/// Everything that is wrong with a configuration, one issue a line.
public struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    public let issues: [ConfigurationIssue]

    public init(_ issues: [ConfigurationIssue]) { self.issues = issues }
    init(_ path: String, _ kind: ConfigurationIssue.Kind, _ message: String) {
        self.init([ConfigurationIssue(path: path, kind: kind, message: message)])
    }
    public var description: String { issues.map(\.description).joined(separator: "\n") }
}

extension String {
    /// The name that this one was probably meant to be, or nil when none is near: at most one letter in three may be wrong.
    func nearest(among names: [String]) -> String? {
        func mostWrong(_ name: String) -> Int { max(1, max(count, name.count) / 3) }
        // A name of quite another length is not near, and comparing it could take long.
        let near = names.filter { abs(count - $0.count) <= mostWrong($0) }
            .map { (name: $0, distance: lowercased().editDistance(to: $0.lowercased())) }
        guard let best = near.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= mostWrong(best.name) ? best.name : nil
    }
    /// Insertions, deletions, replacements and swaps of neighbors (optimal string alignment).
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

/// `did you mean 'x'? known keys: x, y`: the end of a message about an unknown name.
func hint(_ name: String, _ what: String, _ known: [String]) -> String {
    let guess = name.nearest(among: known).map { "did you mean '\($0)'? " } ?? ""
    return known.isEmpty ? "there are no \(what)" : guess + "known \(what): " + known.joined(separator: ", ")
}
