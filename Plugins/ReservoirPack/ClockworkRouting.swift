import NSTM

/// A clockwork (Koutník et al., 2014, "A clockwork RNN"): state n is reached by every 2ⁱ-th token, i = n mod P, whatever the
/// token is.
///
/// Slow states remember long ago, fast ones what was just said. Nothing is learned; periods are saved with the model.
public final class ClockworkRouting: RoutingPolicy {
    /// Period of each state in tokens, [N].
    private let periods: Parameter
    /// Weight of the states that are reached, in 0 … 1.
    public let strength: Double

    /// - Parameter periods: P.
    public init(_ parameters: ParameterBuilder, states: Int, periods: Int, strength: Double) {
        let all = (0..<states).map { Double(1 << ($0 % periods)) }
        self.periods = parameters("periods", [states], .values(Tensor(all)), trainable: false, stateAxis: 0)
        self.strength = strength
    }
    public func callAsFunction(
        _ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext
    ) -> Variable {
        let each = periods.value.doubles().map { Int($0) }, length = tokens.shape[1]
        let weights = (0..<length).flatMap { t in each.map { (position + t) % $0 == 0 ? strength : 0 } }
        let rows = Tensor(weights, [1, length, each.count]).cast(to: tokens.dtype)
        return context.constant(rows.broadcast(to: [tokens.shape[0], length, each.count]))
    }
}

extension ClockworkRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "clockwork"
        public static let summary = "each state at every 2ⁱ-th token"
        /// P.
        public var periods = 4
        /// Weight of the states that are reached.
        public var strength = 0.75
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            periods = reader.int("periods", default: periods, in: 1...30)
            strength = reader.double("strength", default: strength, in: 0...1)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            ClockworkRouting(parameters, states: layer.states, periods: periods, strength: strength)
        }
    }
}
