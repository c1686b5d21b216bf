import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import TestSupport
import Testing

/// Embedding of different inputs, which share the same states.
@Suite struct ModalityTests {
    /// Central differences of every parameter of an embedder.
    private func worstParameterError(_ store: ParameterStore, _ run: (ForwardContext) -> Variable) throws -> Double {
        func loss(_ context: ForwardContext) -> Variable {
            let y = run(context)
            return (y * context.constant(random(y.shape, "weights"))).sum()
        }
        let gradients = loss(ForwardContext(.train)).backward()
        var worst = 0.0
        for p in store.all where p.isTrainable {
            let analytic = try #require(gradients[p], "\(p.path)").doubles(), original = p.value, values = original.doubles()
            for i in values.indices {
                func moved(_ delta: Double) -> Double {
                    var v = values
                    v[i] += delta
                    p.value = Tensor(v, original.shape)
                    defer { p.value = original }
                    return loss(ForwardContext(.evaluate)).value.item()
                }
                let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5
                worst = max(worst, abs(numeric - analytic[i]) / max(1, abs(numeric), abs(analytic[i])))
            }
        }
        return worst
    }

    @Test func gradientsOfEmbedders() throws {
        let images = ParameterBuilder(seed: 1, dtype: .float64), bytes = ParameterBuilder(seed: 2, dtype: .float64)
        let image = ImageEmbedder(images, channels: 2, height: 4, width: 6, patch: 2, stem: 3, modelWidth: 4)
        let byte = ByteEmbedder(bytes, width: 3, reach: 3)
        shake(images.store)
        shake(bytes.store)
        let pixels = random([2, 24, 2], "pixels"), text = Tensor([72, 105, 255, 0, 72, 72] as [Int32], [2, 3])
        #expect(try worstParameterError(images.store) { image(pixels, $0) } < 1e-6)
        #expect(try worstParameterError(bytes.store) { byte(text, $0) } < 1e-6)
    }

    /// Both convolutions of the image embedder as loops over pixels.
    @Test func imagesByHand() throws {
        let builder = ParameterBuilder(seed: 1, dtype: .float64), h = 4, w = 6, c = 2, s = 3, d = 4, p = 2
        let embedder = ImageEmbedder(builder, channels: c, height: h, width: w, patch: p, stem: s, modelWidth: d)
        let input = random([1, h * w, c], "pixels"), x = input.doubles()
        func weights(_ name: String) throws -> [Double] { try #require(builder.store[name]).value.doubles() }
        let w1 = try weights("stem.weight"), b1 = try weights("stem.bias"), w2 = try weights("patches.weight"),
            b2 = try weights("patches.bias")
        var stem = [Double](repeating: 0, count: s * h * w)
        for o in 0..<s {
            for r in 0..<h {
                for q in 0..<w {
                    var sum = b1[o]
                    for i in 0..<c {
                        for u in 0..<3 {
                            for v in 0..<3 where (0..<h).contains(r + u - 1) && (0..<w).contains(q + v - 1) {
                                sum += w1[((o * c + i) * 3 + u) * 3 + v] * x[((r + u - 1) * w + q + v - 1) * c + i]
                            }
                        }
                    }
                    stem[(o * h + r) * w + q] = Variable(Tensor([sum])).gelu().value.doubles()[0]
                }
            }
        }
        var expected: [Double] = []
        for r in 0..<h / p {
            for q in 0..<w / p {
                for o in 0..<d {
                    var sum = b2[o]
                    for i in 0..<s {
                        for u in 0..<p {
                            for v in 0..<p {
                                sum += w2[((o * s + i) * p + u) * p + v] * stem[(i * h + r * p + u) * w + q * p + v]
                            }
                        }
                    }
                    expected.append(sum)
                }
            }
        }
        let got = embedder(input, ForwardContext(.evaluate)).value
        #expect(difference(got, Tensor(expected, [1, 6, 4])) < 1e-12)
    }

    @Test func bytesSeeNoLaterBytes() {
        let builder = ParameterBuilder(seed: 1, dtype: .float64), embedder = ByteEmbedder(builder, width: 3, reach: 2)
        let a = embedder(Tensor([1, 2, 3, 4] as [Int32], [1, 4]), ForwardContext(.evaluate)).value
        let b = embedder(Tensor([1, 2, 9, 4] as [Int32], [1, 4]), ForwardContext(.evaluate)).value
        #expect(same(a.slice(axis: 1, 0..<2), b.slice(axis: 1, 0..<2)))
        for t in 2...3 { #expect(difference(a.select(axis: 1, t), b.select(axis: 1, t)) > 1e-6) }
    }

    /// Two streams are one sequence: the first influences every position of the second, and not the reverse.
    @Test func streamsShareStates() throws {
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        var shape = ModelConfiguration(
            input: .streams([.features(width: 3), .tokens(vocabulary: 5)]), output: .perToken(width: 2))
        (shape.width, shape.layers, shape.heads, shape.hidden) = (8, 1, 2, 0)
        let parts = NSTMLayer.Parts(
            routing: { TopKRouting($0, width: 8, states: 4, k: 2) }, update: { GatedSlotsRule($0, width: 8, states: 4) })
        let model = NSTMModel(builder, shape) { parameters, _, _ in
            NSTMLayer(parameters, width: 8, heads: 2, states: 4, parts: parts, convolutionWidth: 1)
        }
        shake(builder.store)
        #expect(builder.store["streams.kinds"]?.value.shape == [2, 8])
        let image = random([1, 3, 3], "image"), other = random([1, 3, 3], "other")
        let text = Tensor([0, 4, 2, 2] as [Int32], [1, 4]), question = Tensor([0, 4, 2, 3] as [Int32], [1, 4])
        func run(_ image: Tensor, _ text: Tensor) -> Tensor { model([image, text], ForwardContext(.evaluate)).value }
        let y = run(image, text)
        #expect(y.shape == [1, 7, 2])
        let seen = run(other, text)
        // No convolution reaches over: what the answers to the text differ by went through the states.
        for t in 3..<7 { #expect(difference(y.select(axis: 1, t), seen.select(axis: 1, t)) > 1e-6) }
        let asked = run(image, question)
        #expect(same(y.slice(axis: 1, 0..<6), asked.slice(axis: 1, 0..<6)))
        let gradients = model([image, text], ForwardContext(.train)).squared().sum().backward()
        #expect(gradients.paths == builder.store.all.filter(\.isTrainable).map(\.path))
    }

    @Test func aMissingStreamStops() async {
        await #expect(processExitsWith: .failure) {
            var shape = ModelConfiguration(
                input: .streams([.features(width: 3), .tokens(vocabulary: 5)]), output: .perToken(width: 2))
            (shape.width, shape.layers, shape.hidden) = (8, 0, 0)
            let model = NSTMModel(ParameterBuilder(seed: 1), shape) { _, _, _ in fatalError("no layers") }
            _ = model([Tensor.zeros([1, 2, 3])], ForwardContext(.evaluate))
        }
    }
}
