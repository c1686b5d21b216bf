import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// A memory outside the network, which a controller writes and reads once per token.
public protocol ExternalMemory: AnyObject {
    /// I, the number of elements of the interface vector that the controller emits per step.
    var interfaceWidth: Int { get }
    /// Number of elements that a step reads.
    var readWidth: Int { get }
    /// The memory before the first token of `batch` sequences.
    func initialState(batch: Int, _ context: ForwardContext) -> MemoryState
    /// Writes, then reads.
    /// - Parameter vector: the interface vector [B, I].
    /// - Returns: what was read, [B, readWidth].
    func step(_ vector: Variable, _ state: inout MemoryState, _ context: ForwardContext) -> Variable
    /// Moves what a pass has changed outside of the state into it, before it is carried on; nothing by default.
    func finish(_ state: inout MemoryState, _ context: ForwardContext)
    /// Multiply-adds of a step for one sequence, in evaluation, by formula; nil, the default, without a formula.
    var multiplyAdds: Int? { get }
    /// Number of elements of the state of one sequence; nil, the default, without a formula.
    var stateCount: Int? { get }
}
extension ExternalMemory {
    public func finish(_ state: inout MemoryState, _ context: ForwardContext) {}
    public var multiplyAdds: Int? { nil }
    public var stateCount: Int? { nil }
}

/// The settings of a memory, which make it.
public protocol ExternalMemoryConfiguration: Configurable where Scope == MemoryStrategies {
    func make(_ parameters: ParameterBuilder) -> any ExternalMemory
}

extension Registry where Value == any ExternalMemoryConfiguration, Scope == MemoryStrategies {
    public init() { self.init("memory", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds the settings of a memory under the name of their type.
    public mutating func register<Settings: ExternalMemoryConfiguration>(_ type: Settings.Type) { register(type.init()) }
}

/// The memories, addressings and controllers that configurations can name.
public struct MemoryStrategies: Sendable {
    public var memories = Registry<any ExternalMemoryConfiguration, MemoryStrategies>()
    public var addressings = Registry<any MemoryAddressingConfiguration, MemoryStrategies.AddressingScope>()
    public var controllers = Registry<any MemoryControllerConfiguration, Void>()
    /// Without any strategy.
    public init() {}

    /// What the settings of an addressing depend on.
    public struct AddressingScope: Sendable {
        /// Sizes of the memory.
        public var memory: MemoryDimensions
        /// What the heads do.
        public var role: MemoryDimensions.Role
        public init(_ memory: MemoryDimensions, _ role: MemoryDimensions.Role) {
            self.memory = memory
            self.role = role
        }
    }

    /// All strategies of NSTM.
    public static var standard: MemoryStrategies {
        var s = MemoryStrategies()
        s.memories.register(AddressedMemory.Configuration.self)
        s.memories.register(DeltaMemory.Configuration.self)
        s.memories.register(SparseMemory.Configuration.self)
        s.addressings.register(Addressing.Content.Configuration.self)
        s.addressings.register(Addressing.Location.Configuration.self)
        s.addressings.register(Addressing.Allocation.Configuration.self)
        s.addressings.register(Addressing.Temporal.Configuration.self)
        s.addressings.register(Addressing.LeastRecentlyUsed.Configuration.self)
        s.addressings.register(Addressing.Hopfield.Configuration.self)
        s.addressings.register(Addressing.Pointer.Configuration.self)
        s.controllers.register(MemoryMixer.LSTMController.Configuration.self)
        s.controllers.register(MemoryMixer.FeedForwardController.Configuration.self)
        return s
    }
}
