import Foundation
import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Routing to k random states per token with weight 1, drawn without replacement by their softmax probabilities; all other
/// weights are exactly 0.
///
/// In training Gumbel noise g = −log(−log U) is added to z = x·R + b before the k largest are selected (Kool, van Hoof & Welling
/// 2019, "Stochastic beams and where to find them"); evaluation selects the k largest of z.
///
/// The gradient is that of softmax((z + g)/τ) instead of the selection: straight-through Gumbel-softmax (Jang, Gu & Poole 2017).
/// It is biased, and the scan of token-driven rules propagates only the gradient of the selected states. A weight of 1 replaces
/// the content of a state; a second gate (`GatedSlotsRule`) reduces the weight.
public final class GumbelRouting: RoutingPolicy, EstimatesGradient {
    public let projection: Linear
    public let k: Int
    /// Temperature τ: smaller values bring the gradient closer to that of the selection, and make it larger.
    public let temperature: Double

    public init(
        _ parameters: ParameterBuilder, width: Int, states: Int, k: Int = Configuration().k,
        temperature: Double = Configuration().temperature
    ) {
        projection = Linear(parameters, in: width, out: states, initializer: .normal(standardDeviation: 0.02), stateAxis: 0)
        self.k = k
        self.temperature = temperature
    }
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
        -> Variable
    {
        var scores = activity.hidingInactive(projection(tokens, context))
        if context.isTraining {
            scores = scores + context.constant(noise(scores.shape, scores.dtype, activity, position, context))
        }
        return (scores / temperature).softmax().straightThrough(scores.value.largest(k))
    }
    /// Gumbel noise with a row per sequence and position, independent of how the sequence is split; a state is indexed by its
    /// identity.
    private func noise(
        _ shape: Shape, _ dtype: DType, _ activity: StateActivity, _ position: Int, _ context: ForwardContext
    ) -> Tensor {
        let key = context.random("gumbel"), n = shape[2], identities = activity.identities(of: n)
        var all: [Double] = []
        all.reserveCapacity(shape.count)
        for b in 0..<shape[0] {
            let sequence = key.fold(b)
            for t in 0..<shape[1] {
                let row = sequence.fold(position + t)
                for i in identities { all.append(-log(-log(min(max(row.uniform(i), 1e-12), 1 - 1e-12)))) }
            }
        }
        return Tensor(all, shape).cast(to: dtype)
    }
}

// MARK: Configuration

extension GumbelRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "gumbel"
        public static let summary = "k states drawn by Gumbel-softmax"
        /// Number of states that a token reaches.
        public var k = 1
        /// Temperature τ.
        public var temperature = 1.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            k = reader.int("k", default: k, in: layer.choices)
            temperature = reader.double("temperature", default: temperature, in: 1e-3...1e3)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            GumbelRouting(parameters, width: layer.width, states: layer.states, k: k, temperature: temperature)
        }
    }
}

extension RoutingConfiguration where Self == GumbelRouting.Configuration {
    public static func gumbel(_ k: Int, temperature: Double = Self().temperature) -> Self {
        var settings = Self()
        settings.k = k
        settings.temperature = temperature
        return settings
    }
}

// MARK: Cost

extension GumbelRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func reached(of active: Int) -> Int { min(k, active) }
}
