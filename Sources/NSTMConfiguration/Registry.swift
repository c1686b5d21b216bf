/// A table of factories by the names used in configurations, for example of routing policies. A value type: users extend a copy.
///
/// `Factory` is a function that creates an instance; its arguments are up to the code that resolves the name.
///
///     var policies = Registry<@Sendable (ConfigurationReader) -> any RoutingPolicy>("routing policy")
///     policies.register("mine") { MyPolicy(width: $0.int("width", default: 64)) }
public struct Registry<Factory> {
    /// Singular noun for what is registered, for error messages.
    public let kind: String
    private var factories: [String: Factory] = [:]

    /// An empty registry.
    /// - Parameter kind: singular noun for what is registered, such as `routing policy`.
    public init(_ kind: String) { self.kind = kind }

    /// Registers a factory under a name. Stops the program if the name is already registered.
    public mutating func register(_ name: String, _ factory: Factory) {
        guard factories[name] == nil else { fatalError("Registry: the \(kind) '\(name)' is registered twice") }
        factories[name] = factory
    }
    /// All names, sorted.
    public var names: [String] { factories.keys.sorted() }

    /// The factory of a name.
    /// - Throws: `RegistryError`, which lists the known names, if the name is not registered.
    public func resolve(_ name: String) throws(RegistryError) -> Factory {
        guard let factory = factories[name] else { throw RegistryError(kind: kind, name: name, known: names) }
        return factory
    }
}
extension Registry: Sendable where Factory: Sendable {}

/// An error for a name that is not registered.
public struct RegistryError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Singular noun for what the registry holds.
    public let kind: String
    /// The unknown name.
    public let name: String
    /// All registered names, sorted.
    public let known: [String]
    public var description: String { "unknown \(kind) '\(name)'; \(hint(name, "names", known))" }
}
