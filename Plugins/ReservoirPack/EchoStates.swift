import NSTM

/// Echo states with leaky integration (Jaeger 2001; Jaeger et al., 2007): a recurrent network per state with fixed random
/// weights, of which only the readout is learned.
///
///     V ← V + w a (tanh(V W + v U) − V)
///
/// W and U are drawn once and saved with the model. W has normal entries of deviation ρ/√D, so that its spectral radius is about
/// ρ; below 1 the influence of the initial state vanishes. The key part is a moving average of the routed keys.
public final class EchoStates: StateUpdateRule {
    private let recurrent: Parameter
    private let input: Parameter
    /// Leak rate a, in 0 … 1.
    public let leak: Double

    /// - Parameter radius: ρ.
    public init(_ parameters: ParameterBuilder, width: Int, radius: Double, leak: Double) {
        let size = 1 / Double(width).squareRoot()
        recurrent = parameters("recurrent", [width, width], .normal(standardDeviation: radius * size), trainable: false)
        input = parameters("input", [width, width], .normal(standardDeviation: size), trainable: false)
        self.leak = leak
    }
    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        let w = token.weights.unsqueezed(axis: 2)
        let echo = states.values.matmul(context[recurrent]) + token.value.matmul(context[input]).unsqueezed(axis: 1)
        var next = states
        next.values = states.values + w * leak * (echo.tanh() - states.values)
        next.keys = states.keys + w * (token.key.unsqueezed(axis: 1) - states.keys)
        return next
    }
}

extension EchoStates {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "echo-states"
        public static let summary = "leaky echo states with fixed random weights"
        /// ρ.
        public var radius = 0.9
        /// a.
        public var leak = 0.5
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            radius = reader.double("radius", default: radius, in: 0...2)
            leak = reader.double("leak", default: leak, in: 0...1)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            EchoStates(parameters, width: layer.width, radius: radius, leak: leak)
        }
    }
}
