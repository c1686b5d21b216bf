/// A key whose values differ between two configurations.
package struct ConfigurationDifference: Sendable, Equatable, CustomStringConvertible {
    /// Path of the key, such as `models[1].model.width`.
    package let path: String
    /// Value in the first configuration; nil when the key is absent.
    package let own: ConfigurationValue?
    /// Value in the second configuration; nil when the key is absent.
    package let other: ConfigurationValue?
    /// Path, first value and second value on one line.
    package var description: String { "\(path): \(own?.short ?? "absent"), \(other?.short ?? "absent")" }
}

extension ConfigurationValue {
    /// Every scalar and list of scalars with its path, such as `models[1].model.width`.
    public var leaves: [(path: String, value: ConfigurationValue)] {
        func below(_ key: String, _ value: ConfigurationValue) -> [(path: String, value: ConfigurationValue)] {
            value.leaves.map { rest, leaf in
                (rest.isEmpty ? key : rest.hasPrefix("[") ? key + rest : key + "." + rest, leaf)
            }
        }
        switch self {
        case .map(let map): return map.pairs.flatMap { below($0, $1) }
        case .list(let list) where list.contains(where: { if case .map = $0 { true } else { false } }):
            return list.enumerated().flatMap { below("[\($0)]", $1) }
        default: return [("", self)]
        }
    }
    /// The keys whose values differ between this configuration and another.
    ///
    /// null is treated as absent.
    package func differences(from other: ConfigurationValue) -> [ConfigurationDifference] {
        let mine = leaves.filter { $0.value != .null }, others = other.leaves.filter { $0.value != .null }
        let theirs = Dictionary(others.map { ($0.path, $0.value) }, uniquingKeysWith: { a, _ in a })
        let known = Set(mine.map(\.path))
        return mine.filter { theirs[$0.path] != $0.value }
            .map { ConfigurationDifference(path: $0.path, own: $0.value, other: theirs[$0.path]) }
            + others.filter { !known.contains($0.path) }.map { ConfigurationDifference(path: $0.path, own: nil, other: $0.value) }
    }
    /// The value as JSON on one line.
    public var short: String { json(indent: nil) }

    /// This configuration with the values of another taking precedence: maps are merged key by key, other values are replaced.
    ///
    /// A map with another `type` replaces this one as a whole, because the keys of one type are unknown to another.
    public func overlaid(with other: ConfigurationValue?) -> ConfigurationValue {
        guard let other, other != .null else { return self }
        guard case .map(let own) = self, case .map(let upper) = other else { return other }
        if let type = own["type"], let theirs = upper["type"], type != theirs { return other }
        var result = own
        for (key, value) in upper.pairs { result[key] = (own[key] ?? .null).overlaid(with: value) }
        return .map(result)
    }
}
