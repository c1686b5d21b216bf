import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// The stated cost of layers and models equals the counted work.
@Suite struct CostTests {
    @Test(arguments: Recipe.all) func reportedIsCounted(_ recipe: Recipe) throws {
        let m = try recipe.built(dtype: .float32)
        let x = Variable(random([2, 13, 8], "x", .float32)), context = ForwardContext(.evaluate)
        let whole = Work.counting { _ = m.whole(x, context) }
        #expect(m.layer.multiplyAdds(PassSize(batch: 2, tokens: 13)) == whole.multiplyAdds)
        // Parts of 5, 1 and 7 tokens from a carried state: what each costs depends on where it is.
        var state: MixerCache? = m.layer.initialState(batch: 2, context), position = 0
        for part in x.split(axis: 1, [5, 1, 7]) {
            let length = part.shape[1], counted = Work.counting { _ = m.layer(part, &state, context) }
            let pass = PassSize(batch: 2, tokens: length, position: position, carriesState: true)
            #expect(m.layer.multiplyAdds(pass) == counted.multiplyAdds, "\(length) tokens at \(position)")
            #expect(m.layer.stateBytes(pass) == state?.byteCount, "\(length) tokens at \(position)")
            position += length
        }
    }

    /// More tokens than a block of queries, a window across blocks.
    @Test func localAttention() throws {
        let m = try Recipe(window: 40).built(dtype: .float32), x = Variable(random([1, 150, 8], "x", .float32))
        let counted = Work.counting { _ = m.whole(x, ForwardContext(.evaluate)) }
        #expect(m.layer.multiplyAdds(PassSize(tokens: 150)) == counted.multiplyAdds)
    }

    /// Several chunks of the scan and a rest, more value columns than a block of it, more than one vector of states.
    @Test(arguments: Recipe.Rule.linear) func longScans(_ rule: Recipe.Rule) throws {
        for (width, heads, states) in [(8, 2, 5), (36, 1, 20), (144, 2, 3), (8, 2, 1)] {
            let m = try Recipe(rule: rule, routing: "sigmoid").built(width: width, heads: heads, states: states, dtype: .float32)
            let counted = Work.counting {
                _ = m.whole(Variable(random([2, 75, width], "x", .float32)), ForwardContext(.evaluate))
            }
            #expect(m.layer.multiplyAdds(PassSize(batch: 2, tokens: 75)) == counted.multiplyAdds, "\(width), \(heads), \(states)")
        }
    }
    /// More states than the selective scan takes: step by step.
    @Test(arguments: [Recipe.Rule.selective, .diagonal]) func manyStates(_ rule: Recipe.Rule) throws {
        let m = try Recipe(rule: rule).built(states: 300, dtype: .float32)
        let counted = Work.counting { _ = m.whole(Variable(random([2, 5, 8], "x", .float32)), ForwardContext(.evaluate)) }
        #expect(m.layer.multiplyAdds(PassSize(batch: 2, tokens: 5)) == counted.multiplyAdds)
    }
    /// A readout that is more than weights: no rule has a scan for it.
    @Test(arguments: Recipe.Rule.allCases) func readsOfAnotherKind(_ rule: Recipe.Rule) {
        /// Means of the values, which cost no products.
        final class MeanRead: StateReadout, StrategyCost {
            func callAsFunction(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> Variable {
                states.values.mean(axes: [1])
            }
            func multiplyAdds(_ pass: StatePass) -> Int { 0 }
        }
        let builder = ParameterBuilder(seed: 1)
        let parts = NSTMLayer.Parts(
            routing: { TopKRouting($0, width: 8, states: 5, k: 2) },
            update: { try! rule.built($0, width: 8, heads: 2, states: 5) }, readout: { _ in MeanRead() })
        let layer = NSTMLayer(builder, width: 8, heads: 2, states: 5, parts: parts)
        let x = Variable(random([2, 7, 8], "x", .float32))
        let counted = Work.counting {
            var none: MixerCache?
            _ = layer(x, &none, ForwardContext(.evaluate))
        }
        #expect(layer.multiplyAdds(PassSize(batch: 2, tokens: 7)) == counted.multiplyAdds)
    }
    /// Activation within a sequence depends on its tokens.
    @Test func activation() throws {
        var lifecycle = StateLifecycleConfiguration()
        lifecycle.activation = NoveltyActivation(interval: 4, initialActive: 2, above: 0.5, maxActive: 4)
        let layer = NSTMLayer(
            ParameterBuilder(seed: 1), width: 8, heads: 2, states: 4,
            parts: .init(
                routing: { TopKRouting($0, width: 8, states: 4, k: 2) }, update: { GatedSlotsRule($0, width: 8, states: 4) }),
            lifecycle: lifecycle)
        #expect(layer.multiplyAdds(PassSize(tokens: 3)) == nil)
    }

    /// A third-party strategy need not state its cost; the cost of the layer is then unknown.
    @Test func unknownCosts() throws {
        final class Everything: RoutingPolicy {
            func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
                -> Variable
            {
                Variable(.ones([tokens.shape[0], tokens.shape[1], 4]))
            }
        }
        let layer = NSTMLayer(
            ParameterBuilder(seed: 1), width: 8, heads: 2, states: 4,
            parts: .init(routing: { _ in Everything() }, update: { GatedSlotsRule($0, width: 8, states: 4) }))
        #expect(layer.multiplyAdds(PassSize(tokens: 3)) == nil)
    }

    @Test(arguments: [ModelOutput.nextToken(vocabulary: 11), .perToken(width: 3), .pooled(classes: 5)])
    func models(_ output: ModelOutput) {
        for input in [ModelInput.tokens(vocabulary: 11), .features(width: 6)] {
            var shape = ModelConfiguration(input: input, output: output)
            (shape.width, shape.heads, shape.layers, shape.hidden) = (16, 2, 2, 24)
            let model = NSTMModel(ParameterBuilder(seed: 1), shape) { parameters, _, residual in
                NSTMLayer(
                    parameters, width: 16, heads: 2, states: 8,
                    parts: .init(
                        routing: { TopKRouting($0, width: 16, states: 8, k: 3) },
                        update: { GatedSlotsRule($0, width: 16, states: 8) }
                    ),
                    residual: residual)
            }
            #expect(model.multiplyAdds(PassSize(batch: 3, tokens: 20)) == model.work(batch: 3, tokens: 20).multiplyAdds)
        }
    }

    /// By hand: two blocks of 13 D² + 2 D (k + N) + D N + 4 · 3 D, without what the first three tokens do not convolve; the head.
    @Test func aModelByHand() {
        var shape = ModelConfiguration(input: .tokens(vocabulary: 65), output: .nextToken(vocabulary: 65))
        let (D, N, k, T) = (64, 16, 4, 100)
        (shape.width, shape.layers, shape.hidden) = (D, 2, 4 * D)
        let model = NSTMModel(ParameterBuilder(seed: 1), shape) { parameters, _, residual in
            NSTMLayer(
                parameters, width: D, heads: 4, states: N,
                parts: .init(
                    routing: { TopKRouting($0, width: D, states: N, k: k) }, update: { GatedSlotsRule($0, width: D, states: N) }),
                residual: residual)
        }
        let block = T * (13 * D * D + 2 * D * (k + N) + D * N + 12 * D) - 6 * 3 * D
        #expect(model.work(batch: 1, tokens: T).multiplyAdds == 2 * block + T * 65 * D)
    }
}
