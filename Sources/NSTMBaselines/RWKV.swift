import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// RWKV-4 (Peng et al., 2023, "RWKV: reinventing RNNs for the Transformer era"): residual blocks of time mixing and channel
/// mixing, with biased LayerNorms before each and after the embedding, and an untied head.
///
///     time:     k, v, r = W (μ ⊙ x + (1 − μ) ⊙ x⁻);  y = (σ(r) ⊙ wkv(k, v)) O
///     channels: k, r = W (μ ⊙ x + (1 − μ) ⊙ x⁻);  y = σ(r) ⊙ (max(k, 0)² V)
///
/// x⁻ is the previous token, and wkv the weighted sum of values of `Variable.wkvScan`. Parameters are initialized as in the
/// authors' code.
public final class RWKV: SequenceModel {
    /// - Parameter shape: `hidden` is the hidden width of channel mixing, 4 · width in the authors' models.
    public init(_ builder: ParameterBuilder, _ shape: ModelConfiguration) {
        super.init(builder, shape, norm: .biasedLayer, style: .rwkv(shape, .ofCurrent)) { parameters, block, _ in
            TimeMix(parameters, width: shape.width, block: block, layers: shape.layers)
        }
    }
}

/// The relative depth of a block, on which initial values depend.
struct RWKVDepth: Sendable {
    /// block / (layers − 1): 0 in the first block, 1 in the last.
    let rising: Double
    /// 1 − block / layers: 1 in the first block, nearly 0 in the last.
    let falling: Double
    init(_ block: Int, of layers: Int) {
        rising = layers > 1 ? Double(block) / Double(layers - 1) : 0
        falling = 1 - Double(block) / Double(layers)
    }
    /// (i/n)^power + shift for channel i of n.
    func ramp(_ power: Double, plus shift: Double = 0) -> Initializer {
        .alongRow { i, n in pow(Double(i) / Double(n), power) + shift }
    }
}

extension Variable {
    /// The previous token of each, [B, T, D].
    ///
    /// That of the first is stored in the cache under `name`; without a cache it is 0.
    func previous(_ state: inout MixerCache?, _ name: String) -> Variable {
        let T = shape[1]
        guard T > 0 else { return self }
        let first = state?[name] ?? Variable(.zeros([shape[0], 1, shape[2]], dtype: dtype))
        if state != nil { state![name] = slice(axis: 1, T - 1..<T).owned }
        return T == 1 ? first : .concatenate([first, slice(axis: 1, 0..<T - 1)], axis: 1)
    }
}

extension RWKV {
    /// The time mixing of RWKV-4, [B, T, width] → [B, T, width].
    ///
    /// Its cache is the last token and the three sums of the scan.
    public final class TimeMix: SequenceMixer {
        private let mixes: [Parameter]
        private let key: Linear
        private let value: Linear
        private let receptance: Linear
        private let output: Linear
        private let decay: Parameter
        private let bonus: Parameter
        private let width: Int

