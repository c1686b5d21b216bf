import NSTMConfiguration
import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

@Suite struct NSTMModelTests {
    private func model(
        _ recipe: Recipe, dtype: DType = .float32, seed: UInt64 = 1, dropout: Double = 0, recompute: Bool = false
    ) throws -> NSTMModel {
        var shape = ModelConfiguration(input: .tokens(vocabulary: 11), output: .nextToken(vocabulary: 11))
        shape.width = 8
        shape.layers = 2
        shape.heads = 2
        shape.hidden = 12
        shape.dropout = dropout
        shape.recompute = recompute
        guard case .map(var map) = recipe.config else { fatalError() }
        map["states"] = 5
        let reader = ConfigurationReader(.map(map)),
            plan = NSTMLayer.Configuration(reader, width: 8, heads: 2, strategies: .standard)
        try reader.throwIfInvalid()
        let m = NSTMModel(ParameterBuilder(seed: seed, dtype: dtype), shape) { p, _, end in plan.layer(p, residual: end) }
        shake(m.parameters, seed: seed)
        return m
    }
    private func tokens(_ shape: Shape, _ seed: UInt64) -> Tensor {
        let key = RandomKey(seed)
        return Tensor((0..<shape.count).map { Int32(key.integer($0, below: 11)) }, shape)
    }

    /// The Tiny Shakespeare setting: 65 characters, 4 layers of width 128 with 4 heads, 32 states.
    @Test func parameterCount() throws {
        var shape = ModelConfiguration(input: .tokens(vocabulary: 65), output: .nextToken(vocabulary: 65))
        shape.hidden = 416
        let reader = ConfigurationReader([:]), plan = NSTMLayer.Configuration(reader, width: 128, heads: 4, strategies: .standard)
        try reader.throwIfInvalid()
        let model = NSTMModel(ParameterBuilder(seed: 1), shape) { p, _, residual in plan.layer(p, residual: residual) }
        // A layer: initial states, router, projection, convolution, gate, norm, output; then two norms and the feed-forward part.
        let layer = 2 * 32 * 128 + 32 * 129 + 3 * 128 * 128 + 4 * 384 + 128 * 128 + 128 + 128 * 128
        #expect(model.parameters.trainableCount == 65 * 128 + 128 + 4 * (layer + 2 * 128 + 2 * 128 * 416))
        #expect(model.parameters.trainableCount <= 820_000)
    }

    @Test(arguments: [Recipe(), Recipe(rule: .gru, interacts: true, window: 3, keep: true, masked: false)])
    func streamingEqualsTheWhole(_ recipe: Recipe) throws {
        let m = try model(recipe, dtype: .float64), x = tokens([2, 17], 1), context = ForwardContext(.evaluate)
        let whole = m(x, context).value
        for lengths in [Array(repeating: 1, count: 17), [17], parts(of: 17, RandomKey(5))] {
            var state = m.initialState(batch: 2), start = 0
            for n in lengths {
                let y = m(x.slice(axis: 1, start..<start + n), state: &state, context).value
                #expect(difference(y, whole.slice(axis: 1, start..<start + n)) <= 1e-10)
                start += n
            }
            #expect(state.position == 17)
        }
    }

