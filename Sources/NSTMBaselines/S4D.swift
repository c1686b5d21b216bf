import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Diagonal structured state spaces (Gu et al., 2022, "On the parameterization and initialization of diagonal state space
/// models") with the S4D-Lin initialization: pre-LayerNorm residual blocks of a state space per channel, GELU and a GLU, without
/// feed-forward layers.
///
///     Ā = exp(Δ A);  B̄ = (Ā − 1)/A;  h ← Ā ⊙ h + B̄ x;  y = 2 Re(C · h) + D x
public final class S4D: SequenceModel {
    /// - Parameters:
    ///   - states: real dimension of the state of a channel, even. It is stored as states/2 complex numbers, without their
    ///     conjugates.
    ///   - stepSizes: range of the initial Δ, log-uniformly distributed.
    public init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration, states: Int = 64, stepSizes: ClosedRange<Double> = 1e-3...0.1
    ) {
        super.init(builder, shape.withoutFeedForward, norm: .layer) { parameters, _, _ in
            Layer(parameters, width: shape.width, states: states, stepSizes: stepSizes)
        }
    }
}

extension S4D {
    /// The mixer of an `S4D`, [B, T, width] → [B, T, width].
    ///
    /// Its cache is h.
    ///
    /// A is initialized to Aₙ = −½ + iπn, B to 1, C is complex normal and D is normal. Δ and A have no weight decay and a
    /// learning rate of at most 10⁻³.
    ///
    /// Without a cache, a sequence is convolved with Kₗ = 2 Re(Σ C B̄ Āˡ), whose powers are computed by a scan of a single
    /// sequence. With a cache, all sequences are scanned.
    public final class Layer: SequenceMixer {
        private let logStep: Parameter
        private let logDecay: Parameter
        private let frequency: Parameter
        private let outputReal: Parameter
        private let outputImaginary: Parameter
        private let skip: Parameter
        private let output: GLUOutput
        private let width: Int
        /// Number of complex numbers per channel.
        private let count: Int

        /// - Parameters:
        ///   - states: state size per channel, an even number.
        ///   - stepSizes: range of the initial step sizes Δ.
        public init(
            _ parameters: ParameterBuilder, width: Int, states: Int = 64, stepSizes: ClosedRange<Double> = 1e-3...0.1
        ) {
            guard states % 2 == 0 else {
                nstmFatal(
                    .other(op: "S4D", "\(states) states; needs an even number, because they are conjugate pairs"),
                    at: parameters.path
                )
            }
            self.width = width
            count = states / 2
            let low = log(stepSizes.lowerBound), high = log(stepSizes.upperBound)
            logStep = parameters("logStep", [width], .uniform(low, high) { $0 }, maxLearningRate: 1e-3)
            logDecay = parameters("logDecay", [width, count], .constant(log(0.5)), decays: false, maxLearningRate: 1e-3)
            frequency = parameters(
                "frequency", [width, count], .alongRow { n, _ in .pi * Double(n) }, decays: false, maxLearningRate: 1e-3)
            // Real and imaginary parts have variance ½.
            let normal = Initializer.normal(standardDeviation: 0.5.squareRoot())
            outputReal = parameters("output.real", [width, count], normal)
            outputImaginary = parameters("output.imaginary", [width, count], normal)
            skip = parameters("skip", [width], .normal(standardDeviation: 1))
            output = GLUOutput(parameters.child("glu"), width: width)
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            let zeros = context.constant(.zeros([batch, width * count], dtype: logStep.value.dtype))
            s[complex: "hidden"] = ComplexVariable(real: zeros, imaginary: zeros)
            return s
        }
        public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
            let B = x.shape[0], T = x.shape[1], all = width * count
            let step = context[logStep].exp().unsqueezed(axis: 1)
            let a = ComplexVariable(real: -context[logDecay].exp(), imaginary: context[frequency])
            let (decay, minusOne) = ComplexVariable.exponential(
                ComplexVariable(real: step * a.real, imaginary: step * a.imaginary))
            let input = minusOne / a, c = ComplexVariable(real: context[outputReal], imaginary: context[outputImaginary])
            let flat = decay.reshaped([all])
            var y: Variable
            if let hidden = state?[complex: "hidden"] {
                let u = x.unsqueezed(axis: 3), driven = ComplexVariable(real: u * input.real, imaginary: u * input.imaginary)
                let scan = driven.reshaped([B, T, all]).diagonalScan(decay: flat, state: hidden)
                let h = scan.output.reshaped([B, T, width, count])
                y = 2 * (h.real * c.real - h.imaginary * c.imaginary).sum(axes: [3])
                state![complex: "hidden"] = scan.state
                state!.position += T
            } else {
                // The impulse response of the recurrence.
                let first = (c * input).reshaped([1, 1, all]), rest = Variable(.zeros([1, max(0, T - 1), all], dtype: x.dtype))
                let impulse = ComplexVariable(
                    real: .concatenate([first.real, rest], axis: 1), imaginary: .concatenate([first.imaginary, rest], axis: 1))
                let powers = impulse.diagonalScan(decay: flat).output.real
                y = x.longConvolution(2 * powers.reshaped([max(1, T), width, count]).sum(axes: [2]))
            }
            y = y + x * context[skip]
            return context.scope("glu") { output(y, context) }
        }
    }
}

extension S4D.Layer: CostReporting {
    /// Multiply-adds of a pass: with a cache, four per complex number and token; without one, the same for a single sequence, and
    /// the long convolution of all sequences.
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        let all = 4 * width * count, glu = output.multiplyAdds(pass)
        if pass.carriesState { return pass.rows * all + glu }
        let convolution = LongConvolution(batch: pass.batch, time: pass.tokens, channels: width, taps: max(1, pass.tokens))
        return max(1, pass.tokens) * all + convolution.multiplyAdds(logStep.value.dtype) + glu
    }
}
