import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// A readout: how a token reads the states.
public protocol StateReadout: AnyObject {
    /// The read of a token, [B, D].
    /// - Parameters:
    ///   - token: the token after routing.
    ///   - states: the states as the token sees them (`StateUpdateRule.view`).
    func callAsFunction(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> Variable
}

/// A readout that mixes the values of states, o = Σ rₘ Vₘ, with weights r that do not depend on the values.
///
/// The scans of rules that do not write keys need only these weights.
public protocol WeightedReadout: StateReadout {
    /// Read weights r of tokens: [B, H, T, N], or [B, 1, T, N] for all heads; 0 for inactive states.
    /// - Parameters:
    ///   - queries: [B, T, D].
    ///   - routing: read weights of the routing policy, [B, T, N] (`RoutedTokens.readWeights`).
    func weights(_ queries: Variable, routing: Variable, _ states: StateBank) -> Variable
}

extension WeightedReadout {
    public func callAsFunction(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> Variable {
        let r = weights(token.query.unsqueezed(axis: 1), routing: token.readWeights.unsqueezed(axis: 1), states)
        return r.matmul(states.values.splitHeads(states.heads)).joinHeads().squeezed(axis: 1)
    }
}

extension StateActivity {
    /// Weights of states [B, ..., N] times their activities; exactly 0 for inactive states.
    public func weighing(_ weights: Variable) -> Variable {
        readBias.map { weights * $0.exp().unsqueezed(axis: 1).unsqueezed(axis: 1) } ?? weights
    }
}

// MARK: Configuration

/// The configuration of a readout, which creates it.
public protocol ReadoutConfiguration: Configurable where Scope == LayerDimensions {
    /// The readout for a layer, whose number of states may be smaller than that of the layer for which the settings were read.
    func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateReadout
}

extension Registry where Value == any ReadoutConfiguration, Scope == LayerDimensions {
    public init() { self.init("readout", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds the settings of a readout under the name of their type.
    public mutating func register<Settings: ReadoutConfiguration>(_ type: Settings.Type) { register(type.init()) }
}
