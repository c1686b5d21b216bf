import NSTM

/// Least recently used access (Santoro et al., 2016, "Meta-learning with memory-augmented neural networks", equations 5 to 8): a
/// token is routed by its content, or to the least used state.
///
///     w = α p + (1 − α) l,  p = softmax(x R + b),  α = σ(x·g + c),  l = 1 for the state with the smallest u;  u ← (1 − 1/M) u + w
///
/// In the paper p is where the last token read; a policy sees tokens only. No gradient goes through the choice of l. The usage u
/// of a sequence is carried from part to part.
public final class LeastUsedRouting: CarryingRoutingPolicy {
    private let projection: Linear
    private let gate: Linear
    private let states: Int
    /// M, in tokens: how long a use counts.
    public let memory: Double

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, memory: Double) {
        projection = Linear(parameters, in: width, out: states, stateAxis: 0)
        gate = Linear(parameters.child("gate"), in: width, out: 1)
        self.states = states
        self.memory = memory
    }
    public func initialState(batch: Int, _ dtype: DType) -> Tensor { .zeros([batch, states], dtype: dtype) }

    public func route(
        _ tokens: Variable, _ activity: StateActivity, position: Int, carried: Variable, _ context: ForwardContext
    ) -> Routing {
        let p = activity.hidingInactive(projection(tokens, context)).softmax(), share = gate(tokens, context).sigmoid()
        var usage = carried.value, least: [Tensor] = []
        for t in 0..<tokens.shape[1] {
            let free = activity.hidingInactive(context.constant(-usage)).value.argmax(axis: -1)
            let chosen = Tensor.oneHot(free, classes: states, dtype: usage.dtype), alpha = share.value.select(axis: 1, t)
            usage = usage.affine(1 - 1 / memory) + alpha * p.value.select(axis: 1, t) + alpha.affine(-1, 1) * chosen
            least.append(chosen)
        }
        let weights = share * p + (1 - share) * context.constant(.stack(least, axis: 1))
        return Routing(weights: weights, carried: context.constant(usage))
    }
}

extension LeastUsedRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "least-used"
        public static let summary = "the content's choice or the least recently used state"
        /// M, in tokens.
        public var memory = 20.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            memory = reader.double("memory", default: memory, in: 1...1e6)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            LeastUsedRouting(parameters, width: layer.width, states: layer.states, memory: memory)
        }
    }
}
