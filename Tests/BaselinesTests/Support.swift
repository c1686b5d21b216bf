import Foundation
import NSTMAutograd
import NSTMBaselines
import NSTMModules
import NSTMTensor
@_exported import TestSupport
import Testing

/// A baseline model to build.
struct Peer: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let make: @Sendable (ParameterBuilder, ModelConfiguration) -> SequenceModel

    init(_ name: String, _ make: @escaping @Sendable (ParameterBuilder, ModelConfiguration) -> SequenceModel) {
        testDescription = name
        self.make = make
    }
    /// A small model with parameters shifted away from their initial values.
    func built(width: Int = 8, layers: Int = 2, hidden: Int = 12, dtype: DType = .float64, seed: UInt64 = 1) -> SequenceModel {
        var shape = ModelConfiguration(input: .tokens(vocabulary: 7), output: .nextToken(vocabulary: 7))
        shape.width = width
        shape.layers = layers
        shape.heads = 2
        shape.hidden = hidden
        let model = make(ParameterBuilder(seed: seed, dtype: dtype), shape)
        for p in model.parameters.all where p.isTrainable {
            let key = RandomKey(seed).fold("shake").fold(p.path)
            p.value = p.value + .normal(p.value.shape, standardDeviation: 0.3, key: key, dtype: dtype)
        }
        return model
    }

    /// Baselines with a cache of constant size.
    static let bounded: [Peer] = [
        Peer("lstm") { LSTM($0, $1) }, Peer("lstm, forget bias") { LSTM($0, $1, forgetBias: 1) }, Peer("gru") { GRU($0, $1) },
        Peer("min-gru") { MinGRU($0, $1) },
        Peer("min-gru, wide, no convolution") { MinGRU($0, $1, expansion: 2, convolution: nil) },
        Peer("linear-transformer, convolution, gate") {
            LinearTransformer($0, $1, options: AttentionProjections.Options(convolution: 4, gatesOutput: true))
        },
        Peer("mamba") { Mamba($0, $1, states: 3) }, Peer("mamba2") { Mamba2($0, $1, states: 3, headWidth: $1.width) },
        Peer("s4d") { S4D($0, $1, states: 6) }, Peer("lru") { LRU($0, $1, states: 5) },
        Peer("rwkv") { RWKV($0, $1) }, Peer("rwkv6") { RWKV6($0, $1, mixRank: 2, decayRank: 3) },
    ]
    static let all: [Peer] =
        bounded + [
            Peer("transformer") { Transformer($0, $1.with(positions: 40)) },
            Peer("transformer, rotary, swiglu") { Transformer($0, $1, rotary: true, feedForward: .swiglu) },
            Peer("transformer, rotary, convolution, gate") {
                Transformer($0, $1, rotary: true, options: AttentionProjections.Options(convolution: 4, gatesOutput: true))
            },
            Peer("linear-transformer") { LinearTransformer($0, $1.with(positions: 40)) },
            // Sines of frequency 14 in three layers are too steep for differences.
            Peer("hyena") { Hyena($0, $1, filter: Hyena.Filter.Shape(length: 40, features: 5, hidden: 4, frequency: 1)) },
        ]
}

extension ModelConfiguration {
    func with(positions: Int) -> ModelConfiguration {
        var shape = self
        shape.positions = positions
        return shape
    }
}

func tokens(_ shape: Shape, _ seed: UInt64 = 1, below n: Int = 7) -> Tensor {
    let key = RandomKey(seed)
    return Tensor((0..<shape.count).map { Int32(key.integer($0, below: n)) }, shape)
}

extension SequenceModel {
    /// Runs tokens in parts of given lengths with a carried state.
    func split(_ x: Tensor, _ lengths: [Int], _ context: ForwardContext) -> (y: Variable, state: SequenceModel.Cache) {
        var state = initialState(batch: x.shape[0], context), start = 0
        let ys = lengths.map { n in
            defer { start += n }
            return self(x.slice(axis: 1, start..<start + n), state: &state, context)
        }
        return (Variable.concatenate(ys, axis: 1), state)
    }
}

/// A scalar that depends on every element with an unequal weight.
func weighted(_ y: Variable, _ name: String = "y") -> Variable {
    (y * Variable(Tensor.uniform(y.shape, low: 0.5, high: 1.5, key: RandomKey(17).fold(name), dtype: y.dtype))).sum()
}
/// The same of outputs and of everything that a state carries.
func total(_ y: Variable, _ state: SequenceModel.Cache) -> Variable {
    var sum = weighted(y)
    for (i, layer) in state.layers.enumerated() {
        for name in layer.names { sum = sum + weighted(layer[name]!, "\(i) \(name)") }
    }
    return sum
}

func goldenURL(_ name: String) throws -> URL {
    try #require(Bundle.module.url(forResource: "Golden/\(name)", withExtension: nil))
}
