import Foundation
import NSTMAutograd
import NSTMConfiguration
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

@Suite struct PointerRoutingTests {
    private func layer(
        _ states: Int, _ settings: PointerRouting.Configuration = .pointer, update: any UpdateRuleConfiguration = .gatedSlots,
        read: any ReadoutConfiguration = .routed, seed: UInt64 = 1
    ) -> Built {
        let builder = ParameterBuilder(seed: seed, dtype: .float64)
        let layer = NSTMLayer(
            builder, width: 8, heads: 2, states: states, router: settings, update: update, read: read, convolution: 1)
        shake(builder.store, seed: seed)
        return Built(layer: layer, store: builder.store)
    }
    private func route(_ m: Built, _ x: Tensor, _ context: ForwardContext) -> (weights: [Double], reads: [Double]) {
        let activity = m.layer.manager.activity(batch: x.shape[0], context)
        let routing = m.layer.router.route(context.constant(x), activity, position: 0, carried: nil, context)
        return (routing.weights.value.doubles(), routing.reads!.value.doubles())
    }
    /// Every option, alone and together.
    static let options: [PointerRouting.Configuration] = [
        .pointer, .pointer(writeMoves: [.home, .forward, .back, .stay], readMoves: [.cycle, .home]),
        .pointer(readMoves: PointerRouting.Move.allCases, findWidth: 3), .pointer(heads: 2),
        .pointer(
            moves: .soft, writeMoves: [.stay, .forward, .home], readMoves: PointerRouting.Move.allCases.reversed(), heads: 3,
            findWidth: 2, findConvolution: 1),
    ]

