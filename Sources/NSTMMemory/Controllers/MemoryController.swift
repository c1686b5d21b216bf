import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// The network that drives an external memory: per token it takes the input and what the last step read, and gives the vector from
/// which the interface of the memory and the output are computed.
public protocol MemoryController: AnyObject {
    /// Number of elements of its output.
    var width: Int { get }
    /// What it carries before the first token.
    func initialState(batch: Int, _ context: ForwardContext) -> MixerCache
    /// The part of the computation that depends on the input only, for all tokens at once: [B, T, D] → [B, T, P].
    func prepare(_ x: Variable, _ context: ForwardContext) -> Variable
    /// The output [B, width] of one step.
    /// - Parameters:
    ///   - token: what `prepare` returned for this token, [B, P].
    ///   - read: what was read in the last step, [B, R].
    func step(_ token: Variable, reads read: Variable, _ state: inout MixerCache, _ context: ForwardContext) -> Variable
    /// Multiply-adds of `tokens` steps for one sequence, by formula; nil, the default, without a formula.
    func multiplyAdds(_ pass: PassSize) -> Int?
    /// Number of elements that it carries for one sequence; nil, the default, without a formula.
    var stateCount: Int? { get }
}
extension MemoryController {
    public func multiplyAdds(_ pass: PassSize) -> Int? { nil }
    public var stateCount: Int? { nil }
}

/// The settings of a controller, which make it.
public protocol MemoryControllerConfiguration: Configurable where Scope == Void {
    /// - Parameters:
    ///   - inputs: D, number of elements of a token.
    ///   - reads: number of elements that a step reads.
    func make(_ parameters: ParameterBuilder, inputs: Int, reads: Int) -> any MemoryController
}

extension Registry where Value == any MemoryControllerConfiguration, Scope == Void {
    public init() { self.init("controller", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds the settings of a controller under the name of their type.
    public mutating func register<Settings: MemoryControllerConfiguration>(_ type: Settings.Type) { register(type.init()) }
}
