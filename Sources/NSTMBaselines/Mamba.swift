import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Mamba (Gu & Dao 2023): pre-RMSNorm residual blocks of a gated selective state space, without feed-forward layers, with tied
/// embeddings.
///
///     x, z = u W;  x = silu(conv₄(x));  δ, B, C = x V;  Δ = softplus(δ P + p)
///     h ← exp(Δ A) ⊙ h + Δ x B;  y = C · h + D x;  out = (y ⊙ silu(z)) O
public final class Mamba: SequenceModel {
    /// - Parameters:
    ///   - states: N, the state size per channel.
    ///   - expansion: ratio of the channels of the state space to the width.
    ///   - convolution: width of the causal convolution.
    public init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration, states: Int = 16, expansion: Int = 2, convolution: Int = 4
    ) {
        super.init(builder, shape.withoutFeedForward, norm: .rms) { parameters, _, _ in
            Layer(
                parameters, width: shape.width, channels: expansion * shape.width, states: states, convolution: convolution,
                layers: shape.layers)
        }
    }
}

extension Mamba {
    /// The mixer of a `Mamba`, [B, T, width] → [B, T, width].
    ///
    /// Its cache is h and the last inputs of the convolution.
    ///
    /// A is initialized to −1 … −N in every channel, D to 1, and the step sizes are log-uniform in 10⁻³ … 10⁻¹. A and D have no
    /// weight decay.
    public final class Layer: SequenceMixer {
        private let projection: Linear
        private let convolution: CausalConvolution
        private let selection: Linear
        private let step: Linear
        private let stepBias: Parameter
        private let logDecay: Parameter
        private let skip: Parameter
        private let output: Linear
        private let channels: Int
        private let rank: Int
        private let states: Int

        /// - Parameters:
        ///   - channels: channels of the state space, 2 · width in the authors' models.
        ///   - states: N, the state size per channel.
        ///   - convolution: width of the causal convolution.
        ///   - layers: number of layers of the model; the initial output projection is scaled by 1/√layers.
        public init(
            _ parameters: ParameterBuilder, width: Int, channels: Int, states: Int = 16, convolution: Int = 4, layers: Int = 1
        ) {
            self.channels = channels
            self.states = states
            rank = (width + 15) / 16
            projection = Linear(parameters.child("projection"), in: width, out: 2 * channels, bias: false)
            self.convolution = CausalConvolution(
                parameters.child("convolution"), channels: channels, width: convolution, bias: true, silu: true)
            selection = Linear(parameters.child("selection"), in: channels, out: rank + 2 * states, bias: false)
            step = Linear(parameters.child("step"), in: rank, out: channels, bias: false)
            stepBias = parameters("step.bias", [channels], .stepSizes())
            logDecay = parameters("logDecay", [channels, states], .alongRow { i, _ in log(Double(i + 1)) }, decays: false)
            skip = parameters("skip", [channels], .ones)
            output = Linear(
                parameters.child("output"), in: channels, out: width, bias: false, initializer: .residual(channels, layers))
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            s["convolution"] = convolution.initialState(batch: batch, context)
            s["hidden"] = context.constant(.zeros([batch, channels, states], dtype: logDecay.value.dtype))
            return s
        }
        public func callAsFunction(_ u: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
            let parts = projection(u, context).split(axis: 2, into: 2)
            let x = convolution(parts[0], &state, "convolution", context)
            let selected = selection(x, context).split(axis: 2, [rank, states, states])
            let delta = context.linear(selected[0], step.weight, bias: context[stepBias]).softplus()
            let scan = x.selectiveScan(
                delta: delta, a: -context[logDecay].exp(), b: selected[1], c: selected[2], skip: context[skip],
                state: state?["hidden"])
            if state != nil {
                state!["hidden"] = scan.state
                state!.position += u.shape[1]
            }
            return output(scan.output * parts[1].silu(), context)
        }
    }
}

extension Initializer {
    /// The default of a linear map with `inputs`, scaled by 1/√layers, as in GPT-2 and Mamba with one sublayer per block.
    static func residual(_ inputs: Int, _ layers: Int) -> Initializer {
        .uniform(bound: 1 / Double(max(1, inputs * layers)).squareRoot())
    }
}

extension Mamba.Layer: CostReporting {
    /// Multiply-adds of a pass.
    ///
    /// Those of the scan are Δ A, a ⊙ h, (Δ x) B and C · h per state, and Δ x and D x per channel.
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        let maps = [projection, selection, step, output].reduce(0) { $0 + $1.multiplyAdds(pass) }
        return maps + convolution.multiplyAdds(pass) + pass.rows * channels * (4 * states + 2)
    }
}
