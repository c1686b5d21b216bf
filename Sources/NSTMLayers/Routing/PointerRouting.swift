import Foundation
import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Write heads and read heads that move over the states, so that a model can store a sequence item by item and read it back in
/// any order it learns, at any length.
///
/// Each head is a distribution over N + 1 positions: rest, in front of the first state, and the states. A token x chooses the
/// moves a and e, the heads move, then the token writes and reads. With the default moves:
///
///     a = softmax(x·A + b)    stay, forward
///     e = softmax(x·E + f)    stay, forward, back, home (to rest), follow (to the write head)
///     w ← a₀ w + a₁ S w;      r ← e₀ r + e₁ S r + e₂ S' r + e₃ rest + e₄ w
///     weights = σ(x·g + c) w, reads = r, over the states
///
/// S and S' move one position forward and back. Both heads start at rest, so that the first token that moves forward writes to
/// the first state. After a move beyond the last state the write head does not write: N states hold N items.
///
/// Further moves of the read head:
/// - `cycle`: S r, but to the first state where the next position is beyond the write head, bₙ = Σ_{m<n} wₘ, or beyond the last
///   state: C r = S r ⊙ (1 − b) + (Σ S r ⊙ b + r_N) first. The weights of r keep their sum.
/// - `find`: to the states whose keys match the token, softmaxₙ(β q·Kₙ), before the token writes. q and k are projections of x
///   followed by a causal convolution, both of length 1. The policy keeps the keys itself, K ← K + u (k − K) with the write weights
///   u, so that the move works with every update rule: q·Kₙ is the mean cosine of q and the keys that state n holds.
///
/// With several heads there are H pairs of a write head and a read head, each with its own moves, and a token chooses one of each:
/// weights = σ(x·g + c) Σₕ sₕ wₕ and reads = Σₕ ρₕ rₕ with s = softmax(x·W) and ρ = softmax(x·R). The sum of the weights over the
/// states is at most 1 for any H.
///
/// Built in by default are that the write head only appends, and the initial bias towards moving forward. Which tokens write, and
/// how the read head moves, is learned.
///
/// In training heads are mixtures by the probabilities of all moves. In evaluation only the most likely move is made (`moves`), to
/// the best match, with the most likely head, so that a head has exactly one position for any length of the sequence. Annealing
/// closes the gap between the two during training (`Annealing`). No parameter depends on N. Inactive states are stepped over.
///
/// Related: the addressing by content and location of Graves, Wayne & Danihelka 2014 ("Neural Turing machines", equations 5 to 9),
/// whose interpolation, shift and sharpening are one choice among moves here; stack-augmented networks (Joulin & Mikolov 2015).
public final class PointerRouting: CarryingRoutingPolicy {
    /// The moves of the heads in evaluation.
    public enum Moves: String, Sendable, CaseIterable {
        /// Only the most likely move.
        case hard
        /// A mixture by the probabilities of all moves, as at the end of training.
        case soft
    }
    /// A move of a head.
    public typealias Move = Tensor.PointerMove

    /// A temperature τ of all choices, softmax(z/τ), and of the write gate, σ(z/τ), that falls during training, so that mixtures
    /// approach the hard choices of evaluation (annealing as for the Gumbel-softmax: Jang, Gu & Poole 2017; Maddison, Mnih & Teh
    /// 2017).
    ///
    /// τ is 1 until the progress of the training is `start` and falls exponentially to `temperature` at `end`. It is 1 in training
    /// whose progress is unknown, and `temperature` outside training.
    public struct Annealing: Sendable, Equatable {
        /// Progress of the training, 0 … 1, from which on τ falls.
        public var start: Double
        /// Progress of the training, `start` … 1, from which on τ is `temperature`.
        public var end: Double
        /// The final τ, above 0.
        public var temperature: Double
        public init(start: Double, end: Double = 1, temperature: Double = 0.1) {
            self.start = start
            self.end = end
            self.temperature = temperature
        }
        func temperature(_ context: ForwardContext) -> Double {
            let progress = context.progress ?? (context.isTraining ? 0 : 1)
            if progress <= start && progress < 1 { return 1 }
            return pow(temperature, progress >= end ? 1 : (progress - start) / (end - start))
        }
    }

