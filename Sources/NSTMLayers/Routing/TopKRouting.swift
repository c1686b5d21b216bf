import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Independent gates σ(x·R + b), of which the k largest of a token are kept and all others are exactly 0.
///
/// States that a token does not reach are unchanged, so that sparse writes preserve information.
public final class TopKRouting: RoutingPolicy {
    public let projection: Linear
    /// Number of gates kept per token; nil keeps all (dense independent gates).
    public let k: Int?
    public init(_ parameters: ParameterBuilder, width: Int, states: Int, k: Int?) {
        projection = Linear(parameters, in: width, out: states, initializer: .normal(standardDeviation: 0.02), stateAxis: 0)
        self.k = k
    }
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
        -> Variable
    {
        let logits = activity.hidingInactive(projection(tokens, context))
        guard let k, k < logits.shape[-1] else { return logits.sigmoid() }
        return logits.topKGates(k)
    }
}

// MARK: Configuration

extension TopKRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "top-k"
        public static let summary = "the k largest of independent gates"
        /// Number of states that a token reaches; nil: 4, or all if there are fewer.
        public var k: Int?
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            k = reader.int("k", default: k ?? layer.fewStates, in: layer.choices)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            TopKRouting(parameters, width: layer.width, states: layer.states, k: k ?? layer.fewStates)
        }
    }
}

extension TopKRouting {
    public struct DenseConfiguration: RoutingConfiguration {
        public static let type = "sigmoid"
        public static let summary = "independent gates of all states"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            TopKRouting(parameters, width: layer.width, states: layer.states, k: nil)
        }
    }
}

extension RoutingConfiguration where Self == TopKRouting.Configuration {
    public static func topK(_ k: Int) -> Self {
        var settings = Self()
        settings.k = k
        return settings
    }
}

extension RoutingConfiguration where Self == TopKRouting.DenseConfiguration {
    public static var sigmoid: Self { Self() }
}

// MARK: Cost

extension TopKRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func reached(of active: Int) -> Int { min(k ?? active, active) }
}
