import NSTM

/// Lion (Chen et al., 2023, "Symbolic discovery of optimization algorithms", Algorithm 2): the sign of an interpolated momentum.
///
///     θ ← θ − η (sign(β₁ m + (1 − β₁) g) + λ θ);   m ← β₂ m + (1 − β₂) g
///
/// It has one moment per parameter. All elements move by the same amount, so learning rates are 3 to 10 times smaller than with AdamW.
public struct Lion: Optimizer {
    public static let type = "lion"
    public static let summary = "the sign of an interpolated momentum"
    public var beta1 = 0.9
    public var beta2 = 0.99
    public init() {}
    public mutating func read(_ reader: ConfigurationReader, _ steps: Int) {
        beta1 = reader.double("beta1", default: beta1, in: 0..<1)
        beta2 = reader.double("beta2", default: beta2, in: 0..<1)
    }
    public var momentNames: [String] { ["m"] }
    public func update(_ value: inout Tensor, gradient: Tensor, moments: inout [Tensor], _ step: OptimizerStep) {
        let g = gradient.affine(step.gradientScale), m = moments[0]
        let direction = (m.affine(beta1) + g.affine(1 - beta1)).sign()
        value = value - (direction + value.affine(step.weightDecay)).affine(step.learningRate)
        moments[0] = m.affine(beta2) + g.affine(1 - beta2)
    }
}
