import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Linear recurrent units (Orvieto et al. 2023, "Resurrecting recurrent neural networks for long sequences"): residual blocks of one
/// complex diagonal recurrence for all channels together, GELU and a GLU, LayerNorm before each, no further feed-forward parts.
///
///     λ = exp(−exp ν + i exp θ);  h ← λ ⊙ h + exp γ ⊙ (B x);  y = Re(C h) + D ⊙ x
public final class LRU: SequenceModel {
    /// - Parameters:
    ///   - states: complex numbers of a layer's state.
    ///   - radii: where |λ| starts, uniform on the ring; close to 1 for long memories.
    ///   - phase: where the angle of λ starts at most.
    ///   - learningRateScale: of the recurrence's own parameters.
    public init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration, states: Int = 256, radii: ClosedRange<Double> = 0...1,
        phase: Double = 6.28, learningRateScale: Double = 0.5
    ) {
        super.init(builder, shape.withoutFeedForward, norm: .layer) { parameters, _, _ in
            LRULayer(
                parameters, width: shape.width, states: states, radii: radii, phase: phase, learningRateScale: learningRateScale)
        }
    }
}

/// The mixer of an `LRU`; its state is h.
///
/// γ starts as ½ log(1 − |λ|²), so that states have the size of what drives them. ν, θ, γ and B do not decay, and learn slower by a
/// factor.
public final class LRULayer: SequenceMixer {
    private let logDecay: Parameter
    private let logPhase: Parameter
    private let logScale: Parameter
    /// Re B above Im B.
    private let input: Parameter
    /// Re C beside −Im C, so that Re(C h) is one product.
    private let output: Parameter
    private let skip: Parameter
    private let glu: GLUOutput
    private let states: Int

    public init(
        _ parameters: ParameterBuilder, width: Int, states: Int = 256, radii: ClosedRange<Double> = 0...1, phase: Double = 6.28,
        learningRateScale: Double = 0.5
    ) {
        self.states = states
        let low = radii.lowerBound * radii.lowerBound, high = radii.upperBound * radii.upperBound
        // A square of 0 or 1 would be an infinite logarithm.
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

extension LRULayer: CostReporting {
    /// Maps into the states and out of them, real and imaginary; four multiply-adds a complex number in the scan.
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        pass.rows * (input.value.count + output.value.count + 4 * states) + glu.multiplyAdds(pass)
    }
}
