import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// A token reads the states.
public protocol StateReadout: AnyObject {
    /// What is read, [B, D].
    func callAsFunction(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> Variable
}

/// A readout that mixes the values of states, o = Σ rₘ Vₘ, with weights that do not depend on the values.
///
/// That is all that the scans of rules that write no keys need to know of it.
public protocol WeightedReadout: StateReadout {
    /// r for queries [B, T, D] of tokens that the routing policy lets read states by weights [B, T, N]
    /// (`RoutedTokens.readWeights`): [B, H, T, N], or [B, 1, T, N] for all heads; 0 for inactive states.
    func weights(_ queries: Variable, routing: Variable, _ states: StateBank) -> Variable
}

extension WeightedReadout {
    public func callAsFunction(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> Variable {
        let r = weights(token.query.unsqueezed(axis: 1), routing: token.readWeights.unsqueezed(axis: 1), states)
        return r.matmul(states.values.splitHeads(states.heads)).joinHeads().squeezed(axis: 1)
    }
}

extension StateActivity {
    /// Weights of states [B, ..., N] times their activities; exactly 0 for inactive ones.
    public func weighing(_ weights: Variable) -> Variable {
        readBias.map { weights * $0.exp().unsqueezed(axis: 1).unsqueezed(axis: 1) } ?? weights
    }
}

// MARK: Configuration

/// The settings of a readout, which make it.
public protocol ReadoutConfiguration: Configurable where Scope == LayerDimensions {
    /// The strategy for a layer, of settings that have been read for this layer or a larger one.
    func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateReadout
}

extension Registry where Value == any ReadoutConfiguration, Scope == LayerDimensions {
    public init() { self.init("readout", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds the settings of a readout under the name of their type.
    public mutating func register<Settings: ReadoutConfiguration>(_ type: Settings.Type) { register(type.init()) }
}