        /// - Parameters:
        ///   - block: index of the block in the model.
        ///   - layers: number of blocks of the model.
        public init(_ parameters: ParameterBuilder, width: Int, block: Int, layers: Int) {
            let depth = RWKVDepth(block, of: layers)
            self.width = width
            mixes = [
                parameters("mix.key", [width], depth.ramp(depth.falling)),
                parameters("mix.value", [width], depth.ramp(depth.falling, plus: 0.3 * depth.rising)),
                parameters("mix.receptance", [width], depth.ramp(0.5 * depth.falling)),
            ]
            key = Linear(parameters.child("key"), in: width, out: width, bias: false, initializer: .zeros)
            value = Linear(parameters.child("value"), in: width, out: width, bias: false, initializer: .orthogonal())
            receptance = Linear(parameters.child("receptance"), in: width, out: width, bias: false, initializer: .zeros)
            output = Linear(parameters.child("output"), in: width, out: width, bias: false, initializer: .zeros)
            let power = 0.7 + 1.3 * depth.rising
            decay = parameters(
                "decay", [width], .alongRow { i, n in -5 + 8 * pow(Double(i) / Double(max(1, n - 1)), power) },
                learningRateScale: 2)
            bonus = parameters(
                "bonus", [width], .alongRow { i, _ in log(0.3) + 0.5 * Double((i + 1) % 3 - 1) }, learningRateScale: 3)
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            let dtype = decay.value.dtype
            s["last"] = context.constant(.zeros([batch, 1, width], dtype: dtype))
            let empty = Tensor.concatenate(
                [.zeros([batch, 2, width], dtype: dtype), Tensor(repeating: -1e38, [batch, 1, width], dtype: dtype)], axis: 1)
            s["sums"] = context.constant(empty)
            return s
        }
        public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
            let last = x.previous(&state, "last"), new = x - last
            let mixed = mixes.map { last + new * context[$0] }
            let scan = key(mixed[0], context).wkvScan(
                value: value(mixed[1], context), decay: -context[decay].exp(), bonus: context[bonus], state: state?["sums"])
            if state != nil {
                state!["sums"] = scan.state
                state!.position += x.shape[1]
            }
            return output(receptance(mixed[2], context).sigmoid() * scan.output, context)
        }
    }

    /// The channel mixing of RWKV, [B, T, width] → [B, T, width].
    ///
    /// Its cache is the last token.
    public final class ChannelMix: SequenceMixer {
        /// The meaning of μ in the interpolation of a token and the previous one.
        public enum Shift: Sendable {
            /// μ is the weight of the token (RWKV-4).
            case ofCurrent
            /// μ is the weight of the previous token (RWKV-6).
            case ofPrevious
        }
        private let mixes: [Parameter]
        private let key: Linear
        private let value: Linear
        private let receptance: Linear
        private let width: Int
        private let shift: Shift

        /// - Parameters:
        ///   - block: index of the block in the model.
        ///   - layers: number of blocks of the model.
        ///   - shift: the meaning of μ, `ofCurrent` for RWKV-4.
        public init(_ parameters: ParameterBuilder, width: Int, hidden: Int, block: Int, layers: Int, shift: Shift = .ofCurrent) {
            let depth = RWKVDepth(block, of: layers), power = depth.falling
            self.width = width
            self.shift = shift
            let ramp: Initializer =
                switch shift {
                case .ofCurrent: depth.ramp(power)
                case .ofPrevious: .alongRow { i, n in 1 - pow(Double(i) / Double(n), power) }
                }
            mixes = ["mix.key", "mix.receptance"].map { parameters($0, [width], ramp) }
            // As in the authors' code, maps with more outputs than inputs have a larger gain.
            let gain = (Double(max(hidden, width)) / Double(width)).squareRoot()
            key = Linear(
                parameters.child("key"), in: width, out: hidden, bias: false, activation: .squaredReLU,
                initializer: .orthogonal(gain: gain))
            value = Linear(parameters.child("value"), in: hidden, out: width, bias: false, initializer: .zeros)
            receptance = Linear(parameters.child("receptance"), in: width, out: width, bias: false, initializer: .zeros)
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            s["channels.last"] = context.constant(.zeros([batch, 1, width], dtype: key.weight.value.dtype))
            return s
        }
        public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
            let last = x.previous(&state, "channels.last")
            let mixed = mixes.map { m in
                switch shift {
                case .ofCurrent: last + (x - last) * context[m]
                case .ofPrevious: x + (last - x) * context[m]
                }
            }
            return receptance(mixed[1], context).sigmoid() * value(key(mixed[0], context), context)
        }
    }
}

extension BlockOptions {
    /// Channel mixing in place of feed-forward layers, a norm after an embedding with a small initialization, and an orthogonal
    /// head.
    static func rwkv(_ shape: ModelConfiguration, _ shift: RWKV.ChannelMix.Shift) -> BlockOptions {
        var style = BlockOptions()
        style.feedForward = { parameters, block, _ in
            RWKV.ChannelMix(
                parameters, width: shape.width, hidden: shape.hidden, block: block, layers: shape.layers, shift: shift)
        }
        style.normsInput = true
        style.embedding = .uniform(bound: 1e-4)
        style.isTied = false
        style.head = Initializer { s, key, t in
            Initializer.orthogonal(gain: 0.5 * max(1, Double(s[0]) / Double(s[1])).squareRoot())(s, key, t)
        }
        return style
    }
}

extension RWKV.TimeMix: CostReporting {
    /// Multiply-adds of a pass; the weighted sums have six per channel and token.
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        [key, value, receptance, output].reduce(6 * pass.rows * width) { $0 + $1.multiplyAdds(pass) }
    }
}
extension RWKV.ChannelMix: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        [key, value, receptance].reduce(0) { $0 + $1.multiplyAdds(pass) }
    }
}
