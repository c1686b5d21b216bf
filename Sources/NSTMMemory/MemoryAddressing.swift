import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// A way for the heads of an external memory to choose rows: it gives their weights over the rows in every step.
///
/// A memory has one for its write heads and one for its read heads. In a step the write heads choose and write first.
public protocol MemoryAddressing: AnyObject {
    /// Number of elements of the interface vector that all its heads take in a step.
    var interfaceWidth: Int { get }
    /// Adds what it carries to the state before the first step; nothing by default.
    func begin(batch: Int, _ state: inout MemoryState, _ context: ForwardContext)
    /// Weights over the rows [B, H, N], each 0 or more, with a sum of at most 1 for each head.
    /// - Parameters:
    ///   - interface: gives the elements that this addressing takes.
    ///   - state: the memory before the write (role write) or after it (role read); carried variables are updated.
    func weights(_ interface: inout MemoryInterface, _ state: inout MemoryState, _ context: ForwardContext) -> Variable
    /// Multiply-adds of a step for one sequence, in evaluation, by formula; nil, the default, without a formula.
    var multiplyAdds: Int? { get }
    /// Number of elements that it carries for one sequence; 0 by default.
    var carriedCount: Int { get }
}
extension MemoryAddressing {
    public func begin(batch: Int, _ state: inout MemoryState, _ context: ForwardContext) {}
    public var multiplyAdds: Int? { nil }
    public var carriedCount: Int { 0 }
}

/// The addressings of this package.
public enum Addressing {}

/// The settings of an addressing, which make it.
public protocol MemoryAddressingConfiguration: Configurable where Scope == MemoryStrategies.AddressingScope {
    /// - Parameter parameters: for addressings with parameters of their own.
    func make(_ parameters: ParameterBuilder, _ memory: MemoryDimensions, _ role: MemoryDimensions.Role) -> any MemoryAddressing
}

extension Registry where Value == any MemoryAddressingConfiguration, Scope == MemoryStrategies.AddressingScope {
    public init() { self.init("addressing", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds the settings of an addressing under the name of their type.
    public mutating func register<Settings: MemoryAddressingConfiguration>(_ type: Settings.Type) { register(type.init()) }
}