    /// Weights that bfloat16 holds exactly give the same logits in half the memory.
    @Test(arguments: [Recipe(), Recipe(rule: .gru, interacts: true, window: 3, keep: true, masked: false)])
    func bfloat16WeightsAreTheSameWeights(_ recipe: Recipe) throws {
        let m = try model(recipe), x = tokens([2, 17], 1)
        cutToBFloat16(m.parameters)
        let half = ForwardContext(.evaluate, weights: BFloat16Weights(of: m.parameters.all)),
            whole = m(x, ForwardContext(.evaluate)).value
        #expect(difference(m(x, half).value, whole) <= 1e-5)
        var state = m.initialState(batch: 2)
        for t in 0..<17 {
            #expect(
                difference(m(x.slice(axis: 1, t..<t + 1), state: &state, half).value, whole.slice(axis: 1, t..<t + 1)) <= 1e-5)
        }
    }

    /// Training on parts with a carried state: gradients reach the learned initial states if the sequence starts in the same
    /// pass.
    @Test func carriedGradientsEqualTheWhole() throws {
        let m = try model(Recipe(interacts: true, window: 3, keep: true), dtype: .float64), x = tokens([2, 10], 1)
        func loss(_ lengths: [Int]?) -> Gradients {
            let context = ForwardContext(.train, key: RandomKey(3))
            var y: Variable
            if let lengths {
                var state = m.initialState(batch: 2, context), start = 0
                y = .concatenate(
                    lengths.map { n in
                        defer { start += n }
                        return m(x.slice(axis: 1, start..<start + n), state: &state, context)
                    }, axis: 1)
            } else {
                y = m(x, context)
            }
            y = weighted(y, "y")
            return context.auxiliaryLosses.reduce(y) { $0 + $1.value }.backward()
        }
        let whole = loss(nil)
        #expect(whole.paths.count == m.parameters.all.count { $0.isTrainable })
        for lengths in [[10], [1, 4, 5], Array(repeating: 1, count: 10)] {
            let g = loss(lengths)
            #expect(g.paths == whole.paths)
            for path in whole.paths { #expect(g[path].map { difference($0, whole[path]!) <= 1e-10 } ?? false, "\(path)") }
        }
    }

    /// Recomputed blocks change no bit, also when a state is carried from part to part within the pass.
    @Test(arguments: [
        Recipe(interacts: true, window: 3, keep: true), Recipe(rule: .gru, routing: "softmax", interacts: true, masked: true),
        Recipe(rule: .secondGate, keep: true, masked: true),
    ]) func recomputedBlocksAreTheSame(_ recipe: Recipe) throws {
        let x = tokens([2, 10], 1)
        func run(_ lengths: [Int]?, _ recompute: Bool) throws -> [[UInt64]] {
            let m = try model(recipe, dropout: 0.2, recompute: recompute)
            let context = ForwardContext(.train, key: RandomKey(3))
            context.tape.checksFinite = true
            var loss: Variable
            if let lengths {
                var state = m.initialState(batch: 2, context), start = 0
                let parts = lengths.map { n in
                    defer { start += n }
                    return m(x.slice(axis: 1, start..<start + n), state: &state, context)
                }
                #expect(state.position == 10)
                loss = weighted(.concatenate(parts, axis: 1), "y")
                for layer in state.layers { for name in layer.names { loss = loss + weighted(layer[name]!, name) } }
            } else {
                loss = weighted(m(x, context), "y")
            }
            loss = context.auxiliaryLosses.reduce(loss) { $0 + $1.value }
            #expect(context.auxiliaryLosses.count == (recipe.keep ? 2 : 0))
            let gradients = loss.backward()
            #expect(gradients.paths == m.parameters.all.filter(\.isTrainable).map(\.path))
            return [bits(loss.value)] + gradients.paths.map { bits(gradients[$0]!) }
        }
        for lengths in [nil, [10], [3, 1, 6]] { #expect(try run(lengths, true) == run(lengths, false)) }
    }

    @Test func stateSizeIsConstantAndStated() throws {
        let m = try model(Recipe(window: 3)), context = ForwardContext(.evaluate)
        var state = m.initialState(batch: 2)
        _ = m(tokens([2, 2], 1), state: &state, context)
        // A layer: keys and values [2, 5, 8], two rows of convolution and two of the window, [2, 2, 24] each.
        let bytes = 2 * (2 * 2 * 5 * 8 + 2 * 2 * 2 * 24) * 4
        #expect(state.byteCount == bytes)
        for length in [1, 3, 200] {
            _ = m(tokens([2, length], 2), state: &state, context)
            #expect(state.byteCount == bytes)
        }
        #expect(state.position == 206)
    }

    @Test func statesRoundTripThroughTensors() throws {
        let m = try model(Recipe(interacts: true, window: 3)), context = ForwardContext(.evaluate)
        for first in [0, 1, 9] {
            var state = m.initialState(batch: 2)
            if first > 0 { _ = m(tokens([2, first], 1), state: &state, context) }
            var back = try #require(SequenceModel.Cache(tensors: state.tensors))
            #expect(back.position == first && back.byteCount == state.byteCount)
            #expect(zip(back.tensors, state.tensors).allSatisfy { $0.path == $1.path && same($0.tensor, $1.tensor) })
            let x = tokens([2, 6], 2)
            #expect(same(m(x, state: &state, context).value, m(x, state: &back, context).value))
        }
        var far = m.initialState(batch: 1)
        far.layers[0].position = 1 << 40 | 12345
        #expect(SequenceModel.Cache(tensors: far.tensors)?.position == 1 << 40 | 12345)
        #expect(SequenceModel.Cache(tensors: [("layers.1.keys", .zeros([1]))]) == nil)
        #expect(SequenceModel.Cache(tensors: [("blocks.0.keys", .zeros([1]))]) == nil)
        #expect(SequenceModel.Cache(tensors: [("layers.0.position", .zeros([2]))]) == nil)
    }

    @Test func copiesAreIndependent() throws {
        let m = try model(Recipe(window: 3)), context = ForwardContext(.evaluate)
        var state = m.initialState(batch: 1)
        _ = m(tokens([1, 5], 1), state: &state, context)
        let saved = state, frozen = saved.tensors
        var other = state
        let a = m(tokens([1, 4], 2), state: &state, context).value, b = m(tokens([1, 4], 3), state: &other, context).value
        #expect(!same(a, b))
        #expect(zip(saved.tensors, frozen).allSatisfy { same($0.tensor, $1.tensor) } && saved.position == 5)
        var again = saved
        #expect(same(m(tokens([1, 4], 2), state: &again, context).value, a))
    }

    /// A model whose states are deactivated between calls equals one with those states inactive from the start.
    @Test func masksAreSavedWithTheParameters() throws {
        let m = try model(Recipe()), n = try model(Recipe(), seed: 2), x = tokens([1, 8], 1)
        for layer in m.stateLayers { layer.manager.active = [true, false, true, true, false] }
        for p in n.parameters.all { p.value = try #require(m.parameters[p.path]).value }
        #expect(n.stateLayers.allSatisfy { $0.manager.active == [true, false, true, true, false] })
        #expect(same(m(x, ForwardContext(.evaluate)).value, n(x, ForwardContext(.evaluate)).value))
        #expect(m.parameters["blocks.0.mixer.states.mask"]?.isTrainable == false)
    }

    @Test func everyParameterIsRegisteredOnce() throws {
        let m = try model(Recipe(rule: .secondGate, interacts: true, window: 3, keep: true))
        var found: [ObjectIdentifier: String] = [:], seen: Set<ObjectIdentifier> = []
        func walk(_ value: Any, _ depth: Int) {
            if let p = value as? Parameter {
                found[ObjectIdentifier(p)] = p.path
                return
            }
            if value is ParameterStore || value is Tensor || depth > 12 { return }
            let mirror = Mirror(reflecting: value)
            if mirror.displayStyle == .class, !seen.insert(ObjectIdentifier(value as AnyObject)).inserted { return }
            for child in mirror.children { walk(child.value, depth + 1) }
            var parent = mirror.superclassMirror
            while let p = parent {
                for child in p.children { walk(child.value, depth + 1) }
                parent = p.superclassMirror
            }
        }
        walk(m, 0)
        #expect(found.values.sorted() == m.parameters.all.map(\.path).sorted())
        for (id, path) in found { #expect(ObjectIdentifier(m.parameters[path]!) == id) }
    }
}
