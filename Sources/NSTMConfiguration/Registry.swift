/// Names for the things a configuration can ask for, such as routing policies: a value, so that a researcher extends a copy.
/// `Factory` is a function that makes one; what it takes is the business of whoever resolves it.
///
///     var policies = Registry<@Sendable (ConfigurationReader) -> any RoutingPolicy>("routing policy")
///     policies.register("mine") { MyPolicy(width: $0.int("width", default: 64)) }
public struct Registry<Factory> {
    /// What is registered here, in the singular, for error messages.
    public let kind: String
    private var factories: [String: Factory] = [:]

    public init(_ kind: String) { self.kind = kind }

    /// Adds a name. Registering a name twice is a programmer's error and stops the program.
    public mutating func register(_ name: String, _ factory: Factory) {
        guard factories[name] == nil else { fatalError("Registry: the \(kind) '\(name)' is registered twice") }
        factories[name] = factory
    }
    /// All names, sorted.
    public var names: [String] { factories.keys.sorted() }

    /// - Throws: `RegistryError`, which lists the known names.
    public func resolve(_ name: String) throws(RegistryError) -> Factory {
        guard let factory = factories[name] else { throw RegistryError(kind: kind, name: name, known: names) }
        return factory
    }
}
extension Registry: Sendable where Factory: Sendable {}

/// A name that is not registered.
public struct RegistryError: Error, Sendable, Equatable, CustomStringConvertible {
    public let kind: String
    public let name: String
    public let known: [String]
    public var description: String { "unknown \(kind) '\(name)'; \(hint(name, "names", known))" }
}
