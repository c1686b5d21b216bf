/// The types that the key `type` can name in one section of a configuration.
///
/// A value: extend a copy.
///
///     strategies.updates.register(MyRule.Configuration.self)
///
/// `Value` is the existential of a protocol that refines `Configurable`. Each kind of value has an initializer without arguments
/// and `register(_:)`, which takes the types of its protocol only.
public struct Registry<Value: Sendable, Scope>: Sendable {
    /// What is registered here, in the singular, for error messages.
    public let kind: String
    /// The values of registered types with their defaults, by name.
    private var defaults: [String: Value] = [:]
    private let type: @Sendable (Value) -> any Configurable.Type
    private let read: @Sendable (inout Value, ConfigurationReader, Scope) -> Void

    /// - Parameters:
    ///   - type: the type of a value.
    ///   - read: its function of the same name.
    public init(
        _ kind: String, type: @escaping @Sendable (Value) -> any Configurable.Type,
        read: @escaping @Sendable (inout Value, ConfigurationReader, Scope) -> Void
    ) {
        self.kind = kind
        self.type = type
        self.read = read
    }

    /// Adds the type of a value with the defaults.
    ///
    /// Registering a name twice is a programmer's error and stops the program.
    public mutating func register(_ value: Value) {
        let name = name(of: value)
        guard defaults[name] == nil else { fatalError("Registry: the \(kind) '\(name)' is registered twice") }
        defaults[name] = value
    }
    /// All names, sorted.
    public var names: [String] { defaults.keys.sorted() }
    /// The type of a value as configurations name it.
    public func name(of value: Value) -> String { type(value).type }
    /// One line on the type of a value.
    func summary(of value: Value) -> String { type(value).summary }

    /// A value of a registered type with the defaults.
    /// - Throws: `ConfigurationError` with one issue, which lists the known names.
    public func value(_ name: String) throws(ConfigurationError) -> Value {
        guard let value = defaults[name] else {
            throw ConfigurationError("", .unknownChoice, "unknown \(kind) '\(name)'; \(hint(name, "names", names))")
        }
        return value
    }
    /// A value with its settings read from a map, which may lack the key `type`.
    public func reading(_ value: Value, _ reader: ConfigurationReader, _ scope: Scope) -> Value {
        var result = value
        read(&result, reader, scope)
        return result
    }
}

// MARK: Reading

extension ConfigurationReader {
    /// The value whose type the key `type` names, with the settings beside it.
    /// - Parameter default: what an empty map means; its settings are the defaults where the map names its type.
    /// - Returns: the default when the name is not registered, with an issue noted.
    public func value<Value, Scope>(in registry: Registry<Value, Scope>, default: Value, _ scope: Scope) -> Value {
        let issuesBefore = issueCount, own = registry.name(of: `default`), name = string("type", default: own)
        guard issueCount == issuesBefore else { return `default` }
        if name == own { return registry.reading(`default`, self, scope) }
        do { return registry.reading(try registry.value(name), self, scope) } catch {
            addIssue("type", .unknownChoice, error.description)
            return `default`
        }
    }
    /// As `value(in:default:_:)`, for an optional part: nil if `type` is `none`.
    public func optionalValue<Value, Scope>(in registry: Registry<Value, Scope>, default: Value?, _ scope: Scope) -> Value? {
        let own = `default`.map(registry.name(of:)), known = registry.names
        let names = ["none"] + (own.map { known.contains($0) ? [] : [$0] } ?? []) + known
        let name = choice("type", of: names, default: own ?? "none")
        guard let value = name == own ? `default` : try? registry.value(name) else { return nil }
        return registry.reading(value, self, scope)
    }
}
