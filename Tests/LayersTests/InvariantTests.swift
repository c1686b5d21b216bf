import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

/// The rules that hold for every layer of states.
@Suite struct InvariantTests {
    // MARK: Splits

    @Test(arguments: Recipe.all) func anySplitGivesTheSame(_ recipe: Recipe) throws {
        for (dtype, bound) in [(DType.float32, 1e-4), (.float64, 1e-10)] {
            let m = try recipe.built(dtype: dtype)
            for length in [1, 13] {
                let context = ForwardContext(.evaluate), x = context.constant(random([2, length, 8], "x", dtype))
                let whole = m.whole(x, context), (carried, end) = m.split(x, [length], context)
                #expect(difference(whole.value, carried.value) <= bound)
                let single = Array(repeating: 1, count: length)
                for lengths in [single, parts(of: length, RandomKey(1)), parts(of: length, RandomKey(2))] {
                    let (y, state) = m.split(x, lengths, context)
                    #expect(difference(whole.value, y.value) <= bound)
                    #expect(state.position == length && state.names == end.names)
                    for name in end.names { #expect(difference(state[name]!.value, end[name]!.value) <= bound, "\(name)") }
                }
            }
        }
    }

    /// Longer than two chunks of the scan, and no multiple of one.
    @Test(arguments: Recipe.all.filter { !$0.rule.isStepwise && $0.keep == $0.masked && ($0.window == nil) != $0.interacts })
    func anySplitOfALongSequence(_ recipe: Recipe) throws {
        let m = try recipe.built(), context = ForwardContext(.evaluate), x = context.constant(random([2, 150, 8], "x"))
        let whole = m.whole(x, context)
        for lengths in [Array(repeating: 1, count: 150), [64, 86], [1, 127, 22], parts(of: 150, RandomKey(3), upTo: 90)] {
            #expect(difference(whole.value, m.split(x, lengths, context).y.value) <= 1e-10)
        }
    }

    @Test(arguments: Recipe.all) func gradientsFlowThroughACarriedState(_ recipe: Recipe) throws {
        let m = try recipe.built(), x = random([2, 11, 8], "x")
        func run(_ lengths: [Int]?) -> (Gradients, Int) {
            let context = ForwardContext(.train, key: RandomKey(5))
            let input = context.constant(x)
            let y = lengths.map { m.split(input, $0, context).y } ?? m.whole(input, context)
            return (total(y, nil, context).backward(), context.auxiliaryLosses.count)
        }
        let (whole, losses) = run(nil)
        #expect(losses == (recipe.keep ? 1 : 0))
        for lengths in [[11], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [5, 6], parts(of: 11, RandomKey(4))] {
            let (g, losses) = run(lengths)
            #expect(losses == (recipe.keep ? 1 : 0), "the penalty of the L0 gates is added once per pass")
            #expect(g.paths == whole.paths)
            for path in whole.paths { #expect(g[path].map { difference($0, whole[path]!) <= 1e-10 } ?? false, "\(path)") }
        }
    }

    /// A detached state truncates only the backward pass.
    @Test func aDetachedStateCutsGradients() throws {
        let m = try Recipe().built(), context = ForwardContext(.train), x = random([1, 6, 8], "x")
        var state: MixerCache? = m.layer.initialState(batch: 1, context)
        let first = context.input(x.slice(axis: 1, 0..<3)), second = context.input(x.slice(axis: 1, 3..<6))
        _ = m.layer(first, &state, context)
        let whole = m.whole(context.constant(x), context).value.slice(axis: 1, 3..<6)
        state = state!.detached
        let y = m.layer(second, &state, context)
        #expect(difference(y.value, whole) <= 1e-12)
        let g = y.sum().gradients(of: [first, second])
        #expect(g[0] == nil)
        #expect(g[1] != nil)
    }

    // MARK: Causality

    @Test(arguments: Recipe.all) func theFutureChangesNothing(_ recipe: Recipe) throws {
        let m = try recipe.built(dtype: .float32), n = 11, x = random([2, n, 8], "x", .float32)
        func run(_ x: Tensor) -> Tensor { m.whole(Variable(x), ForwardContext(.evaluate)).value }
        let y = run(x), other = random([2, n, 8], "other", .float32)
        for j in [1, 4, 5, 10] {
            let moved = run(.concatenate([x.slice(axis: 1, 0..<j), other.slice(axis: 1, j..<n)], axis: 1))
            #expect(same(moved.slice(axis: 1, 0..<j), y.slice(axis: 1, 0..<j)))
            #expect(!same(moved.slice(axis: 1, j..<n), y.slice(axis: 1, j..<n)))
        }
    }

    @Test(arguments: Recipe.some) func noGradientComesFromTheFuture(_ recipe: Recipe) throws {
        let m = try recipe.built(), n = 9
        for i in [0, 3, 4, 7] {
            let context = ForwardContext(.train), x = context.input(random([1, n, 8], "x"))
            let y = m.whole(x, context)
            let g = y.slice(axis: 1, i..<i + 1).sum().gradients(of: [x])[0]!
            for j in 0..<n {
                let size = largest(g.select(axis: 1, j))
                if j > i { #expect(size == 0) }
                if j == i { #expect(size > 0) }
            }
        }
    }

    // MARK: Gradients

    @Test(arguments: Recipe.some) func everyParameterHasTheRightGradient(_ recipe: Recipe) throws {
        let m = try recipe.built(width: 4, states: 4, seed: 2), x = random([2, 6, 4], "x")
        func loss(_ recording: Bool) -> Variable {
            let context = ForwardContext(.train, key: RandomKey(9), recording: recording)
            let (y, state) = m.split(context.constant(x), [6], context)
            return total(y, state, context)
        }
        let gradients = loss(true).backward()
        #expect(gradients.paths == m.store.all.filter(\.isTrainable).map(\.path), "every trainable parameter, in order")
        for p in m.store.all where p.isTrainable {
            // A straight-through gradient is not that of the value.
            if recipe.routing == "gumbel" && p.path.hasPrefix("router.") { continue }
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

    /// A layer of which only the router is trained, continuing from the cache of another pass.
    @Test
    func frozenProjectionsDoNotStopTheRest() throws {
        let m = try Recipe().built()
        for p in m.store.all where !p.path.hasPrefix("router") { p.isTrainable = false }
        var state: MixerCache? = m.layer.initialState(batch: 1, ForwardContext(.evaluate))
        let context = ForwardContext(.train)
        let g = m.layer(context.constant(random([1, 5, 8], "x")), &state, context).sum().backward()
        #expect(g.paths == ["router.weight", "router.bias"])
    }

    // MARK: Inactive states

    @Test(arguments: Recipe.all.filter(\.masked)) func inactiveStatesDoNotCount(_ recipe: Recipe) throws {
        let m = try recipe.built(dtype: .float32), x = random([2, 11, 8], "x", .float32)
        let manager = m.layer.manager, off = Recipe.off
        func filled(_ t: Tensor, _ key: String, _ size: Double) -> Tensor {
            let noise =
                size.isNaN
                ? Tensor(repeating: .nan, t.shape) : .normal(t.shape, standardDeviation: size, key: RandomKey(8).fold(key))
            let axis = t.rank - 2
            return .stack((0..<5).map { (off.contains($0) ? noise : t).select(axis: axis, $0) }, axis: axis)
        }
        let context = ForwardContext(.evaluate)
        let reference = m.whole(context.constant(x), context).value
        let (_, end) = m.split(context.constant(x), [3, 8], context)
        for size in [1.0, 1e6, .nan] {
            let keys = manager.initialKeys.value, values = manager.initialValues.value
            manager.initialKeys.value = filled(keys, "keys", size)
            manager.initialValues.value = filled(values, "values", size)
            #expect(same(m.whole(context.constant(x), context).value, reference))
            let (y, state) = m.split(context.constant(x), [3, 8], context)
            #expect(difference(y.value, reference) <= 1e-4)
            for n in 0..<5 {
                for b in 0..<2 {
                    for (part, initial) in [("keys", manager.initialKeys), ("values", manager.initialValues)] {
                        let left = state[part]!.value.select(axis: 1, n).select(axis: 0, b)
                        let expected =
                            off.contains(n)
                            ? initial.value.select(axis: 0, n) : end[part]!.value.select(axis: 1, n).select(axis: 0, b)
                        #expect(same(left, expected), "\(part) of state \(n)")
                    }
                }
            }
            manager.initialKeys.value = keys
            manager.initialValues.value = values
        }
    }

    @Test(arguments: Recipe.all.filter(\.masked), [false, true])
    func noGradientReachesInactiveStates(_ recipe: Recipe, holdNaN: Bool) throws {
        let m = try recipe.built()
        if holdNaN {
            for p in [m.layer.manager.initialKeys, m.layer.manager.initialValues] {
                let nan = Tensor(repeating: .nan, p.value.shape, dtype: p.value.dtype)
                p.value = .stack((0..<5).map { (Recipe.off.contains($0) ? nan : p.value).select(axis: 0, $0) }, axis: 0)
            }
        }
        let context = ForwardContext(.train, key: RandomKey(9))
        let y = m.whole(context.constant(random([2, 9, 8], "x")), context)
        let g = weighted(y, "y").backward()
        #expect(y.value.firstNonFinite() == nil && g.firstNonFinite == nil)
        for path in ["states.initialKeys", "states.initialValues", "states.gateLogits", "router.weight", "interaction.identity"] {
            guard let gradient = g[path] else { continue }
            for n in Recipe.off { #expect(largest(gradient.select(axis: 0, n)) == 0, "\(path)") }
            #expect(largest(gradient) > 0, "\(path)")
        }
    }

    @Test(arguments: Recipe.all.filter(\.masked)) func aMaskIsASmallerLayer(_ recipe: Recipe) throws {
        let m = try recipe.built()
        var unmasked = recipe
        unmasked.masked = false
        let small = try unmasked.built(states: 3, seed: 99), rest = (0..<5).filter { !Recipe.off.contains($0) }
        for p in small.store.all {
            let from = try #require(m.store[p.path]).value
            p.value = from.shape == p.value.shape ? from : .stack(rest.map { from.select(axis: 0, $0) }, axis: 0)
        }
        let context = ForwardContext(.evaluate), x = context.constant(random([2, 14, 8], "x"))
        let (y, state) = m.split(x, [6, 8], context), (z, end) = small.split(x, [6, 8], context)
        #expect(difference(y.value, z.value) <= 1e-10)
        for name in ["keys", "values"] {
            let left = Tensor.stack(rest.map { state[name]!.value.select(axis: 1, $0) }, axis: 1)
            #expect(difference(left, end[name]!.value) <= 1e-10)
        }
    }

    /// A closed L0 gate makes a state inactive; with all gates closed, reads are 0.
    @Test(arguments: Recipe.all.filter { $0.keep && !$0.masked && $0.rule == .plain }) func shutGates(_ recipe: Recipe) throws {
        let m = try recipe.built(dtype: .float32), logits = try #require(m.layer.manager.gateLogits)
        logits.value = Tensor(repeating: -20, [5])
        for mode in [ForwardContext.Mode.train, .evaluate] {
            let context = ForwardContext(mode, recording: true)
            let (y, state) = m.split(context.constant(random([1, 9, 8], "x", .float32)), [3, 6], context)
            #expect(y.value.firstNonFinite() == nil)
            #expect(same(state["values"]!.value.select(axis: 0, 0), m.layer.manager.initialValues.value))
            #expect(total(y, state, context).backward().firstNonFinite == nil)
        }
    }

    // MARK: Long streams

    private static let streams: [Recipe] =
        [
            Recipe(), Recipe(rule: .slow, routing: "sigmoid", interacts: true),
            Recipe(rule: .secondGate, routing: "softmax", window: 3),
            Recipe(rule: .plain, routing: "top-k", interacts: true, keep: true, masked: true), Recipe(routing: "sinkhorn"),
            Recipe(rule: .slow, routing: "hash", interacts: true, interaction: "relational"),
            Recipe(rule: .secondGate, routing: "round-robin", interacts: true, interaction: "sparse-attention"),
            Recipe(routing: "content", interacts: true, interaction: "low-rank", masked: true),
        ]
        + Recipe.Rule.linear.flatMap { [Recipe(rule: $0), Recipe(rule: $0, routing: "sigmoid", interacts: true, masked: true)] }

    @Test(arguments: streams) func manyTokensStayBounded(_ recipe: Recipe) throws {
        let m = try recipe.built(dtype: .float32)
        var state: MixerCache? = m.layer.initialState(batch: 1, ForwardContext(.evaluate))
        let first = state!["keys"]!.value
        var early = 0.0, late = 0.0, bytes: Int?
        for i in 0..<100 {
            let context = ForwardContext(.evaluate)
            let y = m.layer(context.constant(random([1, 1000, 8], "x\(i)", .float32)), &state, context)
            #expect(y.value.firstNonFinite() == nil)
            let size = max(largest(y.value), largest(state!["values"]!.value))
            if i < 50 { early = max(early, size) } else { late = max(late, size) }
            #expect(bytes == nil || bytes == state!.byteCount)
            bytes = state!.byteCount
            // Written keys have length √d = 2 in every head; a mean of them and the initial key is not longer.
            let bound = max(2, headNorm(first))
            #expect(headNorm(state!["keys"]!.value) <= bound + 1e-4)
        }
        #expect(state!.position == 100_000)
        #expect(late <= 1.5 * early)
    }
    private func headNorm(_ keys: Tensor) -> Double {
        let k = keys.doubles()
        let squares = stride(from: 0, to: k.count, by: 4).map { i in k[i..<i + 4].reduce(0) { $0 + $1 * $1 } }
        return squares.max()!.squareRoot()
    }

    /// Rules that run step by step take longer; their values are convex combinations of values within ±1 and the initial ones.
    @Test(arguments: Recipe.Rule.allCases.filter(\.isStepwise)) func manyStepsStayBounded(_ rule: Recipe.Rule) throws {
        let m = try Recipe(rule: rule, routing: "sigmoid").built(width: 4, heads: 1, states: 2, dtype: .float32)
        var state: MixerCache? = m.layer.initialState(batch: 1, ForwardContext(.evaluate))
        let bound = max(1, largest(state!["values"]!.value))
        for i in 0..<20 {
            let context = ForwardContext(.evaluate)
            let y = m.layer(context.constant(random([1, 1000, 4], "x\(i)", .float32)), &state, context)
            #expect(y.value.firstNonFinite() == nil)
            #expect(largest(state!["values"]!.value) <= bound + 1e-6)
        }
    }

    /// Each element of a state stays within what was ever written to it and what it began with.
    @Test func statesAreConvexCombinations() {
        let qkv = random([1, 500, 24], "qkv"), w = Tensor.uniform([1, 500, 3], key: RandomKey(2), dtype: .float64)
        let start = random([1, 3, 8], "start"), activity = StateActivity(heads: 2)
        let rule = GatedSlotsRule(ParameterBuilder(seed: 1, dtype: .float64), width: 8, states: 3)
        let bank = StateBank(keys: Variable(start), values: Variable(start), activity: activity)
        let end = StatePropagator(rule, interaction: nil, interval: 64)(
            tokens: Variable(qkv), qkv: Variable(qkv), routing: Routing(weights: Variable(w)), states: bank,
            readout: ContentReadout(), position: 0,
            ForwardContext(.evaluate)
        ).states.values.value
        for c in 0..<8 {
            let written = qkv.select(axis: 2, 16 + c).doubles()
            for n in 0..<3 {
                let all = written + [start.select(axis: 2, c).doubles()[n]], x = end.select(axis: 2, c).doubles()[n]
                #expect(x >= all.min()! && x <= all.max()!)
            }
        }
    }
}
