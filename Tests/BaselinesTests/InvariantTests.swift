import Foundation
import NSTMAutograd
import NSTMBaselines
import NSTMModules
import NSTMTensor
import Testing

/// Invariants of every baseline.
@Suite struct InvariantTests {
    @Test(arguments: Peer.all) func anySplitGivesTheSame(_ peer: Peer) {
        let m = peer.built(), x = tokens([2, 37]), context = ForwardContext(.evaluate)
        let whole = m(x, context).value, (_, end) = m.split(x, [37], context)
        for lengths in [Array(repeating: 1, count: 37), [37], [1, 5, 31], [16, 17, 4], [36, 1]] {
            let (y, state) = m.split(x, lengths, context)
            #expect(difference(y.value, whole) <= 1e-10)
            #expect(state.position == 37)
            #expect(state.tensors.map(\.path) == end.tensors.map(\.path))
            for (a, b) in zip(state.tensors, end.tensors) { #expect(difference(a.tensor, b.tensor) <= 1e-10, "\(a.path)") }
        }
    }

    /// Weights that bfloat16 holds exactly give the same logits in half the memory, one after the other and all at once.
    @Test(arguments: Peer.all) func bfloat16WeightsAreTheSameWeights(_ peer: Peer) {
        let m = peer.built(dtype: .float32), x = tokens([2, 9])
        cutToBFloat16(m.parameters)
        let half = ForwardContext(.evaluate, weights: BFloat16Weights(of: m.parameters.all)),
            whole = m(x, ForwardContext(.evaluate)).value
        #expect(difference(m(x, half).value, whole) <= 1e-5)
        #expect(difference(m.split(x, Array(repeating: 1, count: 9), half).y.value, whole) <= 1e-5)
    }

    @Test(arguments: Peer.all) func gradientsFlowThroughACarriedState(_ peer: Peer) {
        let m = peer.built(), x = tokens([2, 9])
        func run(_ lengths: [Int]?) -> Gradients {
            let context = ForwardContext(.train)
            return weighted(lengths.map { m.split(x, $0, context).y } ?? m(x, context)).backward()
        }
        let whole = run(nil)
        for lengths in [[9], Array(repeating: 1, count: 9), [2, 4, 3]] {
            let g = run(lengths)
            #expect(g.paths == whole.paths)
            for path in whole.paths { #expect(g[path].map { difference($0, whole[path]!) <= 1e-9 } ?? false, "\(path)") }
        }
    }

    @Test(arguments: Peer.all) func theFutureChangesNothing(_ peer: Peer) {
        let m = peer.built(), n = 11, x = tokens([2, n]), other = tokens([2, n], 2), context = ForwardContext(.evaluate)
        let y = m(x, context).value
        for j in [1, 4, 10] {
            let moved = m(.concatenate([x.slice(axis: 1, 0..<j), other.slice(axis: 1, j..<n)], axis: 1), context).value
            #expect(difference(moved.slice(axis: 1, 0..<j), y.slice(axis: 1, 0..<j)) <= 1e-12)
            #expect(difference(moved.slice(axis: 1, j..<n), y.slice(axis: 1, j..<n)) > 1e-6)
        }
    }

    @Test(arguments: Peer.all) func everyParameterHasTheRightGradient(_ peer: Peer) throws {
        let m = peer.built(width: 4, layers: 1, hidden: 4, seed: 2), x = tokens([2, 5])
        func loss(_ recording: Bool) -> Variable {
            let context = ForwardContext(.train, recording: recording), (y, state) = m.split(x, [5], context)
            return total(y, state)
        }
        let gradients = loss(true).backward()
        #expect(gradients.paths == m.parameters.all.filter(\.isTrainable).map(\.path), "every trainable parameter, in order")
        for p in m.parameters.all where p.isTrainable {
            let analytic = try #require(gradients[p]).doubles(), original = p.value, elements = original.doubles()
            #expect(analytic.contains { $0 != 0 }, "\(p.path)")
            for e in elements.indices {
                func at(_ delta: Double) -> Double {
                    var moved = elements
                    moved[e] += delta
                    p.value = Tensor(moved, original.shape)
                    return loss(false).value.item()
                }
                // Two steps, so that the error is of fourth order: exponentials of exponentials are steep.
                func derivative(_ h: Double) -> Double { (at(h) - at(-h)) / (2 * h) }
                let numeric = (4 * derivative(1e-4) - derivative(2e-4)) / 3
                let error = abs(numeric - analytic[e]) / max(1, abs(numeric))
                #expect(error <= 1e-6, "\(p.path)[\(e)]: \(analytic[e]) against \(numeric)")
            }
            p.value = original
        }
    }

    /// Recomputation of all blocks in the backward pass is bit-exact.
    @Test(arguments: Peer.all) func recomputationChangesNothing(_ peer: Peer) {
        let x = tokens([2, 6])
        func run(_ recompute: Bool) -> Gradients {
            let recomputed = Peer("") {
                var shape = $1
                shape.recompute = recompute
                shape.dropout = 0.2
                return peer.make($0, shape)
            }
            return weighted(recomputed.built()(x, ForwardContext(.train, key: RandomKey(4)))).backward()
        }
        let kept = run(false), again = run(true)
        #expect(kept.paths == again.paths)
        for path in kept.paths { #expect(same(kept[path]!, again[path]!), "\(path)") }
    }

    @Test(arguments: Peer.bounded) func manyTokensStayBounded(_ peer: Peer) {
        let m = peer.built(dtype: .float32), context = ForwardContext(.evaluate)
        var state = m.initialState(batch: 1), early = 0.0, late = 0.0, bytes: Int?
        for i in 0..<20 {
            let y = m(tokens([1, 1000], UInt64(i)), state: &state, context)
            #expect(y.value.firstNonFinite() == nil)
            if i < 10 { early = max(early, largest(y.value)) } else { late = max(late, largest(y.value)) }
            #expect(bytes == nil || bytes == state.byteCount)
            bytes = state.byteCount
        }
        #expect(state.position == 20_000)
        #expect(late <= 1.5 * early)
    }

    /// Exceptions in the papers: matrices without weight decay, and parameters with another learning rate.
    @Test func parametersOfStateSpacesAreTreatedApart() throws {
        func names(_ peer: String, _ which: (Parameter) -> Bool) throws -> [String] {
            let m = try #require(Peer.all.first { $0.testDescription == peer }).built(layers: 1)
            let all = m.parameters.all.filter { $0.path.hasPrefix("blocks.0.mixer.") && which($0) }
            return all.map { String($0.path.dropFirst("blocks.0.mixer.".count)) }
        }
        func undecayed(_ peer: String) throws -> [String] { try names(peer) { $0.value.rank >= 2 && !$0.decays } }
        #expect(try undecayed("mamba") == ["convolution.weight", "logDecay"])
        #expect(try undecayed("s4d") == ["logDecay", "frequency"])
        #expect(try names("s4d") { $0.maxLearningRate == 1e-3 } == ["logStep", "logDecay", "frequency"])
        #expect(try undecayed("lru") == ["input"])
        #expect(try names("lru") { $0.learningRateScale == 0.5 } == ["logDecay", "logPhase", "logScale", "input"])
        #expect(
            try names("rwkv") { $0.learningRateScale == 2 } == ["decay"]
                && names("rwkv") { $0.learningRateScale == 3 } == ["bonus"])
        #expect(try undecayed("hyena").filter { $0.hasPrefix("filter.") }.count == 4)
        #expect(try undecayed("transformer").isEmpty)
    }
    /// Initial step sizes and decays are those of the papers.
    @Test func initialValues() throws {
        var shape = ModelConfiguration(input: .tokens(vocabulary: 7), output: .nextToken(vocabulary: 7))
        shape.width = 64
        shape.layers = 2
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        let mamba = Mamba(builder, shape, states: 4)
        func values(_ m: SequenceModel, _ name: String, block: Int = 0) throws -> [Double] {
            try #require(m.parameters["blocks.\(block).mixer.\(name)"]).value.doubles()
        }
        let steps = try values(mamba, "step.bias").map { log1p(exp($0)) }
        #expect(steps.allSatisfy { (1e-3...0.1).contains($0) } && steps.min()! < 3e-3 && steps.max()! > 0.03)
        #expect(try zip(values(mamba, "logDecay").prefix(4), [1.0, 2, 3, 4]).allSatisfy { abs(exp($0) - $1) < 1e-12 })
        let s4d = S4D(ParameterBuilder(seed: 1, dtype: .float64), shape, states: 8)
        #expect(try values(s4d, "logStep").allSatisfy { (1e-3...0.1).contains(exp($0)) })
        #expect(try values(s4d, "frequency").prefix(4).elementsEqual([0, .pi, 2 * .pi, 3 * .pi]))
        #expect(try values(s4d, "logDecay").allSatisfy { $0 == log(0.5) })
        let lru = LRU(ParameterBuilder(seed: 1, dtype: .float64), shape, states: 200, radii: 0.9...0.99)
        let radii = try values(lru, "logDecay").map { exp(-exp($0)) }, scales = try values(lru, "logScale")
        #expect(radii.allSatisfy { (0.9...0.99).contains($0) })
        #expect(zip(radii, scales).allSatisfy { abs(exp(2 * $1) - (1 - $0 * $0)) < 1e-9 })
        let rwkv = RWKV(ParameterBuilder(seed: 1, dtype: .float64), shape)
        let decay = try values(rwkv, "decay"), last = try values(rwkv, "decay", block: 1)
        #expect(decay[0] == -5 && decay[63] == 3 && last[0] == -5 && last[63] == 3 && last[30] < decay[30])
        // Zero maps: initially every block is the identity.
        #expect(try values(rwkv, "output.weight").allSatisfy { $0 == 0 })
        let head = try #require(rwkv.parameters["head.weight"]).value.cast(to: .float64)
        let gram = head.matmul(head, transposeOther: true)
        #expect(difference(gram, Tensor.eye(7, dtype: .float64).affine(0.25)) <= 1e-12)
        let lstm = LSTM(ParameterBuilder(seed: 1, dtype: .float64), shape, forgetBias: 1)
        let bias = try values(lstm, "input.bias")
        #expect(bias[64..<128].allSatisfy { $0 == 1 } && bias[..<64].allSatisfy { abs($0) <= 0.125 && $0 != 0 })
    }

    @Test(arguments: Peer.all) func aSavedStateGoesOn(_ peer: Peer) throws {
        let m = peer.built(dtype: .float32), x = tokens([1, 9]), context = ForwardContext(.evaluate)
        var (_, state) = m.split(x, [9], context), loaded = try #require(SequenceModel.Cache(tensors: state.tensors))
        let next = tokens([1, 3], 5)
        #expect(same(m(next, state: &state, context).value, m(next, state: &loaded, context).value))
    }
}
