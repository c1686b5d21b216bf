import NSTMAutograd
import NSTMBaselines
import NSTMModules
import NSTMTensor
import Testing

/// What holds for every model that is compared with.
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
            let moved = m(.concatenate([x.slice(1, 0..<j), other.slice(1, j..<n)], axis: 1), context).value
            #expect(difference(moved.slice(1, 0..<j), y.slice(1, 0..<j)) <= 1e-12)
            #expect(difference(moved.slice(1, j..<n), y.slice(1, j..<n)) > 1e-6)
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
                let h = 1e-5, numeric = (at(h) - at(-h)) / (2 * h)
                let error = abs(numeric - analytic[e]) / max(1, abs(numeric))
                #expect(error <= 1e-6, "\(p.path)[\(e)]: \(analytic[e]) against \(numeric)")
            }
            p.value = original
        }
    }

    /// All blocks again on the way back: the same bits.
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

    @Test(arguments: Peer.all) func aSavedStateGoesOn(_ peer: Peer) throws {
        let m = peer.built(dtype: .float32), x = tokens([1, 9]), context = ForwardContext(.evaluate)
        var (_, state) = m.split(x, [9], context), loaded = try #require(ModelState(tensors: state.tensors))
        let next = tokens([1, 3], 5)
        #expect(same(m(next, state: &state, context).value, m(next, state: &loaded, context).value))
    }
}
