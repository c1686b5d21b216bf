import NSTMAutograd
import NSTMTensor

/// BatchNorm (Ioffe & Szegedy 2015) of [batch, channels, ...].
///
/// Training normalizes with the statistics of the batch and updates the running ones; evaluation uses the running ones. The
/// running mean and variance are non-trainable parameters, saved and loaded with the model. Every training pass updates them,
/// including a pass that is recomputed for its gradients (activation checkpointing).
public final class BatchNorm {
    /// γ, [channels].
    public let gain: Parameter
    /// β, [channels].
    public let bias: Parameter
    /// Running mean, [channels].
    public let runningMean: Parameter
    /// Running variance, [channels], unbiased (divided by n − 1).
    public let runningVariance: Parameter
    /// Weight of the statistics of a batch in the running ones.
    public let momentum: Double
    /// Added to the variance.
    public let epsilon: Double

    /// - Parameter momentum: weight of the statistics of a batch in the running ones, 0...1; 0.1 as in PyTorch.
    public init(_ parameters: ParameterBuilder, channels: Int, momentum: Double = 0.1, epsilon: Double = 1e-5) {
        gain = parameters("gain", [channels], .ones)
        bias = parameters("bias", [channels], .zeros)
        runningMean = parameters("running.mean", [channels], .zeros, trainable: false)
        runningVariance = parameters("running.variance", [channels], .ones, trainable: false)
        self.momentum = momentum
        self.epsilon = epsilon
    }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable {
        guard context.isTraining else {
            return x.batchNorm(
                mean: runningMean.value, variance: runningVariance.value, gain: context[gain], bias: context[bias],
                epsilon: epsilon)
        }
        let (y, mean, variance) = x.batchNorm(gain: context[gain], bias: context[bias], epsilon: epsilon)
        // The running variance is the unbiased one, as in PyTorch.
        let n = Double(x.shape.count / max(1, x.shape[1]))
        move(runningMean, towards: mean)
        move(runningVariance, towards: variance.affine(n / max(1, n - 1)))
        return y
    }
    private func move(_ running: Parameter, towards new: Tensor) {
        let old = running.value.cast(to: .float64)
        running.value = (old.affine(1 - momentum) + new.affine(momentum)).cast(to: running.value.dtype)
    }
}

/// GroupNorm (Wu & He 2018) of [batch, channels, ...].
public final class GroupNorm {
    /// γ, [channels].
    public let gain: Parameter
    /// β, [channels].
    public let bias: Parameter
    /// Number of groups of channels; divides the channels.
    public let groups: Int
    /// Added to the variance.
    public let epsilon: Double
    public init(_ parameters: ParameterBuilder, groups: Int, channels: Int, epsilon: Double = 1e-5) {
        gain = parameters("gain", [channels], .ones)
        bias = parameters("bias", [channels], .zeros)
        self.groups = groups
        self.epsilon = epsilon
    }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable {
        x.groupNorm(groups: groups, gain: context[gain], bias: context[bias], epsilon: epsilon)
    }
}
