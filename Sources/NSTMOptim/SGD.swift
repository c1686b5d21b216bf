import NSTMConfiguration
import NSTMTensor

/// Stochastic gradient descent with momentum; the decay is added to the gradient (L2).
public struct SGD: Optimizer {
    public static let type = "sgd"
    public static let summary = "stochastic gradient descent with momentum"
    /// Momentum; 0: none.
    public var momentum = 0.9
    /// Whether the momentum is that of Nesterov.
    public var nesterov = false
    public init() {}
    public init(momentum: Double, nesterov: Bool = Self().nesterov) {
        self.momentum = momentum
        self.nesterov = nesterov
    }
    public mutating func read(_ reader: ConfigurationReader, _ steps: Int) {
        momentum = reader.double("momentum", default: momentum, in: 0..<1)
        nesterov = reader.bool("nesterov", default: nesterov)
    }
    public var momentNames: [String] { momentum == 0 ? [] : ["momentum"] }
    public func update(_ value: inout Tensor, gradient: Tensor, moments: inout [Tensor], _ step: OptimizerStep) {
        value.updateSGD(
            gradient: gradient, moments: &moments, scale: step.gradientScale, learningRate: step.learningRate,
            momentum: momentum, nesterov: nesterov, weightDecay: step.weightDecay)
    }
}
