import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// RWKV-6 (Peng et al., 2024, "Eagle and Finch: RWKV with matrix-valued states and dynamic recurrence"): as `RWKV`, with a matrix
/// per head instead of two sums per channel, and with decays and token-shift interpolations that depend on the token.
///
///     x̂ = x + (x⁻ − x) ⊙ μ;  mixed_j = x + (x⁻ − x) ⊙ (μ_j + tanh(x̂ A)_j B_j)           for j = w, k, v, r, g
///     w = exp(−exp(ω + tanh(mixed_w A') B'));  k, v, r = W mixed;  g = silu(W mixed)
///     o = r (S + diag(u) kᵀ v);  S ← diag(w) S + kᵀ v;  y = (GroupNorm(o) ⊙ g) O
public final class RWKV6: SequenceModel {
    /// - Parameters:
    ///   - shape: `heads` is the number of matrices (64 channels each in the authors' models); `hidden` is the hidden width of
    ///     channel mixing (3.5 · width in the authors' models).
    ///   - mixRank: rank of the maps for the interpolation weights.
    ///   - decayRank: rank of the map for the decays.
    public init(_ builder: ParameterBuilder, _ shape: ModelConfiguration, mixRank: Int = 32, decayRank: Int = 64) {
        super.init(builder, shape, norm: .biasedLayer, style: .rwkv(shape, .ofPrevious)) { parameters, block, _ in
            RWKV6.TimeMix(
                parameters, width: shape.width, heads: shape.heads, block: block, layers: shape.layers, mixRank: mixRank,
                decayRank: decayRank)
        }
    }
}

extension RWKV6 {
    /// The time mixing of RWKV-6, [B, T, width] → [B, T, width].
    ///
    /// Its cache is the last token and S per head.
    public final class TimeMix: SequenceMixer {
        /// The parameters of one of the five interpolations between a token and the previous one.
        private struct Mix {
            let base: Parameter
            let up: Parameter
        }
        private let firstMix: Parameter
        private let mixDown: Parameter
        private let mixes: [Mix]
        private let decay: Parameter
        private let decayDown: Parameter
        private let decayUp: Parameter
        private let bonus: Parameter
        private let maps: [Linear]
        private let norm: GroupNorm
        private let output: Linear
        private let width: Int
        private let heads: Int

        /// - Parameters:
        ///   - heads: number of heads, which divides the width.
        ///   - block: index of the block in the model.
        ///   - layers: number of blocks of the model.
        ///   - mixRank: rank of the maps that make the interpolations depend on the token.
        ///   - decayRank: rank of the map that makes the decays depend on the token.
        public init(
            _ parameters: ParameterBuilder, width: Int, heads: Int, block: Int, layers: Int, mixRank: Int, decayRank: Int
        ) {
            requireHeads(heads, width, "RWKV6", parameters)
            self.width = width
            self.heads = heads
            let depth = RWKVDepth(block, of: layers), tiny = Initializer.uniform(bound: 0.01)
            func reversed(_ power: Double, _ shift: Double = 0) -> Initializer {
                .alongRow { i, n in 1 - pow(Double(i) / Double(n), power) - shift }
            }
            firstMix = parameters("mix", [width], reversed(depth.falling))
            mixDown = parameters("mix.down", [5 * mixRank, width], .zeros, decays: false)
            let initializers = [
                ("decay", reversed(depth.falling)), ("key", reversed(depth.falling)),
                ("value", reversed(depth.falling, 0.3 * depth.rising)), ("receptance", reversed(0.5 * depth.falling)),
                ("gate", reversed(0.5 * depth.falling)),
            ]
            mixes = initializers.map { name, initializer in
                Mix(
                    base: parameters("mix.\(name)", [width], initializer),
                    up: parameters("mix.\(name).up", [width, mixRank], tiny, decays: false))
            }
            let power = 0.7 + 1.3 * depth.rising, rising = depth.rising
            decay = parameters(
                "decay", [width], .alongRow { i, n in -6 + 5 * pow(Double(i) / Double(max(1, n - 1)), power) },
                learningRateScale: 2)
            decayDown = parameters("decay.down", [decayRank, width], .zeros, decays: false)
            decayUp = parameters("decay.up", [width, decayRank], tiny, decays: false)
            bonus = parameters(
                "bonus", [width],
                .alongRow { i, n in rising * (1 - Double(i) / Double(max(1, n - 1))) + 0.1 * Double((i + 1) % 3 - 1) })
            maps = [("key", 0.1), ("value", 1), ("receptance", 1), ("gate", 0.1)].map { name, gain in
                Linear(
                    parameters.child(name), in: width, out: width, bias: false, activation: name == "gate" ? .silu : .none,
                    initializer: .orthogonal(gain: gain))
            }
            norm = GroupNorm(parameters.child("norm"), groups: heads, channels: width, epsilon: 64e-5)
            let size = pow(Double(1 + block) / Double(layers), 0.7)
            norm.gain.value = Tensor(repeating: size, [width], dtype: norm.gain.value.dtype)
            output = Linear(parameters.child("output"), in: width, out: width, bias: false, initializer: .zeros)
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            let dtype = decay.value.dtype, d = width / heads
            s["last"] = context.constant(.zeros([batch, 1, width], dtype: dtype))
            s["matrices"] = context.constant(.zeros([batch, heads, d, d], dtype: dtype))
            return s
        }
        public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
            let B = x.shape[0], T = x.shape[1], difference = x.previous(&state, "last") - x
            let low = context.linear(x + difference * context[firstMix], mixDown, activation: .tanh).split(axis: 2, into: 5)
            let mixed = zip(mixes, low).map { mix, low in
                x + difference * context.linear(low, mix.up, bias: context[mix.base])
            }
            let w = context.linear(context.linear(mixed[0], decayDown, activation: .tanh), decayUp, bias: context[decay])
            let (k, v, r, g) = (
                maps[0](mixed[1], context), maps[1](mixed[2], context), maps[2](mixed[3], context), maps[3](mixed[4], context)
            )
            let scan = r.matrixStateScan(
                key: k, value: v, decay: (-w.exp()).exp(), bonus: context[bonus], state: state?["matrices"], heads: heads)
            if state != nil {
                state!["matrices"] = scan.state
                state!.position += T
            }
            let o = context.scope("norm") { norm(scan.output.reshaped([B * T, width]), context) }.reshaped([B, T, width])
            return output(o * g, context)
        }
    }
}

extension RWKV6.TimeMix: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        let d = width / heads, small = [mixDown, decayDown, decayUp] + mixes.map(\.up)
        let scan = MatrixStateScan.multiplyAdds(
            batch: pass.batch, tokens: pass.tokens, heads: heads, keys: d, values: d, decaysByChannel: true, bonus: true)
        return scan + pass.rows * small.reduce(0) { $0 + $1.value.count }
            + (maps + [output]).reduce(0) { $0 + $1.multiplyAdds(pass) }
    }
}
