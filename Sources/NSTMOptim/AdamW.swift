import NSTMConfiguration
import NSTMTensor

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
public struct AdamW: Optimizer {
    public static let type = "adamw"
    public static let summary = "Adam with decoupled weight decay"
    /// Decay β₁ of the first moment, per step.
    public var beta1 = 0.9
    /// Decay β₂ of the second moment, per step.
    public var beta2 = 0.99
    /// Number ε added to the denominator.
    public var epsilon = 1e-8
    public init() {}
    public init(beta1: Double = Self().beta1, beta2: Double, epsilon: Double = Self().epsilon) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
    }
    public mutating func read(_ reader: ConfigurationReader, _ steps: Int) {
        beta1 = reader.double("beta1", default: beta1, in: 0..<1)
        beta2 = reader.double("beta2", default: beta2, in: 0..<1)
        epsilon = reader.double("epsilon", default: epsilon, in: 1e-16...1)
    }
    public var momentNames: [String] { ["m", "v"] }
    public func update(_ value: inout Tensor, gradient: Tensor, moments: inout [Tensor], _ step: OptimizerStep) {
        value.updateAdamW(
            gradient: gradient, moments: &moments, scale: step.gradientScale, learningRate: step.learningRate, beta1: beta1,
            beta2: beta2, epsilon: epsilon, weightDecay: step.weightDecay, step: step.number)
    }
}
