import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Which states a token reaches, and how strongly.
public protocol RoutingPolicy: AnyObject {
    /// tokens [B, T, D] → weights [B, T, N] in 0 ... 1. A weight of exactly 0 saves the work of that state.
    ///
    /// Where states compete, inactive ones must not: the weights of the others are as if they were not there
    /// (`activity.hidingInactive`). The router sets their own weights to 0 in any case.
    ///
    /// - Parameter position: tokens of this sequence that came before. What a token gets may depend on its own position and on
    ///   nothing that comes later; random numbers are drawn by position, so that any split of a sequence draws the same.
    func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext) -> Variable
}

/// A routing policy that looks back at earlier tokens of the sequence, through what it carries from one part to the next.
public protocol CarryingRoutingPolicy: RoutingPolicy {
    /// What is carried before the first token, [B, ...].
    func initialState(batch: Int, _ dtype: DType) -> Tensor
    /// - Parameter carried: what the segment before left.
    /// - Returns: where the tokens write and read, and what the next segment needs (`Routing.carried`).
    func route(
        _ tokens: Variable, _ activity: StateActivity, position: Int, carried: Variable, _ context: ForwardContext
    ) -> Routing
}

/// Where the tokens of a segment write and read.
public struct Routing {
    /// How strongly each token reaches each state, [B, T, N] in 0 … 1.
    public var weights: Variable
    /// How strongly each token reads each state, [B, T, N] in 0 … 1, for readouts that read where a token is routed
    /// (`RoutedReadout`); nil: tokens read where they write.
    public var reads: Variable?
    /// What the policy carries to the next segment, [B, ...]; nil for a policy that carries nothing.
    public var carried: Variable?

    public init(weights: Variable, reads: Variable? = nil, carried: Variable? = nil) {
        self.weights = weights
        self.reads = reads
        self.carried = carried
    }
}

/// A routing policy that looks at what the states of a sequence hold.
///
/// What it carries are their keys as they were at the last multiple of an interval, zeros in place of inactive ones: at every
/// multiple, before the token that stands there, the layer puts them in. Gradients go through them to the tokens that wrote them.
public protocol StateRoutingPolicy: CarryingRoutingPolicy {
    /// Tokens between two looks, counted from the start of a sequence, so that any split of it looks at the same.
    var interval: Int { get }
}

extension CarryingRoutingPolicy {
    /// Routes from the beginning.
    public func callAsFunction(
        _ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext
    ) -> Variable {
        let start = context.constant(initialState(batch: tokens.shape[0], tokens.dtype))
        return route(tokens, activity, position: position, carried: start, context).weights
    }
}

/// Declares that the gradient a strategy passes back is an estimate (straight-through, a score function …) and not the derivative
/// of its value, so that finite differences say nothing about it.
public protocol EstimatesGradient: AnyObject {}

// MARK: Configuration

/// The settings of a routing policy, which make it.
public protocol RoutingConfiguration: Configurable where Scope == LayerDimensions {
    /// The strategy for a layer, of settings that have been read for this layer or a larger one.
    func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy
    /// The readout of a layer whose configuration names none, for a policy that says where tokens read; nil, the default: the
    /// rule's.
    var defaultReadout: (any ReadoutConfiguration)? { get }
}

extension RoutingConfiguration {
    public var defaultReadout: (any ReadoutConfiguration)? { nil }
}

extension Registry where Value == any RoutingConfiguration, Scope == LayerDimensions {
    public init() { self.init("routing policy", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds the settings of a routing policy under the name of their type.
    public mutating func register<Settings: RoutingConfiguration>(_ type: Settings.Type) { register(type.init()) }
}