    /// Projections, convolution and β of the move `find`.
    public final class Find {
        /// Keys, then the queries of the heads: [(1 + H)·d, D].
        public let projection: Linear
        public let convolution: CausalConvolution
        /// log β of each head, [H].
        public let logInverseTemperature: Parameter
        /// Number of channels d of a key.
        public let width: Int

        fileprivate init(_ parameters: ParameterBuilder, width: Int, heads: Int, keyWidth: Int, taps: Int) {
            let channels = (1 + heads) * keyWidth
            projection = Linear(parameters.child("projection"), in: width, out: channels, bias: false)
            convolution = CausalConvolution(parameters.child("convolution"), channels: channels, width: taps)
            logInverseTemperature = parameters("logInverseTemperature", [heads], .constant(2))
            self.width = keyWidth
        }
    }

    /// A and b: logits of the moves of each write head.
    public let writeMoves: Linear
    /// E and f: logits of the moves of each read head.
    public let readMoves: Linear
    /// g and c.
    public let writeGate: Linear
    /// W and R: logits of the write heads and of the read heads; nil for one head.
    public let writeHeads: Linear?, readHeads: Linear?
    /// The parts of the move `find`; nil without it.
    public let find: Find?
    /// The settings.
    public let settings: Configuration
    private let states: Int

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, _ settings: Configuration = Configuration()) {
        let heads = settings.heads
        func logits(_ name: String, _ biases: [Double]) -> Linear {
            Linear(
                parameters.child(name), in: width, out: biases.count, initializer: .normal(standardDeviation: 0.02),
                biasInitializer: .values(Tensor(biases)))
        }
        func moves(_ moves: [Move]) -> [Double] {
            (0..<heads).flatMap { _ in moves.map { $0 == .forward || $0 == .cycle ? settings.forwardBias : 0 } }
        }
        writeMoves = logits("writeMoves", moves(settings.writeMoves))
        readMoves = logits("readMoves", moves(settings.readMoves))
        writeGate = logits("writeGate", [settings.gateBias])
        let none = Array(repeating: 0.0, count: heads)
        writeHeads = heads > 1 ? logits("writeHeads", none) : nil
        readHeads = heads > 1 ? logits("readHeads", none) : nil
        find =
            settings.readMoves.contains(.find)
            ? Find(
                parameters.child("find"), width: width, heads: heads, keyWidth: settings.findWidth, taps: settings.findConvolution
            )
            : nil
        self.settings = settings
        self.states = states
    }

    private var heads: Int { settings.heads }
    /// Number of elements of a sequence that a head, the keys, and the inputs of the convolution carry.
    private var carriedKeys: Int { find.map { $0.width * states } ?? 0 }
    private var carriedInputs: Int { find.map { ($0.convolution.width - 1) * $0.projection.weight.value.shape[0] } ?? 0 }

    /// All heads at rest, [B, 2 H, N + 1], the write heads first; with the move `find` flattened to [B, …], followed by the keys
    /// [d, N] and the last inputs of the convolution, which are zeros.
    public func initialState(batch: Int, _ dtype: DType) -> Tensor {
        let rest = Tensor.oneHot(Tensor([Int32(0)]), classes: states + 1, dtype: dtype)
        let all = rest.unsqueezed(axis: 0).broadcast(to: [batch, 2 * heads, states + 1]).contiguous()
        guard find != nil else { return all }
        let others = Tensor.zeros([batch, carriedKeys + carriedInputs], dtype: dtype)
        return .concatenate([all.reshaped([batch, 2 * heads * (states + 1)]), others], axis: 1)
    }

    public func route(
        _ tokens: Variable, _ activity: StateActivity, position: Int, carried: Variable, _ context: ForwardContext
    ) -> Routing {
        Pass(self, tokens, activity, context).route(carried)
    }

    /// A pass of a segment of tokens.
    private struct Pass {
        let policy: PointerRouting
        let tokens: Variable
        let activity: StateActivity
        let context: ForwardContext
        let B: Int, T: Int, H: Int, N: Int
        /// τ.
        let temperature: Double
        /// Whether only the most likely choices are made.
        let isHard: Bool

        init(_ policy: PointerRouting, _ tokens: Variable, _ activity: StateActivity, _ context: ForwardContext) {
            self.policy = policy
            self.tokens = tokens
            self.activity = activity
            self.context = context
            (B, T, H, N) = (tokens.shape[0], tokens.shape[1], policy.heads, policy.states)
            temperature = policy.settings.annealing?.temperature(context) ?? 1
            isHard = policy.settings.moves == .hard && !context.isTraining
        }

        func route(_ carried: Variable) -> Routing {
            let settings = policy.settings, P = N + 1, order = positions()
            var rest = carried
            if policy.find != nil { rest = carried.slice(axis: 1, 0..<2 * H * P).reshaped([B, 2 * H, P]) }
            func start(_ first: Int) -> Variable { rest.slice(axis: 1, first..<first + H).reshaped([B * H, P]) }
            let writes = moves(policy.writeMoves, settings.writeMoves)
                .pointerScan(settings.writeMoves, start: start(0), order: order)
            let weights = scaled(policy.writeGate(tokens, context)).sigmoid() * combined(writes, policy.writeHeads)
            let found = policy.find.map { match($0, weights, carried.slice(axis: 1, 2 * H * P..<carried.shape[1])) }
            let hasTarget = settings.readMoves.contains { $0 == .follow || $0 == .cycle }
            let reads = moves(policy.readMoves, settings.readMoves)
                .pointerScan(
                    settings.readMoves, start: start(H), target: hasTarget ? writes : nil, match: found?.match, order: order)
            context.observe("write-heads") { writes.value.reshaped([B, H, T, P]) }
            context.observe("read-heads") { reads.value.reshaped([B, H, T, P]) }
            func last(_ heads: Variable) -> Variable { heads.slice(axis: 1, T - 1..<T).reshaped([B, H, P]) }
            var end = rest
            if T > 0 { end = .concatenate([last(writes), last(reads)], axis: 1) }
            if let found { end = .concatenate([end.reshaped([B, 2 * H * P])] + found.carried, axis: 1) }
            return Routing(weights: weights, reads: combined(reads, policy.readHeads), carried: end)
        }

        /// Probabilities of choices, a softmax over the last axis; one-hot if only the most likely one is made.
        private func chosen(_ logits: Variable) -> Variable {
            if isHard {
                let classes = logits.shape[-1]
                return context.constant(.oneHot(logits.value.argmax(axis: -1), classes: classes, dtype: logits.dtype))
            }
            return scaled(logits).softmax()
        }
        private func scaled(_ logits: Variable) -> Variable { temperature == 1 ? logits : logits / temperature }
        /// Shares of the moves of every head, [B·H, T, M].
        private func moves(_ logits: Linear, _ moves: [Move]) -> Variable {
            let z = logits(tokens, context), M = moves.count
            return chosen(H == 1 ? z : z.reshaped([B, T, H, M]).permuted([0, 2, 1, 3]).reshaped([B * H, T, M]))
        }
        /// The head that a token chooses, over the states: [B, T, N] of heads [B·H, T, N + 1].
        private func combined(_ heads: Variable, _ choice: Linear?) -> Variable {
            let states = heads.slice(axis: 2, 1..<N + 1)
            guard let choice else { return states }
            let share = chosen(choice(tokens, context)).permuted([0, 2, 1]).unsqueezed(axis: 3)
            return (states.reshaped([B, H, T, N]) * share).sum(axes: [1])
        }
        /// The match of the states with the query of each head, [B·H, T, N], and what the next segment needs.
        /// - Parameter carried: keys, and inputs of the convolution.
        private func match(
            _ find: Find, _ weights: Variable, _ carried: Variable
        ) -> (match: Variable, carried: [Variable]) {
            let d = find.width, taps = find.convolution.width, keyCount = policy.carriedKeys
            var inputs = context.scope("find") { find.projection(tokens, context) }
            let channels = inputs.shape[2]
            if taps > 1 {
                let earlier = carried.slice(axis: 1, keyCount..<carried.shape[1]).reshaped([B, taps - 1, channels])
                inputs = .concatenate([earlier, inputs], axis: 1)
            }
            let features = context.scope("find") { find.convolution(inputs, context, history: taps - 1) }
            let queries = features.slice(axis: 2, d..<channels).reshaped([B, T, H, d]).l2Normalized()
            let scan = queries.keyMemoryScan(
                keys: features.slice(axis: 2, 0..<d).l2Normalized(), write: weights,
                start: carried.slice(axis: 1, 0..<keyCount).reshaped([B, d, N]))
            let scale = context[find.logInverseTemperature].exp().reshaped([H, 1, 1])
            var next = [scan.end.reshaped([B, keyCount])]
            if taps > 1 {
                next.append(inputs.slice(axis: 1, T..<T + taps - 1).reshaped([B, (taps - 1) * channels]))
            }
            return (chosen(activity.hidingInactive(scan.scores * scale)).reshaped([B * H, T, N]), next)
        }
        /// Rest and the active states as positions, of every head; nil: all.
        private func positions() -> [[Int32]]? {
            guard let mask = activity.mask else { return nil }
            let sequences: [Int?] = mask.rank == 2 ? (0..<mask.shape[0]).flatMap { b in (0..<H).map { _ in b } } : [nil]
            return sequences.map { b in [0] + activity.active(of: N, sequence: b).map { Int32($0 + 1) } }
        }
    }
}

