import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// The default readout: softmax over active states of q·Kₘ/√d by heads, then the weighted sum of their values.
///
/// It is fused with the scan of token-driven rules.
public final class ContentReadout: WeightedReadout {
    public init() {}
    public func weights(_ queries: Variable, routing: Variable, _ states: StateBank) -> Variable {
        var scores = queries.scores(against: states.keys, heads: states.heads)
        if let bias = states.activity.readBias { scores = scores + bias.unsqueezed(axis: 1).unsqueezed(axis: 1) }
        // Without active states there is nothing to read.
        if states.activity.active(of: states.count).isEmpty { return Variable(Tensor.zeros(scores.shape, dtype: scores.dtype)) }
        return scores.softmax()
    }
    public func callAsFunction(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> Variable {
        let read = token.query.unsqueezed(axis: 1).slotRead(
            keys: states.keys, values: states.values, bias: states.activity.readBias, heads: states.heads)
        context.observe(StateView.Observation.read.rawValue) { read.weights }
        return read.output.squeezed(axis: 1)
    }
}

// MARK: Configuration

extension ContentReadout {
    public struct Configuration: ReadoutConfiguration {
        public static let type = "content"
        public static let summary = "a softmax over states of the match of query and key"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateReadout {
            ContentReadout()
        }
    }
}

extension ReadoutConfiguration where Self == ContentReadout.Configuration {
    public static var content: Self { Self() }
}

// MARK: Cost

extension ContentReadout: ReadWeightCost {
    /// Multiply-adds of the scores of the active states and of the weighted sum of their values.
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * 2 * pass.width * pass.active }
    /// Multiply-adds of the scores of all states, a matrix product.
    public func weightMultiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
}
