import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Mamba-2 (Dao & Gu 2024, "Transformers are SSMs"): one decay per head, which makes the state space a matrix-state recurrence,
/// in blocks as in `Mamba`.
///
///     z, (x, B, C), δ = u W;  x, B, C = silu(conv₄(x, B, C));  Δ = softplus(δ + p)
///     S ← exp(Δ A) S + Bᵀ (Δ x);  y = C S + D x;  out = RMSNorm(y ⊙ silu(z)) O
public final class Mamba2: SequenceModel {
    /// - Parameters:
    ///   - states: N, the number of rows of S; B and C are shared by the heads.
    ///   - expansion: ratio of the channels of the state space to the width.
    ///   - headWidth: P, the number of columns of S; divides expansion · width.
    ///   - convolution: width of the causal convolution.
    public init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration, states: Int = 128, expansion: Int = 2, headWidth: Int = 64,
        convolution: Int = 4
    ) {
        super.init(builder, shape.withoutFeedForward, norm: .rms) { parameters, _, _ in
            Layer(
                parameters, width: shape.width, channels: expansion * shape.width, states: states, headWidth: headWidth,
                convolution: convolution, layers: shape.layers)
        }
    }
}

extension Mamba2 {
    /// The mixer of a `Mamba2`, [B, T, width] → [B, T, width].
    ///
    /// Its cache is S per head and the last inputs of the convolution.
    ///
    /// −A is initialized uniformly in 1 … 16, D to 1, and the step sizes are log-uniform in 10⁻³ … 10⁻¹. These three have no
    /// weight decay.
    public final class Layer: SequenceMixer {
        private let projection: Linear
        private let convolution: CausalConvolution
        private let stepBias: Parameter
        private let logDecay: Parameter
        private let skip: Parameter
        private let norm: RMSNorm
        private let output: Linear
        private let channels: Int
        private let states: Int
        private let heads: Int

        /// - Parameters:
        ///   - channels: channels of the state space, a multiple of `headWidth`.
        ///   - states: N, the state size per channel.
        ///   - headWidth: channels of a head.
        ///   - convolution: width of the causal convolution.
        ///   - layers: number of layers of the model; the initial output projection is scaled by 1/√layers.
        public init(
            _ parameters: ParameterBuilder, width: Int, channels: Int, states: Int = 128, headWidth: Int = 64,
            convolution: Int = 4, layers: Int = 1
        ) {
            guard headWidth >= 1, channels % headWidth == 0 else {
                nstmFatal(
                    .other(op: "Mamba2", "\(channels) channels are not divisible into heads of \(headWidth)"), at: parameters.path
                )
            }
            self.channels = channels
            self.states = states
            heads = channels / headWidth
            projection = Linear(
                parameters.child("projection"), in: width, out: 2 * channels + 2 * states + heads, bias: false)
            self.convolution = CausalConvolution(
                parameters.child("convolution"), channels: channels + 2 * states, width: convolution, bias: true, silu: true)
            stepBias = parameters("step.bias", [heads], .stepSizes())
            logDecay = parameters("logDecay", [heads], .uniform(1, 16) { log($0) })
            skip = parameters("skip", [heads], .ones)
            norm = RMSNorm(parameters.child("norm"), width: channels, epsilon: 1e-5)
            output = Linear(
                parameters.child("output"), in: channels, out: width, bias: false, initializer: .residual(channels, layers))
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            s["convolution"] = convolution.initialState(batch: batch, context)
            s["hidden"] = context.constant(
                .zeros([batch, heads, states, channels / heads], dtype: logDecay.value.dtype))
            return s
        }
        public func callAsFunction(_ u: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
            let B = u.shape[0], T = u.shape[1], P = channels / heads
            let parts = projection(u, context).split(axis: 2, [channels, channels + 2 * states, heads])
            let mixed = convolution(parts[1], &state, "convolution", context).split(axis: 2, [channels, states, states])
            let delta = (parts[2] + context[stepBias]).softplus()
            let x = mixed[0].reshaped([B, T, heads, P])
            /// Rows [B, T, N], repeated for every head: [B, T, heads · N].
            func shared(_ rows: Variable) -> Variable {
                rows.unsqueezed(axis: 2).broadcast(to: [B, T, heads, states]).reshaped([B, T, heads * states])
            }
            let scan = shared(mixed[2]).matrixStateScan(
                key: shared(mixed[1]), value: (x * delta.unsqueezed(axis: 3)).reshaped([B, T, channels]),
                decay: (-(delta * context[logDecay].exp())).exp(), state: state?["hidden"], heads: heads)
            if state != nil {
                state!["hidden"] = scan.state
                state!.position += T
            }
            let y = scan.output + (x * context[skip].unsqueezed(axis: 1)).reshaped([B, T, channels])
            return output(norm(y * parts[0].silu(), context), context)
        }
    }
}

extension Mamba2.Layer: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        let scan = MatrixStateScan.multiplyAdds(
            batch: pass.batch, tokens: pass.tokens, heads: heads, keys: states, values: channels / heads)
        return projection.multiplyAdds(pass) + convolution.multiplyAdds(pass) + scan + output.multiplyAdds(pass)
    }
}
