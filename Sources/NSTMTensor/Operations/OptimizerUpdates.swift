import CNSTMKernels
import Foundation

// Updates of optimizers, in place and in one pass over memory. `moments` are tensors of the same shape and type, which are
// written too; the gradient is multiplied by `scale` first.

extension Tensor {
    /// Stochastic gradient descent; the decay is added to the gradient (L2).
    /// - Parameter moments: the momentum buffer; none for a momentum of 0.
    public mutating func updateSGD(
        gradient: Tensor, moments: inout [Tensor], scale: Double, learningRate: Double, momentum: Double, nesterov: Bool,
        weightDecay: Double
    ) {
        let settings = nstm_sgd(
            gradient_scale: scale, learning_rate: learningRate, momentum: momentum, weight_decay: weightDecay,
            nesterov: nesterov ? 1 : 0)
        update(gradient, &moments, momentum == 0 ? 0 : 1, "updateSGD") { real, p, g, m, count in
            var settings = settings
            nstm_sgd_step(real, &settings, p, g, m.isEmpty ? nil : m[0], count)
        }
    }
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    /// - Parameters:
    ///   - moments: the first and the second moment.
    ///   - step: number of the step, from 1, for the correction of the moments' bias.
    public mutating func updateAdamW(
        gradient: Tensor, moments: inout [Tensor], scale: Double, learningRate: Double, beta1: Double, beta2: Double,
        epsilon: Double, weightDecay: Double, step: Int
    ) {
        let correction1 = 1 - Foundation.pow(beta1, Double(step)), correction2 = 1 - Foundation.pow(beta2, Double(step))
        let settings = nstm_adamw(
            gradient_scale: scale, learning_rate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
            weight_decay: weightDecay, correction1: correction1, correction2: correction2)
        update(gradient, &moments, 2, "updateAdamW") { real, p, g, m, count in
            var settings = settings
            nstm_adamw_step(real, &settings, p, g, m[0], m[1], count)
        }
    }
    /// RMSProp with a centered second moment and momentum (Graves 2013, equations 38 to 41).
    /// - Parameter moments: the means of the squared and of the plain gradient, and the last change.
    public mutating func updateRMSProp(
        gradient: Tensor, moments: inout [Tensor], scale: Double, learningRate: Double, rho: Double, momentum: Double,
        epsilon: Double, weightDecay: Double
    ) {
        let settings = nstm_rmsprop(
            gradient_scale: scale, learning_rate: learningRate, rho: rho, momentum: momentum, epsilon: epsilon,
            weight_decay: weightDecay)
        update(gradient, &moments, 3, "updateRMSProp") { real, p, g, m, count in
            var settings = settings
            nstm_rmsprop_step(real, &settings, p, g, m[0], m[1], m[2], count)
        }
    }

    /// Runs a kernel on blocks of this tensor, the gradient and the moments.
    private mutating func update(
        _ gradient: Tensor, _ moments: inout [Tensor], _ count: Int, _ name: StaticString,
        _ kernel: (
            nstm_real, UnsafeMutableRawPointer, UnsafeRawPointer, UnsafeBufferPointer<UnsafeMutableRawPointer>, Int
        ) -> Void
    ) {
        let gradient = gradient.contiguous(), size = dtype.byteCount, real = dtype.real
        guard moments.count == count, gradient.shape == shape, moments.allSatisfy({ $0.shape == shape }),
            gradient.dtype == dtype, moments.allSatisfy({ $0.dtype == dtype })
        else {
            nstmFatal(.other(op: "\(name)", "the gradient and \(count) moments must have the shape \(shape) and type \(dtype)"))
        }
        let p = mutablePointer()
        withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer.self, capacity: count) { bases in
            for i in 0..<count { bases[i] = moments[i].mutablePointer() }
            let bases = UnsafeBufferPointer(bases)
            Parallel.blocks(gradient.count, of: 8_192) { r in
                let offset = r.lowerBound * size
                withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer.self, capacity: count) { block in
                    for i in 0..<count { block[i] = bases[i] + offset }
                    kernel(real, p + offset, gradient.pointer + offset, UnsafeBufferPointer(block), r.count)
                }
            }
        }
    }
}
