import NSTM

/// Routing by sparsemax: the weights of a token sum to 1, and the number of states that it reaches is learned.
///
///     w = sparsemax(x R / temperature)
///
/// States with a low score get a weight of exactly 0, which saves the work of their update.
public final class SparsemaxRouting: RoutingPolicy {
    private let projection: Linear
    /// Larger values spread a token over more states.
    public let temperature: Double

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, temperature: Double) {
        // One row per state: pruning and allocation resize it.
        projection = Linear(parameters, in: width, out: states, stateAxis: 0)
        self.temperature = temperature
    }
    public func callAsFunction(
        _ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext
    ) -> Variable {
        // The states compete, so the scores of inactive ones are −∞.
        sparsemax(activity.hidingInactive(projection(tokens, context) * (1 / temperature)))
    }
}

extension SparsemaxRouting {
    /// The settings of `sparsemax`.
    public struct Configuration: RoutingConfiguration {
        public static let type = "sparsemax"
        public static let summary = "a sparse distribution over the states"
        /// The divisor of the scores.
        public var temperature = 1.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            temperature = reader.double("temperature", default: temperature, in: 1e-3...1e3)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            SparsemaxRouting(parameters, width: layer.width, states: layer.states, temperature: temperature)
        }
    }
}
