import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// A write head and a read head that move over the states, so that a model can store a sequence item by item and read it back in
/// any order it learns, at any length.
///
/// Each head is a distribution over N + 1 positions: rest, in front of the first state, and the states. A token x chooses the
/// moves a and e, the heads move, then the token writes and reads:
///
///     a = softmax(x·A + b)    stay, forward
///     e = softmax(x·E + f)    stay, forward, back, home (to rest), follow (to the write head)
///     w ← a₀ w + a₁ S w;      r ← e₀ r + e₁ S r + e₂ S' r + e₃ rest + e₄ w
///     weights = σ(x·g + c) w, reads = r, over the states
///
/// S and S' move one position forward and back. Both heads start at rest, so that the first token that moves forward writes to
/// the first state. After a move beyond the last state the write head does not write: N states hold N items.
///
/// Built in are that the write head only appends, and the initial bias towards moving forward. Which tokens write, and how the
/// read head moves, is learned.
///
/// In training heads are mixtures by the probabilities of all moves. In evaluation only the most likely move is made (`moves`),
/// so that a head has exactly one position for any length of the sequence. No parameter depends on N. Inactive states are stepped
/// over.
///
/// Related: the location-based addressing of Graves, Wayne & Danihelka 2014 ("Neural Turing machines", equations 7 to 9), whose
/// interpolation, shift and sharpening are one choice among moves here; stack-augmented networks (Joulin & Mikolov 2015).
public final class PointerRouting: CarryingRoutingPolicy {
    /// The moves of the heads in evaluation.
    public enum Moves: String, Sendable, CaseIterable {
        /// Only the most likely move.
        case hard
        /// A mixture by the probabilities of all moves, as in training.
        case soft
    }
    /// A and b: logits of stay, forward.
    public let writeMoves: Linear
    /// E and f: logits of stay, forward, back, home, follow.
    public let readMoves: Linear
    /// g and c.
    public let writeGate: Linear
    /// The moves of the heads in evaluation.
    public let moves: Moves
    private let states: Int

    /// - Parameters:
    ///   - forwardBias: initial logit of moving forward, of both heads; all other biases are initially 0.
    ///   - gateBias: initial value of c.
    public init(
        _ parameters: ParameterBuilder, width: Int, states: Int, forwardBias: Double = Configuration().forwardBias,
        gateBias: Double = Configuration().gateBias, moves: Moves = Configuration().moves
    ) {
        func logits(_ name: String, _ biases: [Double]) -> Linear {
            Linear(
                parameters.child(name), in: width, out: biases.count, initializer: .normal(standardDeviation: 0.02),
                biasInitializer: .values(Tensor(biases)))
        }
        writeMoves = logits("writeMoves", [0, forwardBias])
        readMoves = logits("readMoves", [0, forwardBias, 0, 0, 0])
        writeGate = logits("writeGate", [gateBias])
        self.moves = moves
        self.states = states
    }

    /// Both heads at rest: [B, 2, N + 1].
    public func initialState(batch: Int, _ dtype: DType) -> Tensor {
        let rest = Tensor.oneHot(Tensor([Int32(0)]), classes: states + 1, dtype: dtype)
        return rest.unsqueezed(axis: 0).broadcast(to: [batch, 2, states + 1]).contiguous()
    }
    public func route(
        _ tokens: Variable, _ activity: StateActivity, position: Int, carried: Variable, _ context: ForwardContext
    ) -> Routing {
        let count = tokens.shape[1]
        let heads = chosen(writeMoves(tokens, context), context).pointerScan(
            readMoves: chosen(readMoves(tokens, context), context), heads: carried, order: positions(activity))
        func states(_ head: Variable) -> Variable { head.slice(axis: 2, 1..<self.states + 1) }
        func last(_ head: Variable) -> Variable { head.slice(axis: 1, count - 1..<count) }
        return Routing(
            weights: writeGate(tokens, context).sigmoid() * states(heads.writes), reads: states(heads.reads),
            carried: count == 0 ? carried : .concatenate([last(heads.writes), last(heads.reads)], axis: 1))
    }
    /// Probabilities of the moves [B, T, M]; one-hot if evaluation makes the most likely move.
    private func chosen(_ logits: Variable, _ context: ForwardContext) -> Variable {
        guard moves == .hard, !context.isTraining else { return logits.softmax() }
        return context.constant(
            .oneHot(logits.value.argmax(axis: -1), classes: logits.shape[2], dtype: logits.dtype))
    }
    /// Rest and the active states as positions; nil: all.
    private func positions(_ activity: StateActivity) -> [[Int32]]? {
        guard let mask = activity.mask else { return nil }
        let sequences: [Int?] = mask.rank == 2 ? (0..<mask.shape[0]).map { $0 } : [nil]
        return sequences.map { b in [0] + activity.active(of: states, sequence: b).map { Int32($0 + 1) } }
    }
}

// MARK: Configuration

extension PointerRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "pointer"
        public static let summary = "a write head and a read head that move over the states"
        /// Initial logits of moving forward.
        public var forwardBias = 1.0
        /// Initial logit of writing.
        public var gateBias = 3.0
        /// The moves of the heads in evaluation.
        public var moves = Moves.hard
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            forwardBias = reader.double("forward-bias", default: forwardBias, in: -20...20)
            gateBias = reader.double("gate-bias", default: gateBias, in: -20...20)
            moves = reader.choice("moves", default: moves)
        }
        public var defaultReadout: (any ReadoutConfiguration)? { .routed }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            PointerRouting(
                parameters, width: layer.width, states: layer.states, forwardBias: forwardBias, gateBias: gateBias, moves: moves)
        }
    }
}

extension RoutingConfiguration where Self == PointerRouting.Configuration {
    public static var pointer: Self { Self() }
    public static func pointer(
        forwardBias: Double = Self().forwardBias, gateBias: Double = Self().gateBias, moves: PointerRouting.Moves = Self().moves
    ) -> Self {
        var settings = Self()
        settings.forwardBias = forwardBias
        settings.gateBias = gateBias
        settings.moves = moves
        return settings
    }
}

// MARK: Cost

extension PointerRouting: RoutingCost {
    /// Multiply-adds of the moves and the gate of a token, and six products for rest and each active state.
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * (8 * pass.width + 6 * (pass.active + 1)) }
    public func reached(of active: Int) -> Int { moves == .hard ? min(1, active) : active }
}
