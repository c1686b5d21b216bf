import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// A routing policy: which states a token reaches, and how strongly.
public protocol RoutingPolicy: AnyObject {
    /// Routing weights [B, T, N] in 0 … 1 of tokens [B, T, D]. A weight of exactly 0 saves the work of that state.
    ///
    /// If states compete, the result must not depend on inactive ones (`activity.hidingInactive`). The router sets their weights
    /// to 0 in any case.
    ///
    /// - Parameter position: number of earlier tokens of the sequence. The weights of a token may depend on its position and on
    ///   earlier tokens only; random numbers are drawn by position, so that they do not depend on how a sequence is split.
    func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext) -> Variable
}

/// A routing policy that depends on earlier tokens of the sequence through a value carried from segment to segment.
public protocol CarryingRoutingPolicy: RoutingPolicy {
    /// The carried value before the first token, [B, ...].
    func initialState(batch: Int, _ dtype: DType) -> Tensor
    /// Routes the tokens of a segment.
    /// - Parameter carried: the value carried from the previous segment.
    /// - Returns: write and read weights, and the value for the next segment (`Routing.carried`).
    func route(
        _ tokens: Variable, _ activity: StateActivity, position: Int, carried: Variable, _ context: ForwardContext
    ) -> Routing
}

/// The write and read weights of the tokens of a segment.
public struct Routing {
    /// Write weights [B, T, N] in 0 … 1.
    public var weights: Variable
    /// Read weights [B, T, N] in 0 … 1, for readouts by routing (`RoutedReadout`); nil: the write weights.
    public var reads: Variable?
    /// The value carried to the next segment, [B, ...]; nil for a policy that carries nothing.
    public var carried: Variable?

    public init(weights: Variable, reads: Variable? = nil, carried: Variable? = nil) {
        self.weights = weights
        self.reads = reads
        self.carried = carried
    }
}

/// A routing policy that depends on the contents of the states.
///
/// The carried value is the keys of the states, with zeros for inactive ones, as they were at the last multiple of an interval.
/// The layer updates it before every token whose position is such a multiple. Gradients flow through the keys to the tokens that
/// wrote them.
public protocol StateRoutingPolicy: CarryingRoutingPolicy {
    /// Number of tokens between two updates of the keys, counted from the start of a sequence, so that it does not matter how a
    /// sequence is split.
    var interval: Int { get }
}

extension CarryingRoutingPolicy {
    /// Routes from the start of a sequence.
    public func callAsFunction(
        _ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext
    ) -> Variable {
        let start = context.constant(initialState(batch: tokens.shape[0], tokens.dtype))
        return route(tokens, activity, position: position, carried: start, context).weights
    }
}

/// A declaration that the gradient of a strategy is an estimate (straight-through, score function, …) instead of the derivative
/// of its value, so that it cannot be checked by finite differences.
public protocol EstimatesGradient: AnyObject {}

// MARK: Configuration

/// The configuration of a routing policy, which creates it.
public protocol RoutingConfiguration: Configurable where Scope == LayerDimensions {
    /// The policy for a layer, whose number of states may be smaller than that of the layer for which the settings were read.
    func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy
    /// The readout of a layer whose configuration does not name one, for a policy with read weights; nil, the default: that of
    /// the rule.
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