    /// In evaluation a token writes to one state at most and reads one at most, in training it is spread.
    @Test(arguments: options) func evaluationMakesOneMove(_ settings: PointerRouting.Configuration) {
        var settings = settings
        settings.moves = .hard
        let m = layer(6, settings), x = random([2, 40, 8], "x")
        let (w, r) = route(m, x, ForwardContext(.evaluate)), soft = route(m, x, ForwardContext(.train))
        for i in stride(from: 0, to: w.count, by: 6) {
            #expect(w[i..<i + 6].count { $0 != 0 } <= 1)
            #expect(r[i..<i + 6].allSatisfy { $0 == 0 || $0 == 1 } && r[i..<i + 6].count { $0 == 1 } <= 1)
            for weights in [w, r, soft.weights, soft.reads] { #expect(weights[i..<i + 6].reduce(0, +) <= 1 + 1e-12) }
        }
        #expect(stride(from: 0, to: w.count, by: 6).contains { i in soft.weights[i..<i + 6].count { $0 > 0 } > 1 })
        settings.moves = .soft
        let spread = layer(6, settings)
        #expect(route(spread, x, ForwardContext(.evaluate)) == route(spread, x, ForwardContext(.train)))
    }

    // MARK: The definition, in plain loops

    /// Write and read weights of one sequence by definition, from the parameters of the policy.
    private func naive(_ m: Built, _ x: Tensor, _ active: [Bool]) -> (weights: [[Double]], reads: [[Double]]) {
        let policy = m.layer.router.policy as! PointerRouting, settings = policy.settings, H = settings.heads, N = active.count
        let tokens = (0..<x.shape[1]).map { x.select(axis: 0, 0).select(axis: 0, $0).doubles() }
        let used = [0] + (0..<N).filter { active[$0] }.map { $0 + 1 }
        func sum(_ count: Int, _ term: (Int) -> Double) -> Double {
            var sum = 0.0
            for i in 0..<count { sum += term(i) }
            return sum
        }
        func linear(_ layer: Linear, _ x: [Double]) -> [Double] {
            let w = layer.weight.value.doubles(), b = layer.bias?.value.doubles()
            return (0..<w.count / x.count).map { o in (b?[o] ?? 0) + sum(x.count) { w[o * x.count + $0] * x[$0] } }
        }
        func softmax(_ z: ArraySlice<Double>) -> [Double] {
            let top = z.max()!, e = z.map { exp($0 - top) }, sum = e.reduce(0, +)
            return e.map { $0 / sum }
        }
        func unit(_ x: ArraySlice<Double>) -> [Double] {
            let x = Array(x), length = sum(x.count) { x[$0] * x[$0] }.squareRoot()
            return x.map { $0 / length }
        }
        func moved(
            _ h: [Double], _ moves: [PointerRouting.Move], _ shares: [Double], target: [Double], match: [Double]
        ) -> [Double] {
            var next = h.map { _ in 0.0 }
            for (move, share) in zip(moves, shares) {
                for (i, p) in used.enumerated() {
                    switch move {
                    case .stay: next[p] += share * h[p]
                    case .forward: if i + 1 < used.count { next[used[i + 1]] += share * h[p] }
                    case .back: next[used[max(0, i - 1)]] += share * h[p]
                    case .home: if i == 0 { next[0] += share }
                    case .follow: next[p] += share * target[p]
                    case .find: if i > 0 { next[p] += share * match[p - 1] }
                    case .cycle:
                        // Probability that the write head is before the next position.
                        let beyond = i + 1 < used.count ? sum(i + 1) { target[used[$0]] } : 1
                        next[used[1]] += share * h[p] * beyond
                        if i + 1 < used.count { next[used[i + 1]] += share * h[p] * (1 - beyond) }
                    }
                }
            }
            return next
        }
        let rest = (0...N).map { $0 == 0 ? 1.0 : 0 }
        var w = Array(repeating: rest, count: H), r = w, keys: [[Double]] = [], inputs: [[Double]] = []
        var weights: [[Double]] = [], reads: [[Double]] = []
        for x in tokens {
            let a = linear(policy.writeMoves, x), e = linear(policy.readMoves, x),
                gate = 1 / (1 + exp(-linear(policy.writeGate, x)[0]))
            let wn = settings.writeMoves.count, rn = settings.readMoves.count
            let s = policy.writeHeads.map { softmax(linear($0, x)[...]) } ?? [1]
            let rho = policy.readHeads.map { softmax(linear($0, x)[...]) } ?? [1]
            for h in 0..<H {
                w[h] = moved(w[h], settings.writeMoves, softmax(a[h * wn..<(h + 1) * wn]), target: rest, match: [])
            }
            let u = (0..<N).map { n in gate * sum(H) { s[$0] * w[$0][n + 1] } }
            var match = Array(repeating: Array(repeating: 0.0, count: N), count: H)
            if let find = policy.find {
                let d = find.width, taps = find.convolution.width, tap = find.convolution.weight.value.doubles()
                inputs.append(linear(find.projection, x))
                let C = inputs[0].count
                let y = (0..<C).map { c in
                    sum(taps) { j in
                        let t = inputs.count - taps + j
                        return t < 0 ? 0 : tap[j * C + c] * inputs[t][c]
                    }
                }
                if keys.isEmpty { keys = Array(repeating: Array(repeating: 0, count: d), count: N) }
                for h in 0..<H {
                    let q = unit(y[(h + 1) * d..<(h + 2) * d]), beta = exp(find.logInverseTemperature.value.doubles()[h])
                    let scores = used.dropFirst().map { p in beta * sum(d) { q[$0] * keys[p - 1][$0] } }
                    for (p, share) in zip(used.dropFirst(), softmax(scores[...])) { match[h][p - 1] = share }
                }
                let k = unit(y[0..<d])
                for n in 0..<N { for j in 0..<d { keys[n][j] += u[n] * (k[j] - keys[n][j]) } }
            }
            for h in 0..<H {
                r[h] = moved(r[h], settings.readMoves, softmax(e[h * rn..<(h + 1) * rn]), target: w[h], match: match[h])
            }
            weights.append(u)
            reads.append((0..<N).map { n in sum(H) { rho[$0] * r[$0][n + 1] } })
        }
        return (weights, reads)
    }
    @Test(arguments: options, [nil, [true, false, true, true, false]] as [[Bool]?])
    func followsItsDefinition(_ settings: PointerRouting.Configuration, _ active: [Bool]?) {
        let m = layer(5, settings), x = random([1, 25, 8], "x")
        if let active { m.layer.manager.active = active }
        let (w, r) = route(m, x, ForwardContext(.train)), expected = naive(m, x, active ?? Array(repeating: true, count: 5))
        for (a, b) in zip(w, expected.weights.joined()) { #expect(abs(a - b) < 1e-5) }
        for (a, b) in zip(r, expected.reads.joined()) { #expect(abs(a - b) < 1e-5) }
        // Without the move find nothing is normalized, and the comparison is exact up to rounding.
        guard !settings.readMoves.contains(.find) else { return }
        for (a, b) in zip(w + r, Array(expected.weights.joined()) + Array(expected.reads.joined())) {
            #expect(abs(a - b) < 1e-13)
        }
    }
    /// The move find goes to the state that was written at the token with the same content, at any distance.
    @Test func findsTheEqualToken() {
        let find = layer(12, .pointer(readMoves: [.stay, .find], findWidth: 16, findConvolution: 1))
        let policy = find.layer.router.policy as! PointerRouting, projection = policy.find!.projection.weight
        // Queries and keys are equal, every token writes to the next state, and every read is a find.
        let k = projection.value.slice(axis: 0, 0..<16)
        projection.value = .concatenate([k, k], axis: 0)
        policy.find!.convolution.weight.value = .ones([1, 32], dtype: .float64)
        for p in find.store.all where p.path.hasPrefix("router.") && p.path.hasSuffix("Moves.weight") {
            p.value = .zeros(p.value.shape, dtype: .float64)
        }
        policy.writeMoves.bias!.value = Tensor([0.0, 9])
        policy.readMoves.bias!.value = Tensor([0.0, 9])
        let items = random([1, 6, 8], "items"), order = [4, 0, 5, 2, 2, 1]
        let queries = Tensor.concatenate(order.map { items.slice(axis: 1, $0..<$0 + 1) }, axis: 1)
        let (_, r) = route(find, .concatenate([items, queries], axis: 1), ForwardContext(.evaluate))
        for (i, n) in order.prefix(4).enumerated() { #expect(r[(6 + i) * 12 + n] == 1) }
    }

    // MARK: Segments, rules and readouts

    /// Any split gives bit-identical weights and carried values, and default settings carry what they always did.
    @Test(arguments: options, [false, true]) func segments(_ settings: PointerRouting.Configuration, _ isTraining: Bool) {
        let m = layer(5, settings), x = random([2, 19, 8], "x")
        let context = ForwardContext(isTraining ? .train : .evaluate), activity = m.layer.manager.activity(batch: 2, context)
        let policy = m.layer.router.policy as! PointerRouting, start = policy.initialState(batch: 2, .float64)
        if settings.heads == 1 && !settings.readMoves.contains(.find) { #expect(start.shape == [2, 2, 6]) }
        func run(_ lengths: [Int]) -> [[Double]] {
            var carried = context.constant(start), weights: [Variable] = [], reads: [Variable] = []
            for part in context.constant(x).split(axis: 1, lengths) {
                let routing = policy.route(part, activity, position: 0, carried: carried, context)
                #expect(routing.carried!.shape == start.shape)
                weights.append(routing.weights)
                reads.append(routing.reads!)
                carried = routing.carried!
            }
            return [Variable.concatenate(weights, axis: 1), .concatenate(reads, axis: 1), carried].map { $0.value.doubles() }
        }
        let whole = run([19])
        for lengths in [Array(repeating: 1, count: 19), [2, 16, 1], [18, 1]] { #expect(largest(run(lengths), whole) < 1e-13) }
    }
    private func largest(_ a: [[Double]], _ b: [[Double]]) -> Double {
        zip(a.joined(), b.joined()).reduce(0.0) { max($0, abs($1.0 - $1.1)) }
    }
    /// Heads write and read with every rule and readout; a scan, token by token and any split agree.
    @Test(arguments: Strategies.standard.updates.names, Strategies.standard.readouts.names)
    func everyRuleAndReadout(_ rule: String, _ readout: String) throws {
        let update = try Strategies.standard.updates.value(rule), read = try Strategies.standard.readouts.value(readout)
        let settings = PointerRouting.Configuration.pointer(
            writeMoves: [.stay, .forward, .home], readMoves: PointerRouting.Move.allCases, heads: 2, findWidth: 4)
        for active in [nil, [true, false, true, true, false]] {
            let m = layer(5, settings, update: update, read: read)
            if let active { m.layer.manager.active = active }
            let context = ForwardContext(.evaluate), x = context.constant(random([2, 21, 8], "x")),
                whole = m.whole(x, context).value
            for lengths in [Array(repeating: 1, count: 21), [3, 18]] {
                #expect(difference(m.split(x, lengths, context).y.value, whole) < 1e-10)
            }
        }
    }
    /// The default readout of a configuration is the one that reads where the policy says.
    @Test func readsWhereThePolicySays() throws {
        let reader = ConfigurationReader(.map(["states": 4, "router": ["type": "pointer"]]))
        let plan = NSTMLayer.Configuration(reader, width: 8, heads: 2, strategies: .standard)
        reader.finish()
        try reader.throwIfInvalid()
        #expect(plan.layer(ParameterBuilder(seed: 1), residual: .fanIn).attention.readout is RoutedReadout)
        #expect(reader.resolved[path: "read.type"] == "routed")
    }
    /// More states change nothing for a sequence that fits into the trained ones, and longer sequences fit into the additional
    /// states.
    @Test(
        arguments: [.pointer, .pointer(readMoves: [.stay, .forward, .home, .follow], heads: 2)] as [PointerRouting.Configuration])
    func moreStates(_ settings: PointerRouting.Configuration) throws {
        let small = layer(5, settings), large = layer(12, settings, seed: 2)
        let resizing = try StateResizing([small.layer], to: 12)
        try resizing.move(small.store, [small.layer], to: large.store, [large.layer])
        let context = ForwardContext(.evaluate), x = random([3, 5, 8], "x")
        #expect(
            difference(small.whole(context.constant(x), context).value, large.whole(context.constant(x), context).value)
                < 1e-12)
        #expect(large.layer.manager.identities == Array(0..<12) && large.layer.manager.nextIdentity.value.item() == 12)
    }
    /// Heads step over inactive states: they write and read as if these were not there (the kit has the layer; this is the
    /// policy).
    @Test(arguments: options) func inactiveStatesAreSteppedOver(_ settings: PointerRouting.Configuration) throws {
        let m = layer(5, settings), other = layer(3, settings), x = random([1, 30, 8], "x")
        for p in other.store.all where p.path.hasPrefix("router.") { p.value = m.store[p.path]!.value }
        m.layer.manager.active = [true, false, true, false, true]
        let (w, r) = route(m, x, ForwardContext(.train)), (v, q) = route(other, x, ForwardContext(.train))
        for t in 0..<30 {
            for (i, n) in [0, 2, 4].enumerated() {
                #expect(abs(w[t * 5 + n] - v[t * 3 + i]) < 1e-13 && abs(r[t * 5 + n] - q[t * 3 + i]) < 1e-13)
            }
            #expect([1, 3].allSatisfy { w[t * 5 + $0] == 0 && r[t * 5 + $0] == 0 })
        }
    }

    // MARK: Annealing

    /// τ is 1 before the start, falls exponentially, and the mixtures of the end are nearly the hard moves.
    @Test func annealing() {
        let settings = PointerRouting.Configuration.pointer(
            moves: .soft, readMoves: [.stay, .forward, .cycle, .home],
            annealing: PointerRouting.Annealing(start: 0.25, end: 0.75, temperature: 0.01))
        let m = layer(6, settings), x = random([2, 12, 8], "x")
        func run(_ context: ForwardContext) -> [Double] { let r = route(m, x, context); return r.weights + r.reads }
        func training(_ progress: Double?) -> [Double] { run(ForwardContext(.train, progress: progress)) }
        let soft = training(nil)
        #expect(training(0) == soft && training(0.25) == soft && training(0.26) != soft)
        #expect(training(0.75) == training(1) && run(ForwardContext(.evaluate)) == training(1) && training(0.74) != training(1))
        // Halfway τ is 0.1: the same as logits that are 10 times as large.
        let scaled = layer(6, settings)
        for p in scaled.store.all where p.path.contains("Moves") || p.path.contains("writeGate") { p.value = p.value.affine(10) }
        let a = route(scaled, x, ForwardContext(.train)), b = training(0.5)
        #expect(zip(a.weights + a.reads, b).allSatisfy { abs($0 - $1) < 1e-12 })
        // An immediate end.
        let step = layer(6, .pointer(moves: .soft, annealing: PointerRouting.Annealing(start: 0.5, end: 0.5, temperature: 0.1)))
        let before = route(step, x, ForwardContext(.train, progress: 0.4)),
            after = route(step, x, ForwardContext(.train, progress: 0.6))
        #expect(before == route(step, x, ForwardContext(.train)) && after == route(step, x, ForwardContext(.evaluate)))
    }
    /// A part that is recomputed in the backward pass has the same progress.
    @Test func recomputationKeepsTheProgress() throws {
        let m = layer(6, .pointer(annealing: PointerRouting.Annealing(start: 0, temperature: 0.1)))
        func gradients(_ recomputes: Bool, _ progress: Double) -> [[Double]] {
            let context = ForwardContext(.train, progress: progress), x = context.input(random([2, 9, 8], "x"))
            let y = recomputes ? context.checkpointed(x) { m.whole($1, $0) } : m.whole(x, context)
            let g = weighted(y, "y").backward()
            return m.store.all.filter(\.isTrainable).map { g[$0]?.doubles() ?? [] }
        }
        #expect(gradients(true, 0.5) == gradients(false, 0.5) && gradients(true, 0.5) != gradients(false, 0))
    }

    // MARK: Configuration

    /// All issues are reported at once, by the name of the key.
    @Test func refusesBadSettings() throws {
        let router: ConfigurationValue.Map = [
            "type": "pointer", "write-moves": ["stay", "cycle", "stay", "jump"], "read-moves": ["home", "stay", "back"],
            "heads": 0,
            "find-width": 8, "find-convolution": 2, "anneal": ["start": 0.5, "end": 0.2, "temperature": 0],
        ]
        func issues(_ router: ConfigurationValue.Map) -> [String] {
            let reader = ConfigurationReader(.map(["states": 4, "router": .map(router)]))
            _ = NSTMLayer.Configuration(reader, width: 8, heads: 2, strategies: .standard)
            reader.finish()
            do throws(ConfigurationError) {
                try reader.throwIfInvalid()
                return []
            } catch {
                return error.issues.map { "\($0.path): \($0.message)" }
            }
        }
        let all = issues(router)
        for (key, part) in [
            ("write-moves", "'cycle'"), ("write-moves", "'jump'"), ("write-moves", "'stay' is repeated"),
            ("write-moves", "leave rest without forward"), ("read-moves", "leave rest"), ("heads", "0"), ("find-width", "find"),
            ("find-convolution", "find"), ("anneal.end", "before start"), ("anneal.temperature", "0"),
        ] { #expect(all.contains { $0.contains("router.\(key)") && $0.contains(part) }, "\(key), \(part) of \(all)") }
        #expect(issues(["type": "pointer", "read-moves": [], "write-moves": []]).count == 2)
        #expect(issues(["type": "pointer", "anneal": ["end": 0.5, "temperature": 0.2]]).count == 2)
        #expect(issues(["type": "pointer", "anneal": ["start": 0.5], "read-moves": ["find", "cycle"], "find-width": 8]).isEmpty)
        let reader = ConfigurationReader(.map(["states": 0, "router": ["type": "pointer"]]))
        _ = NSTMLayer.Configuration(reader, width: 8, heads: 2, strategies: .standard)
        #expect(throws: ConfigurationError.self) { try reader.throwIfInvalid() }
    }
    /// Moves are read in the order given, which is that of the logits.
    @Test func readsMoves() throws {
        let reader = ConfigurationReader(
            .map([
                "states": 4,
                "router": [
                    "type": "pointer", "read-moves": ["cycle", "find", "home"], "write-moves": ["home", "forward"], "heads": 2,
                    "find-width": 5, "anneal": ["start": 0.5],
                ],
            ]))
        let plan = NSTMLayer.Configuration(reader, width: 8, heads: 2, strategies: .standard)
        reader.finish()
        try reader.throwIfInvalid()
        let policy = plan.layer(ParameterBuilder(seed: 1), residual: .fanIn).router.policy as! PointerRouting
        #expect(policy.settings.readMoves == [.cycle, .find, .home] && policy.settings.writeMoves == [.home, .forward])
        #expect(policy.settings.annealing == PointerRouting.Annealing(start: 0.5, end: 1, temperature: 0.1))
        #expect(policy.readMoves.bias!.value.doubles() == [1, 0, 0, 1, 0, 0] && policy.find?.width == 5)
    }
}