// MARK: Configuration

extension PointerRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "pointer"
        public static let summary = "write heads and read heads that move over the states"
        /// Moves that a write head can have.
        public static let allWriteMoves: [Move] = [.stay, .forward, .back, .home]
        /// Moves that a read head can have: all.
        public static let allReadMoves = Move.allCases

        /// Initial logits of moving forward and of `cycle`.
        public var forwardBias = 1.0
        /// Initial logit of writing.
        public var gateBias = 3.0
        /// The moves of the heads in evaluation.
        public var moves = Moves.hard
        /// The different moves of a write head, in the order of their logits.
        public var writeMoves: [Move] = [.stay, .forward]
        /// The different moves of a read head, in the order of their logits.
        public var readMoves: [Move] = [.stay, .forward, .back, .home, .follow]
        /// Number H of pairs of a write head and a read head.
        public var heads = 1
        /// Number of channels of a key, for the move `find`.
        public var findWidth = 32
        /// Number of taps of the convolution of keys and queries, for the move `find`; 1 for none.
        public var findConvolution = 4
        /// The temperature of choices in training; nil: 1.
        public var annealing: Annealing?
        public init() {}

        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            forwardBias = reader.double("forward-bias", default: forwardBias, in: -20...20)
            gateBias = reader.double("gate-bias", default: gateBias, in: -20...20)
            moves = reader.choice("moves", default: moves)
            writeMoves = Self.moves(reader, "write-moves", writeMoves, Self.allWriteMoves, [.forward])
            readMoves = Self.moves(reader, "read-moves", readMoves, Self.allReadMoves, [.forward, .follow, .cycle, .find])
            heads = reader.int("heads", default: heads, in: 1...64)
            if readMoves.contains(.find) {
                findWidth = reader.int("find-width", default: findWidth, in: 1...4096)
                findConvolution = reader.int("find-convolution", default: findConvolution, in: 1...64)
            } else {
                refuse(["find-width", "find-convolution"], reader, "read-moves has no 'find'")
            }
            let anneal = reader.child("anneal")
            if let start = anneal.optionalDouble("start", default: annealing?.start, in: 0...1) {
                let end = anneal.double("end", default: annealing?.end ?? 1, in: 0...1)
                let temperature = anneal.double("temperature", default: annealing?.temperature ?? 0.1, in: 1e-3...1)
                if end < start { anneal.addIssue("end", "\(end) is before start, \(start)") }
                annealing = Annealing(start: start, end: end, temperature: temperature)
            } else {
                refuse(["end", "temperature"], anneal, "anneal has no 'start'")
            }
            anneal.finish()
        }
        /// Adds an issue for each of the keys that is present.
        private func refuse(_ keys: [String], _ reader: ConfigurationReader, _ reason: String) {
            for key in keys where reader.contains(key) {
                _ = reader.value(key)
                reader.addIssue(key, reason)
            }
        }
        /// The moves of a head, with an issue for each unknown and repeated one, and for a head that can never leave rest.
        private static func moves(
            _ reader: ConfigurationReader, _ key: String, _ default: [Move], _ all: [Move], _ starting: [Move]
        ) -> [Move] {
            func list(_ moves: [Move]) -> String { moves.map(\.rawValue).joined(separator: ", ") }
            let names = reader.strings(key, default: `default`.map(\.rawValue))
            var moves: [Move] = []
            for name in names {
                guard let move = all.first(where: { $0.rawValue == name }) else {
                    reader.addIssue(key, "'\(name)' is not a move of this head; its moves: \(list(all))")
                    continue
                }
                if moves.contains(move) { reader.addIssue(key, "'\(name)' is repeated") } else { moves.append(move) }
            }
            if moves.isEmpty {
                reader.addIssue(key, "no moves")
            } else if !moves.contains(where: starting.contains) {
                reader.addIssue(
                    key, "the head can never leave rest without \(starting.count > 1 ? "one of " : "")\(list(starting))")
            } else {
                return moves
            }
            return `default`
        }
        public var defaultReadout: (any ReadoutConfiguration)? { .routed }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            PointerRouting(parameters, width: layer.width, states: layer.states, self)
        }
    }
}

