import NSTMAutograd
import NSTMTensor

/// BatchNorm (Ioffe & Szegedy 2015) of [batch, channels, ...]. Training normalizes with the batch's statistics and moves the
/// running ones towards them; evaluation uses the running ones.
///
/// The running mean and variance are parameters that are not trained: they are saved and loaded with the model. Every training
/// pass moves them, also one that is computed a second time for its gradients.
public final class BatchNorm {
    public let gain: Parameter
    public let bias: Parameter
    public let runningMean: Parameter
    public let runningVariance: Parameter
    public let momentum: Double
    public let epsilon: Double

    /// - Parameter momentum: how far the running statistics move towards a batch's; 0.1 as in PyTorch.
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
        // The variance that is kept is that of a sample, as in PyTorch.
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
    public let gain: Parameter
    public let bias: Parameter
    public let groups: Int
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
