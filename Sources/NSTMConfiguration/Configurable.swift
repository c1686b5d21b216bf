/// A type whose values configurations describe, such as an update rule or an optimizer.
///
/// The value holds the settings: its properties have the defaults, and `read` gives the key and the range of each.
///
/// So one function reads a configuration, checks a value created in Swift (its properties are then the defaults of an empty map),
/// writes the resolved configuration, and lists the settings (`Registry.descriptions`).
///
///     struct Configuration: UpdateRuleConfiguration {
///         static let type = "my-rule"
///         static let summary = "states that move at a learned rate"
///         var rate = 0.5
///         mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
///             rate = reader.double("rate", default: rate, in: 0...1)
///         }
///     }
public protocol Configurable: Sendable {
    /// The values on which defaults and ranges depend, such as the sizes of a layer.
    associatedtype Scope
    /// Value of the key `type` that selects it.
    static var type: String { get }
    /// One line of documentation, without a period.
    static var summary: String { get }
    /// The defaults.
    init()
    /// Reads every setting, with its current value as the default. Does nothing by default, for a type without settings.
    mutating func read(_ reader: ConfigurationReader, _ scope: Scope)
}

extension Configurable {
    public mutating func read(_ reader: ConfigurationReader, _ scope: Scope) {}
}