extension RoutingConfiguration where Self == PointerRouting.Configuration {
    public static var pointer: Self { Self() }
    public static func pointer(
        forwardBias: Double = Self().forwardBias, gateBias: Double = Self().gateBias, moves: PointerRouting.Moves = Self().moves,
        writeMoves: [PointerRouting.Move] = Self().writeMoves, readMoves: [PointerRouting.Move] = Self().readMoves,
        heads: Int = Self().heads, findWidth: Int = Self().findWidth, findConvolution: Int = Self().findConvolution,
        annealing: PointerRouting.Annealing? = nil
    ) -> Self {
        var settings = Self()
        settings.forwardBias = forwardBias
        settings.gateBias = gateBias
        settings.moves = moves
        settings.writeMoves = writeMoves
        settings.readMoves = readMoves
        settings.heads = heads
        settings.findWidth = findWidth
        settings.findConvolution = findConvolution
        settings.annealing = annealing
        return settings
    }
}

// MARK: Cost

extension PointerRouting: RoutingCost {
    /// Multiply-adds of the logits of moves, heads and the gate, of the heads at rest and each active state, and of the keys and
    /// queries of the move `find` with their scores and writes of all states.
    public func multiplyAdds(_ pass: StatePass) -> Int {
        let moves = settings.writeMoves.count + settings.readMoves.count
        var row = pass.width * (heads * moves + 1 + (heads > 1 ? 2 * heads : 0))
        let products = PointerScan.multiplyAdds(settings.writeMoves) + PointerScan.multiplyAdds(settings.readMoves)
        row += heads * products * (pass.active + 1)
        if let find {
            row += (1 + heads) * find.width * (pass.width + find.convolution.width)
            row += KeyMemoryScan.multiplyAdds(heads: heads) * find.width * pass.states
        }
        return pass.rows * row
    }
    public func reached(of active: Int) -> Int { settings.moves == .hard ? min(1, active) : active }
}
