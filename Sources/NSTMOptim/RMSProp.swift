import NSTMConfiguration
import NSTMTensor

/// RMSProp with a centered second moment and momentum (Graves 2013, "Generating sequences with recurrent neural networks",
/// equations 38 to 41).
public struct RMSProp: Optimizer {
    public static let type = "rmsprop"
    public static let summary = "RMSProp with a centered second moment and momentum"
    /// Decay ρ of the moments, per step.
    public var rho = 0.95
    /// Momentum of the update.
    public var momentum = 0.9
    /// Number ε added to the second moment.
    public var epsilon = 1e-4
    public init() {}
    public mutating func read(_ reader: ConfigurationReader, _ steps: Int) {
        rho = reader.double("rho", default: rho, in: 0..<1)
        momentum = reader.double("momentum", default: momentum, in: 0..<1)
        epsilon = reader.double("epsilon", default: epsilon, in: 1e-16...1)
    }
    public var momentNames: [String] { ["square", "mean", "step"] }
    public func update(_ value: inout Tensor, gradient: Tensor, moments: inout [Tensor], _ step: OptimizerStep) {
        value.updateRMSProp(
            gradient: gradient, moments: &moments, scale: step.gradientScale, learningRate: step.learningRate, rho: rho,
            momentum: momentum, epsilon: epsilon, weightDecay: step.weightDecay)
    }
}
