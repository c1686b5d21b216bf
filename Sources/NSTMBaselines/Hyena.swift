import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Hyena of order 2 (Poli et al., 2023, "Hyena hierarchy: towards larger convolutional language models"): Transformer blocks with
/// long convolutions in place of attention, whose filters are functions of the position.
///
///     x₀, x₁, v = conv₃(u W + b);  y = (x₀ ⊙ (h ∗ (x₁ ⊙ v) + d ⊙ x₁ ⊙ v)) O + c
///     h(t) = MLP(t, cos ωt, −sin ωt) ⊙ exp(−α t), with sines as activations
///
/// There is no step of constant cost: a filter as long as the sequence needs all earlier inputs. Streaming caches them, as a
/// Transformer caches keys and values, and convolves all of them in every call.
public final class Hyena: SequenceModel {
    private let length: Int

    /// - Parameter filter: sizes of the filters; its length is the maximum sequence length.
    public init(_ builder: ParameterBuilder, _ shape: ModelConfiguration, filter: Filter.Shape) {
        length = filter.length
        super.init(builder, shape, norm: .layer) { parameters, _, residual in
            Layer(parameters, width: shape.width, filter: filter, residual: residual)
        }
    }
    public override var maxSequenceLength: Int? { min(length, shape.positions ?? length) }
    public override var cacheGrowsWithLength: Bool { true }
}

extension Hyena {
    /// The mixer of a `Hyena`, [B, T, width] → [B, T, width].
    ///
    /// Its cache is the last inputs of the short convolution and all inputs of the long one.
    public final class Layer: SequenceMixer {
        private let projection: Linear
        private let convolution: CausalConvolution
        private let filter: Filter
        private let skip: Parameter
        private let output: Linear
        private let width: Int

        /// - Parameters:
        ///   - filter: sizes of the network that computes the filters, and the maximum sequence length.
        ///   - convolution: width of the short causal convolution.
        ///   - residual: initial weights of the output projection.
        public init(
            _ parameters: ParameterBuilder, width: Int, filter: Filter.Shape, convolution: Int = 3,
            residual: Initializer = .fanIn
        ) {
            self.width = width
            projection = Linear(
                parameters.child("projection"), in: width, out: 3 * width, initializer: .normal(standardDeviation: 0.02))
            self.convolution = CausalConvolution(
                parameters.child("convolution"), channels: 3 * width, width: convolution, bias: true)
            self.filter = Filter(parameters.child("filter"), width: width, filter)
            skip = parameters("skip", [width], .normal(standardDeviation: 1))
            output = Linear(parameters.child("output"), in: width, out: width, initializer: residual)
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            s["convolution"] = convolution.initialState(batch: batch, context)
            s["inputs"] = context.constant(.zeros([batch, 0, width], dtype: skip.value.dtype))
            return s
        }
        public func callAsFunction(_ u: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
            let parts = convolution(projection(u, context), &state, "convolution", context).split(axis: 2, into: 3)
            let new = parts[1] * parts[2], T = u.shape[1]
            let all = state.map { .concatenate([$0["inputs"]!, new], axis: 1) } ?? new, length = all.shape[1]
            let h = context.scope("filter") { filter(length, context) }
            let y = all.longConvolution(h).slice(axis: 1, length - T..<length) + new * context[skip]
            if state != nil {
                state!["inputs"] = all.owned
                state!.position += T
            }
            return output(parts[0] * y, context)
        }
    }

    /// The filters of a Hyena layer, one per channel, [length, width].
    ///
    /// Weight decay applies to none of its parameters.
    public final class Filter {
        /// The sizes of the network that computes the filters.
        public struct Shape: Sendable {
            /// Maximum sequence length, in tokens.
            public var length: Int
            /// Number of position features, odd and at least 3: the position, and cosines and sines of (features − 1)/2
            /// frequencies.
            public var features: Int
            /// Hidden width of the network.
            public var hidden: Int
            /// Initial frequency of its sine activations.
            public var frequency: Double
            public init(length: Int, features: Int = 33, hidden: Int = 64, frequency: Double = 14) {
                (self.length, self.features, self.hidden, self.frequency) = (length, features, hidden, frequency)
            }
        }
        private let shape: Shape
        private let maps: [(weight: Parameter, bias: Parameter?)]
        private let frequency: Parameter
        private let width: Int

        public init(_ parameters: ParameterBuilder, width: Int, _ shape: Shape) {
            guard shape.features >= 3, shape.features % 2 == 1 else {
                nstmFatal(
                    .other(op: "Hyena.Filter", "\(shape.features) position features; needs an odd number, at least 3"),
                    at: parameters.path)
            }
            self.shape = shape
            self.width = width
            let sizes = [shape.features, shape.hidden, shape.hidden, shape.hidden, width]
            maps = (0..<4).map { i in
                let b = parameters.child("maps", i), uniform = Initializer.uniform(bound: 1 / Double(sizes[i]).squareRoot())
                return (
                    b("weight", [sizes[i + 1], sizes[i]], uniform, decays: false),
                    i < 3 ? b("bias", [sizes[i + 1]], uniform) : nil
                )
            }
            frequency = parameters("frequency", [shape.hidden], .constant(shape.frequency))
        }
        /// Multiply-adds per tap, for all filters.
        var weightCount: Int { maps.reduce(0) { $0 + $1.weight.value.count } }
        /// The first taps of all filters, [count, width].
        /// - Parameter count: number of taps, at most `Shape.length`; the program stops otherwise.
        public func callAsFunction(_ count: Int, _ context: ForwardContext) -> Variable {
            guard count <= shape.length else {
                nstmFatal(
                    .other(op: "Hyena.Filter", "\(count) tokens exceed the maximum sequence length \(shape.length)"),
                    at: context.path)
            }
            let dtype = frequency.value.dtype, bands = (shape.features - 1) / 2, last = Double(max(1, shape.length - 1))
            var features: [Double] = [], windows: [Double] = []
            for t in 0..<count {
                let angle = 2 * Double.pi * Double(t) / Double(shape.length)
                let angles = (0..<bands).map { i in
                    let f = bands == 1 ? 1e-4 : 1e-4 + (Double(bands - 1) - 1e-4) * Double(i) / Double(bands - 1)
                    return f * angle
                }
                features.append(Double(t) / last)
                features += angles.map { cos($0) } + angles.map { -sin($0) }
                // The decay rates range from 1 % after 1.5 times the length to 1 % after 0.3 times the length.
                for c in 0..<width {
                    let fraction = width == 1 ? 0 : Double(c) / Double(width - 1)
                    windows.append(pow(0.01, Double(t) / last * (1 / 1.5 + (1 / 0.3 - 1 / 1.5) * fraction)))
                }
            }
            var z = Variable(Tensor(features, [count, shape.features]).cast(to: dtype))
            for (i, map) in maps.enumerated() {
                z = context.linear(z, map.weight, bias: map.bias.map { context[$0] })
                if i < maps.count - 1 { z = (z * context[frequency]).sin() }
            }
            return z * Variable(Tensor(windows, [count, width]).cast(to: dtype))
        }
    }
}

extension Hyena.Layer: CostReporting {
    /// Multiply-adds of a pass: the filters and the convolution of all tokens so far are computed in every pass.
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        let length = (pass.carriesState ? pass.position : 0) + pass.tokens
        let long = LongConvolution(batch: pass.batch, time: length, channels: width, taps: length)
        return projection.multiplyAdds(pass) + convolution.multiplyAdds(pass) + output.multiplyAdds(pass)
            + length * filter.weightCount + long.multiplyAdds(skip.value.dtype)
    }
}
