import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Linear recurrent units (Orvieto et al., 2023, "Resurrecting recurrent neural networks for long sequences"): pre-LayerNorm
/// residual blocks of a complex diagonal recurrence shared by all channels, GELU and a GLU, without feed-forward layers.
///
///     λ = exp(−exp ν + i exp θ);  h ← λ ⊙ h + exp γ ⊙ (B x);  y = Re(C h) + D ⊙ x
public final class LRU: SequenceModel {
    /// - Parameters:
    ///   - states: size of h, in complex numbers.
    ///   - radii: range of the initial |λ|, uniformly distributed on the ring; close to 1 for long memories.
    ///   - phase: maximum initial angle of λ, in radians.
    ///   - learningRateScale: factor of the learning rate of the recurrence's parameters.
    public init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration, states: Int = 256, radii: ClosedRange<Double> = 0...1,
        phase: Double = 6.28, learningRateScale: Double = 0.5
    ) {
        super.init(builder, shape.withoutFeedForward, norm: .layer) { parameters, _, _ in
            Layer(
                parameters, width: shape.width, states: states, radii: radii, phase: phase, learningRateScale: learningRateScale)
        }
    }
}

extension LRU {
    /// The mixer of an `LRU`, [B, T, width] → [B, T, width].
    ///
    /// Its cache is h.
    ///
    /// γ is initialized to ½ log(1 − |λ|²), so that h has the scale of its input. ν, θ, γ and B have no weight decay and a scaled
    /// learning rate.
    public final class Layer: SequenceMixer {
        private let logDecay: Parameter
        private let logPhase: Parameter
        private let logScale: Parameter
        /// B, [2 · states, width]: real part, then imaginary part.
        private let input: Parameter
        /// C, [width, 2 · states]: Re C and −Im C concatenated, so that Re(C h) is one product.
        private let output: Parameter
        private let skip: Parameter
        private let glu: GLUOutput
        private let states: Int

        /// - Parameters:
        ///   - states: number of complex states.
        ///   - radii: range of the initial |λ|.
        ///   - phase: the largest initial phase of λ.
        ///   - learningRateScale: factor of the learning rate of λ, γ and B.
        public init(
            _ parameters: ParameterBuilder, width: Int, states: Int = 256, radii: ClosedRange<Double> = 0...1,
            phase: Double = 6.28, learningRateScale: Double = 0.5
        ) {
            self.states = states
            let low = radii.lowerBound * radii.lowerBound, high = radii.upperBound * radii.upperBound
            // Clamped because the logarithm of a square of 0 or 1 is infinite.
            let ring = Initializer.uniform(low, high) { log(-0.5 * log(min(max($0, 1e-12), 1 - 1e-7))) }
            logDecay = parameters("logDecay", [states], ring, learningRateScale: learningRateScale)
            logPhase = parameters(
                "logPhase", [states], .uniform(0, 1) { log(phase * max($0, 1e-6)) }, learningRateScale: learningRateScale)
            let scales = logDecay.value.doubles().map { 0.5 * log(1 - exp(-2 * exp($0))) }
            logScale = parameters("logScale", [states], .values(Tensor(scales, [states])), learningRateScale: learningRateScale)
            input = parameters(
                "input", [2 * states, width], .normal(standardDeviation: 1 / (2 * Double(width)).squareRoot()), decays: false,
                learningRateScale: learningRateScale)
            output = parameters("output", [width, 2 * states], .normal(standardDeviation: 1 / Double(states).squareRoot()))
            skip = parameters("skip", [width], .normal(standardDeviation: 1))
            glu = GLUOutput(parameters.child("glu"), width: width)
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            let zeros = context.constant(.zeros([batch, states], dtype: input.value.dtype))
            s[complex: "hidden"] = ComplexVariable(real: zeros, imaginary: zeros)
            return s
        }
        public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
            let scale = context[logScale].exp(), driven = context.linear(x, input).split(axis: 2, into: 2)
            let decay = ComplexVariable.exponential(
                ComplexVariable(real: -context[logDecay].exp(), imaginary: context[logPhase].exp())
            ).value
            let scan = ComplexVariable(real: driven[0] * scale, imaginary: driven[1] * scale).diagonalScan(
                decay: decay, state: state?[complex: "hidden"])
            if state != nil {
                state![complex: "hidden"] = scan.state
                state!.position += x.shape[1]
            }
            let h = Variable.concatenate([scan.output.real, scan.output.imaginary], axis: 2)
            let y = context.linear(h, output) + x * context[skip]
            return context.scope("glu") { glu(y, context) }
        }
    }
}

extension LRU.Layer: CostReporting {
    /// Multiply-adds of a pass: B and C, real and imaginary, and four per complex number in the scan.
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        pass.rows * (input.value.count + output.value.count + 4 * states) + glu.multiplyAdds(pass)
    }
}
