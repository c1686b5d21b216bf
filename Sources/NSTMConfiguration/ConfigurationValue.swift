/// A value of a configuration, independent of its source (YAML, JSON or the command line).
///
/// Maps preserve the order of their keys.
public indirect enum ConfigurationValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    case list([ConfigurationValue])
    case map(Map)

    /// Type and value for error messages: `int 3`, `string "x"`, `a list`.
    public var summary: String {
        switch self {
        case .null: "null"
        case .bool(let b): "bool \(b)"
        case .int(let i): "int \(i)"
        case .double(let d): "double \(d)"
        case .string(let s): "string \"\(s)\""
        case .list: "a list"
        case .map: "a map"
        }
    }
}

extension ConfigurationValue {
    /// A dictionary that preserves the order of insertion.
    ///
    /// Equality ignores the order, which has no meaning in a configuration.
    public struct Map: Sendable, Equatable, ExpressibleByDictionaryLiteral {
        /// All keys, in order of insertion.
        public private(set) var keys: [String] = []
        private var values: [String: ConfigurationValue] = [:]

        public init() {}
        /// A map of key-value pairs; of several pairs with the same key the last one applies.
        public init(dictionaryLiteral pairs: (String, ConfigurationValue)...) { self.init(pairs) }
        /// A map of key-value pairs; of several pairs with the same key the last one applies.
        public init(_ pairs: some Sequence<(String, ConfigurationValue)>) {
            for (key, value) in pairs { self[key] = value }
        }

        public var count: Int { keys.count }
        public var isEmpty: Bool { keys.isEmpty }
        /// The value of a key; nil when the key is absent.
        ///
        /// A new key is appended; assigning nil removes a key.
        public subscript(key: String) -> ConfigurationValue? {
            get { values[key] }
            set {
                if newValue == nil { keys.removeAll { $0 == key } } else if values[key] == nil { keys.append(key) }
                values[key] = newValue
            }
        }
        /// All keys with their values, in order of insertion.
        public var pairs: [(key: String, value: ConfigurationValue)] { keys.map { ($0, values[$0]!) } }

        public static func == (a: Map, b: Map) -> Bool { a.values == b.values }
    }
}

extension ConfigurationValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int) { self = .int(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: ConfigurationValue...) { self = .list(elements) }
    public init(dictionaryLiteral pairs: (String, ConfigurationValue)...) { self = .map(ConfigurationValue.Map(pairs)) }
}

// MARK: Paths and overrides

extension ConfigurationValue {
    /// The value at a path of keys such as `training.steps`, or nil.
    public subscript(path path: String) -> ConfigurationValue? {
        var value = self
        for key in ConfigurationValue.split(path) {
            guard case .map(let map) = value, let next = map[key] else { return nil }
            value = next
        }
        return value
    }

    /// Sets the value at a path of keys such as `training.steps`, and creates missing or null maps along the path.
    /// - Throws: `ConfigurationError` when the path has an empty key or passes through a value that is not a map; then the
    ///   configuration is unchanged.
    public mutating func set(path: String, to value: ConfigurationValue) throws(ConfigurationError) {
        let keys = ConfigurationValue.split(path)
        guard !keys.contains("") else {
            throw ConfigurationError(path, .override, "a path consists of keys separated by dots, such as training.steps")
        }
        self = try inserting(value, keys[...], path)
    }
    private func inserting(_ value: ConfigurationValue, _ keys: ArraySlice<String>, _ path: String) throws(ConfigurationError)
        -> Self
    {
        guard let key = keys.first else { return value }
        var map: Map
        switch self {
        case .map(let own): map = own
        case .null: map = [:]
        default:
            let parent = path.split(separator: ".").prefix(keys.startIndex).joined(separator: ".")
            throw ConfigurationError(path, .override, "\(parent.isEmpty ? "the root" : "'\(parent)'") is \(summary), not a map")
        }
        map[key] = try (map[key] ?? .null).inserting(value, keys.dropFirst(), path)
        return .map(map)
    }
    private static func split(_ path: String) -> [String] {
        path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    }

    /// Applies overrides in the form of `--set`, such as `training.steps=500` or `model.widths=[64, 128]`; later ones take
    /// precedence.
    /// - Throws: `ConfigurationError` with the issues of all overrides; then the configuration is unchanged.
    public mutating func apply(overrides: [String]) throws(ConfigurationError) {
        var result = self
        var issues: [ConfigurationError.Issue] = []
        for text in overrides {
            guard let sign = text.firstIndex(of: "=") else {
                issues.append(
                    ConfigurationError.Issue(path: text, kind: .override, message: "an override has the form key.path=value"))
                continue
            }
            // What a shell makes of a variable without a value.
            guard text[text.index(after: sign)...].contains(where: { !$0.isWhitespace }) else {
                issues.append(
                    ConfigurationError.Issue(
                        path: String(text[..<sign]), kind: .override, message: "the value is missing; null stands for the default"
                    ))
                continue
            }
            do {
                let value = ConfigurationValue(yaml: String(text[text.index(after: sign)...]))
                try result.set(path: String(text[..<sign]), to: value)
            } catch {
                issues += error.issues
            }
        }
        guard issues.isEmpty else { throw ConfigurationError(issues) }
        self = result
    }
}
