import Foundation
import NSTMAutograd
import NSTMBaselines
import NSTMModules
import NSTMTensor
import Testing

@Suite struct TransformerTests {
    private func shape(width: Int = 8, layers: Int = 2, positions: Int? = 20, dropout: Double = 0) -> ModelConfiguration {
        var s = ModelConfiguration(input: .tokens(vocabulary: 7), output: .nextToken(vocabulary: 7))
        s.width = width
        s.layers = layers
        s.heads = 2
        s.hidden = 12
        s.positions = positions
        s.dropout = dropout
        return s
    }
    private func model(_ dtype: DType = .float64, layers: Int = 2, positions: Int? = 20, dropout: Double = 0) -> Transformer {
        let shape = shape(layers: layers, positions: positions, dropout: dropout)
        let m = Transformer(ParameterBuilder(seed: 1, dtype: dtype), shape)
        shake(m.parameters)
        return m
    }

    /// Character-level Tiny Shakespeare: 65·128 + 64·128 + 4·(12·128² + 2·128) + 128.
    @Test func parameterCount() {
        var s = ModelConfiguration(input: .tokens(vocabulary: 65), output: .nextToken(vocabulary: 65))
        s.positions = 64
        let m = Transformer(ParameterBuilder(seed: 1), s)
        #expect(m.parameters.trainableCount == 804_096)
        #expect(m.parameters.all.allSatisfy { $0.decays == ($0.value.rank >= 2) })
    }

    // MARK: Streaming

