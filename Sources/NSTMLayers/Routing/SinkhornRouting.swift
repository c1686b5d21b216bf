import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Softmax routing, balanced over the states by causal Sinkhorn iterations (Sinkhorn & Knopp 1967; for routing: Clark et al.,
/// 2022, "Unified scaling laws for routed language models").
///
/// Sinkhorn's column step divides the weights of each state by their sum over all tokens, including later ones. Here the sum is a
/// decaying one over the token and earlier ones: w⁰ = softmax(x·R + b), then for i = 1 … I
///
///     mᵢ ← (1 − 1/M) mᵢ + wⁱ⁻¹;    wⁱ ∝ wⁱ⁻¹/(1 + mᵢ)
///
/// and the weights of a token add up to 1. M is about the number of tokens over which the load is balanced; because of the 1, the
/// weights of the first tokens of a sequence are close to those of the softmax. The m of a sequence are carried from segment to
/// segment.
public final class SinkhornRouting: CarryingRoutingPolicy {
    public let projection: Linear
    /// Number of iterations I.
    public let iterations: Int
    /// Decay time M, in tokens.
    public let memory: Double

    public init(
        _ parameters: ParameterBuilder, width: Int, states: Int, iterations: Int = Configuration().iterations,
        memory: Double = Configuration().memory
    ) {
        projection = Linear(parameters, in: width, out: states, initializer: .normal(standardDeviation: 0.02), stateAxis: 0)
        self.iterations = iterations
        self.memory = memory
    }
    /// m of every iteration, [B, I, N].
    public func initialState(batch: Int, _ dtype: DType) -> Tensor {
        Tensor(repeating: 0, [batch, iterations, projection.weight.value.shape[0]], dtype: dtype)
    }
    public func route(
        _ tokens: Variable, _ activity: StateActivity, position: Int, carried: Variable, _ context: ForwardContext
    ) -> Routing {
        var w = activity.hidingInactive(projection(tokens, context)).softmax()
        let fading = context.constant(Tensor(repeating: 1 - 1 / memory, [w.shape[2]], dtype: w.dtype))
        let before = carried.split(axis: 1, Array(repeating: 1, count: iterations))
        let after = before.map { m in
            let sent = w.diagonalScan(decay: fading, state: m.squeezed(axis: 1))
            let raw = w / (sent.output + 1)
            w = raw / raw.sum(axes: [-1], keepDims: true)
            return sent.state
        }
        return Routing(weights: w, carried: .stack(after, axis: 1))
    }
}

// MARK: Configuration

extension SinkhornRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "sinkhorn"
        public static let summary = "a softmax balanced by causal Sinkhorn iterations"
        /// Number of iterations I.
        public var iterations = 3
        /// Decay time M, in tokens.
        public var memory = 64.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            iterations = reader.int("iterations", default: iterations, in: 1...100)
            memory = reader.double("memory", default: memory, in: 1...1e6)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            SinkhornRouting(parameters, width: layer.width, states: layer.states, iterations: iterations, memory: memory)
        }
    }
}

extension RoutingConfiguration where Self == SinkhornRouting.Configuration {
    public static func sinkhorn(iterations: Int = Self().iterations, memory: Double = Self().memory) -> Self {
        var settings = Self()
        settings.iterations = iterations
        settings.memory = memory
        return settings
    }
}

// MARK: Cost

extension SinkhornRouting: RoutingCost {
    /// Multiply-adds of the projection, and one per state and iteration for the decaying sums.
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.states * (pass.width + iterations) }
    public func reached(of active: Int) -> Int { active }
}