    @Test(arguments: [DType.float32, .float64]) func streamingEqualsTheWhole(_ dtype: DType) {
        let m = model(dtype), x = tokens([2, 13], below: 7), context = ForwardContext(.evaluate)
        let whole = m(x, context).value
        for lengths in [Array(repeating: 1, count: 13), [13], [1, 5, 7], [12, 1]] {
            var state = m.initialState(batch: 2), start = 0
            for n in lengths {
                let y = m(x.slice(axis: 1, start..<start + n), state: &state, context).value
                #expect(difference(y, whole.slice(axis: 1, start..<start + n)) <= (dtype == .float32 ? 1e-4 : 1e-12))
                start += n
            }
            #expect(state.position == 13)
        }
    }
    @Test func gradientsFlowThroughTheCarriedWindow() {
        let m = model(), x = tokens([2, 9], below: 7), weights = random([2, 9, 7], "w")
        func gradients(_ lengths: [Int]?) -> Gradients {
            let context = ForwardContext(.train)
            guard let lengths else { return (m(x, context) * Variable(weights)).sum().backward() }
            var state = m.initialState(batch: 2, context), start = 0
            let ys = lengths.map { n in
                defer { start += n }
                return m(x.slice(axis: 1, start..<start + n), state: &state, context)
            }
            return (Variable.concatenate(ys, axis: 1) * Variable(weights)).sum().backward()
        }
        let whole = gradients(nil), split = gradients([2, 1, 6])
        #expect(whole.paths == m.parameters.all.map(\.path) && split.paths == whole.paths)
        for path in whole.paths { #expect(difference(whole[path]!, split[path]!) <= 1e-10, "\(path)") }
    }
    @Test func theFutureChangesNothing() {
        let m = model(.float32), x = tokens([2, 12], below: 7), other = tokens([2, 12], below: 7, 2)
        let context = ForwardContext(.evaluate)
        let y = m(x, context).value
        for j in [1, 5, 11] {
            let z = m(.concatenate([x.slice(axis: 1, 0..<j), other.slice(axis: 1, j..<12)], axis: 1), context).value
            #expect(same(y.slice(axis: 1, 0..<j), z.slice(axis: 1, 0..<j)))
        }
    }

    // MARK: Positions

    @Test func tokensBeyondThePositionsStop() async {
        await #expect(processExitsWith: .failure) {
            var s = ModelConfiguration(input: .tokens(vocabulary: 7), output: .nextToken(vocabulary: 7))
            s.positions = 4
            let m = Transformer(ParameterBuilder(seed: 1), s)
            _ = m(Tensor.zeros([1, 5], dtype: .int32), ForwardContext(.evaluate))
        }
        // Also when they come one at a time; the last one that fits does fit.
        await #expect(processExitsWith: .failure) {
            var s = ModelConfiguration(input: .tokens(vocabulary: 7), output: .nextToken(vocabulary: 7))
            s.positions = 2
            let m = Transformer(ParameterBuilder(seed: 1), s), token = Tensor.zeros([1, 1], dtype: .int32)
            var state = m.initialState(batch: 1)
            for _ in 0..<3 { _ = m(token, state: &state, ForwardContext(.evaluate)) }
        }
        let m = model(positions: 3), context = ForwardContext(.evaluate)
        var state = m.initialState(batch: 1)
        for _ in 0..<3 { _ = m(tokens([1, 1], below: 7), state: &state, context) }
        #expect(state.position == 3)
    }
    @Test func stoppingNamesTheOperation() async throws {
        let result = try #require(
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var s = ModelConfiguration(input: .tokens(vocabulary: 7), output: .nextToken(vocabulary: 7))
                s.positions = 4
                _ = Transformer(ParameterBuilder(seed: 1), s)(Tensor.zeros([1, 5], dtype: .int32), ForwardContext(.evaluate))
            })
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(text.contains("positions: 5 tokens exceed the 4 learned positions"))
    }

    // MARK: Against others

    private struct Golden: Decodable {
        let tokens: GoldenTensor, targets: GoldenTensor, logits: GoldenTensor, loss: Double
        let parameters: [String: GoldenTensor], gradients: [String: GoldenTensor]
    }
    /// Values and gradients of a one-layer model by PyTorch (Tests/Golden/make_transformer_golden.py).
    @Test func agreesWithPyTorch() throws {
        let g = try golden("transformer.json", in: .module, as: Golden.self)
        let m = Transformer(ParameterBuilder(seed: 1, dtype: .float64), shape(layers: 1, positions: 6))
        #expect(m.parameters.all.map(\.path).sorted() == g.parameters.keys.sorted())
        for p in m.parameters.all { p.value = try #require(g.parameters[p.path]).tensor }
        let context = ForwardContext(.train), logits = m(g.tokens.indices, context)
        #expect(difference(logits.value, g.logits.tensor) <= 1e-12)
        let loss = logits.crossEntropy(g.targets.indices)
        #expect(abs(loss.value.item() - g.loss) <= 1e-12)
        let gradients = loss.backward()
        for (path, expected) in g.gradients {
            #expect(difference(try #require(gradients[path]), expected.tensor) <= 1e-11, "\(path)")
        }
    }

    /// One block with loops over single numbers: x + O·attention(norm x), then + down·gelu(up·norm).
    @Test func blockFollowsTheEquations() throws {
        let m = model(layers: 1), n = 6, x = tokens([1, n], below: 7), d = 8, heads = 2, w = 4
        func p(_ path: String) throws -> [Double] { try #require(m.parameters[path]).value.doubles() }
        let embedding = try p("embedding.weight"), positions = try p("positions.weight")
        let projection = try p("blocks.0.mixer.projection.weight"), output = try p("blocks.0.mixer.output.weight")
        let up = try p("blocks.0.feedForward.up.weight"), down = try p("blocks.0.feedForward.down.weight")
        func norm(_ x: [Double], _ gain: [Double]) -> [Double] {
            let mean = x.reduce(0, +) / Double(d), variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(d)
            return zip(x, gain).map { ($0 - mean) / (variance + 1e-5).squareRoot() * $1 }
        }
        func map(_ x: [Double], _ w: [Double]) -> [Double] {
            (0..<w.count / x.count).map { o in x.indices.reduce(0) { $0 + w[o * x.count + $1] * x[$1] } }
        }
        let ids = x.doubles().map(Int.init)
        var h = (0..<n).map { t in (0..<d).map { embedding[ids[t] * d + $0] + positions[t * d + $0] } }
        let gain1 = try p("blocks.0.norm1.gain"), gain2 = try p("blocks.0.norm2.gain"), last = try p("norm.gain")
        let qkv = h.map { map(norm($0, gain1), projection) }
        for t in 0..<n {
            var o = [Double](repeating: 0, count: d)
            for head in 0..<heads {
                let scores = (0...t).map { s in
                    exp((0..<w).reduce(0) { $0 + qkv[t][head * w + $1] * qkv[s][d + head * w + $1] } / Double(w).squareRoot())
                }
                let sum = scores.reduce(0, +)
                for i in 0..<w { o[head * w + i] = (0...t).reduce(0) { $0 + scores[$1] / sum * qkv[$1][2 * d + head * w + i] } }
            }
            h[t] = zip(h[t], map(o, output)).map(+)
            let hidden = map(norm(h[t], gain2), up).map { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) }
            h[t] = zip(h[t], map(hidden, down)).map(+)
        }
        let expected = h.flatMap { map(norm($0, last), embedding) }
        #expect(difference(m(x, ForwardContext(.evaluate)).value, Tensor(expected, [1, n, 7])) <= 1e-12)
    }

    // MARK: Heads, dropout, registration

    /// The embedding is used twice, and its gradient is the sum of both uses.
    @Test func tiedWeightsGetBothGradients() throws {
        let m = model(layers: 1), x = tokens([2, 5], below: 7), targets = tokens([2, 5], below: 7, 2)
        let loss = m(x, ForwardContext(.train)).crossEntropy(targets)
        let analytic = try #require(loss.backward()["embedding.weight"]).doubles()
        // The same model with an untied head (the output's vocabulary has one more token, which is not a target).
        var s = shape(layers: 1)
        s.output = .nextToken(vocabulary: 8)
        let untied = Transformer(ParameterBuilder(seed: 2, dtype: .float64), s)
        for p in untied.parameters.all where p.path != "head.weight" { p.value = try #require(m.parameters[p.path]).value }
        let embedding = try #require(m.parameters["embedding.weight"]).value
        // A word whose score is far below the others has no part in the loss.
        let context = ForwardContext(.train)
        let head = try #require(untied.parameters["head.weight"])
        head.value = .concatenate([embedding, .zeros([1, 8], dtype: .float64)], axis: 0)
        let bias = Variable(Tensor((0..<8).map { $0 == 7 ? -1e3 : 0.0 }, [8]))
        let other = (untied(x, context) + bias).crossEntropy(targets)
        #expect(abs(other.value.item() - loss.value.item()) < 1e-12)
        let g = other.backward()
        let sum = try #require(g["embedding.weight"]) + (try #require(g["head.weight"])).slice(axis: 0, 0..<7)
        #expect(difference(Tensor(analytic, [7, 8]), sum) <= 1e-12)
        #expect(largest(try #require(g["embedding.weight"])) > 0 && largest(sum - g["embedding.weight"]!) > 0)
    }
    @Test func headsByOutput() {
        var s = shape()
        s.input = .features(width: 3)
        s.output = .perToken(width: 4)
        s.positions = nil
        let x = random([2, 5, 3], "x", .float32), context = ForwardContext(.evaluate)
        #expect(Transformer(ParameterBuilder(seed: 1), s)(x, context).shape == [2, 5, 4])
        s.output = .pooled(classes: 6)
        #expect(Transformer(ParameterBuilder(seed: 1), s)(x, context).shape == [2, 6])
        s.output = .nextToken(vocabulary: 9)
        s.hidden = 0
        let m = Transformer(ParameterBuilder(seed: 1), s)
        #expect(m(x, context).shape == [2, 5, 9])
        #expect(m.parameters["head.weight"] != nil && m.parameters["blocks.0.feedForward.up.weight"] == nil)
    }

    @Test func dropoutScalesAndDependsOnTheKeyOnly() {
        let x = Variable(Tensor.ones([100, 100])), layer = Dropout(0.2)
        let y = layer(x, ForwardContext(.train, key: RandomKey(1))).value.doubles()
        #expect(y.allSatisfy { $0 == 0 || abs($0 - 1.25) < 1e-6 })
        #expect(abs(y.reduce(0, +) / 10_000 - 1) < 0.02)
        #expect(same(layer(x, ForwardContext(.evaluate)).value, x.value))
        #expect(same(Dropout(0)(x, ForwardContext(.train)).value, x.value))

        let m = model(.float32, dropout: 0.3), plain = model(.float32), ids = tokens([2, 8], below: 7)
        func run(_ m: Transformer, _ mode: ForwardContext.Mode, _ key: UInt64) -> Tensor {
            m(ids, ForwardContext(mode, key: RandomKey(key))).value
        }
        #expect(same(run(m, .train, 1), run(m, .train, 1)))
        #expect(!same(run(m, .train, 1), run(m, .train, 2)))
        #expect(same(run(m, .evaluate, 1), run(plain, .evaluate, 2)))
        // Masks differ between modules and purposes.
        let context = ForwardContext(.train, key: RandomKey(1))
        let a = context.scope("a") { layer(x, context) }, b = context.scope("b") { layer(x, context) }
        #expect(!same(a.value, b.value))
    }

    @Test func everyParameterIsRegisteredOnce() {
        let m = model(), found = parameters(inside: m)
        #expect(found.values.sorted() == m.parameters.all.map(\.path).sorted())
        for (id, path) in found { #expect(ObjectIdentifier(m.parameters[path]!) == id) }
        #expect(m.parameters.all.enumerated().allSatisfy { $0.offset == $0.element.index })
    }
}

@Suite struct AttentionTests {
    @Test(arguments: [nil, 1, 2, 5, 40]) func windowsStream(_ window: Int?) {
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        let mixer = CausalSelfAttention(builder, width: 8, heads: 2, window: window)
        let context = ForwardContext(.evaluate), x = Variable(random([2, 17, 8], "x"))
        var none: MixerCache?
        let whole = mixer(x, &none, context).value
        for lengths in [Array(repeating: 1, count: 17), [17], [3, 1, 13], [9, 8]] {
            var state: MixerCache? = mixer.initialState(batch: 2, context)
            let y = Variable.concatenate(x.split(axis: 1, lengths).map { mixer($0, &state, context) }, axis: 1)
            #expect(difference(y.value, whole) <= 1e-12)
            #expect(state!["window"]!.shape[1] == min(17, window.map { $0 - 1 } ?? 17))
        }
    }
    /// A window of W tokens sees the last W and no more; without a limit it is full causal attention.
    @Test func windowsEnd() {
        let builder = ParameterBuilder(seed: 1, dtype: .float64), context = ForwardContext(.train)
        let mixer = CausalSelfAttention(builder, width: 8, heads: 2, window: 3), x = context.input(random([1, 9, 8], "x"))
        var none: MixerCache?
        let g = mixer(x, &none, context).slice(axis: 1, 6..<7).sum().gradients(of: [x])[0]!
        for t in 0..<9 { #expect((largest(g.select(axis: 1, t)) > 0) == (4...6).contains(t)) }

        let wide = CausalSelfAttention(ParameterBuilder(seed: 1, dtype: .float64), width: 8, heads: 2, window: 9)
        let full = CausalSelfAttention(ParameterBuilder(seed: 1, dtype: .float64), width: 8, heads: 2)
        #expect(difference(wide(x, &none, context).value, full(x, &none, context).value) <= 1e-14)
    }
    @Test func setsHaveNoOrderAndHideElements() {
        let builder = ParameterBuilder(seed: 1, dtype: .float64), attention = MultiHeadAttention(builder, width: 8, heads: 2)
        let context = ForwardContext(.evaluate), x = random([2, 5, 8], "x"), order = [4, 2, 0, 1, 3]
        let y = attention(Variable(x), context).value
        func shuffled(_ x: Tensor) -> Tensor { .stack(order.map { x.select(axis: 1, $0) }, axis: 1) }
        #expect(difference(attention(Variable(shuffled(x)), context).value, shuffled(y)) <= 1e-13)
        // Hidden elements are as good as absent.
        let bias = Variable(Tensor([0, 0, 0, -Double.infinity, -.infinity, 0, 0, 0, -.infinity, -.infinity], [2, 5]))
        let hidden = attention(Variable(x), keyBias: bias, context).value.slice(axis: 1, 0..<3)
        #expect(difference(hidden, attention(Variable(x.slice(axis: 1, 0..<3)), context).value) <= 1e-13)
    }
    @Test func headsMustDivideTheWidth() async {
        await #expect(processExitsWith: .failure) {
            _ = CausalSelfAttention(ParameterBuilder(seed: 1), width: 8, heads: 3)
        }
    }
}

@Suite struct ParameterBuilderTests {
    @Test func initializationDependsOnSeedAndPathOnly() throws {
        func declare(_ seed: UInt64, _ names: [String]) -> ParameterStore {
            let b = ParameterBuilder(seed: seed)
            for name in names { _ = Linear(b.child(name), in: 4, out: 3, initializer: .normal(standardDeviation: 1)) }
            return b.store
        }
        let a = declare(1, ["x", "y", "z"]), b = declare(1, ["z", "x"]), c = declare(2, ["x"])
        for path in ["x.weight", "z.weight"] { #expect(same(try #require(a[path]).value, try #require(b[path]).value)) }
        #expect(!same(try #require(a["x.weight"]).value, try #require(c["x.weight"]).value))
        #expect(!same(try #require(a["x.weight"]).value, try #require(a["y.weight"]).value))
        #expect(a.all.map(\.path) == ["x.weight", "x.bias", "y.weight", "y.bias", "z.weight", "z.bias"])
    }
    @Test func doublesAreTheSameNumbers() throws {
        let a = ParameterBuilder(seed: 4)("w", [5, 3], .fanIn).value
        let b = ParameterBuilder(seed: 4, dtype: .float64)("w", [5, 3], .fanIn).value
        #expect(same(a, b.cast(to: .float32)))
    }
    @Test func initializersHaveTheirSpread() {
        let b = ParameterBuilder(seed: 4, dtype: .float64)
        func spread(_ name: String, _ i: Initializer) -> (standardDeviation: Double, largest: Double) {
            let w = b(name, [300, 200], i).value
            return ((w.sumOfSquares() / 60_000).squareRoot(), largest(w))
        }
        let fanIn = spread("a", .fanIn), xavier = spread("b", .xavier), normal = spread("c", .normal(standardDeviation: 0.02))
        #expect(fanIn.largest <= 1 / 200.0.squareRoot() && abs(fanIn.standardDeviation - 1 / 600.0.squareRoot()) < 5e-4)
        #expect(xavier.largest <= (6 / 500.0).squareRoot() && abs(xavier.standardDeviation - (2 / 500.0).squareRoot()) < 5e-4)
        #expect(abs(normal.standardDeviation - 0.02) < 2e-4)
        #expect(b("d", [5], .spaced(1, 3)).value.doubles() == [1, 1.5, 2, 2.5, 3])
        #expect(b("e", [1], .spaced(1, 3)).value.doubles() == [1])
    }
    @Test func pathsAreUnique() async throws {
        let result = try #require(
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                let b = ParameterBuilder(seed: 1)
                _ = b.child("a")("w", [1], .zeros)
                _ = b.child("a")("w", [1], .zeros)
            })
        #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains("in 'a.w': parameter: declared twice"))
    }
    @Test func givenValuesMustFit() async {
        await #expect(processExitsWith: .failure) { _ = ParameterBuilder(seed: 1)("w", [2], .values(.zeros([3]))) }
    }
    @Test func frozenParametersAreConstants() {
        let b = ParameterBuilder(seed: 1), frozen = b("a", [2], .ones, trainable: false), free = b("b", [2], .ones)
        let context = ForwardContext(.train)
        #expect((context[frozen] * context[free]).sum().backward().paths == ["b"])
        #expect(b.store.trainableCount == 2)
        #expect(b("m", [2, 2], .zeros).decays && !b("v", [2], .zeros).decays && b("w", [2], .zeros, decays: true).decays)
    }
}
