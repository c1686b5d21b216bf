import NSTM

/// Decay by channel for states whose keys are fixed addresses.
///
///     Vₘ ← aₘ ⊙ Vₘ + (1 − aₘ) ⊙ v,   aₘ = exp(wₘ log a)
///
/// A value is a convex combination of the values written and its initial value, so it is bounded. The scan is one `diagonalScan` over
/// the channels of all states, and works with every `WeightedReadout`. It holds the values of all tokens, [B, T, N, D]; a kernel of
/// its own would not (see `EraseAddUpdate` in `Plugins/AssociativePack`).
public struct DecayUpdate: UpdateFamily {
    /// w [B, T, N]; 0 leaves a state unchanged.
    public let write: Variable
    /// log a [B, T, D], at most 0.
    public let logDecay: Variable

    public init(write: Variable, logDecay: Variable) {
        (self.write, self.logDecay) = (write, logDecay)
    }
    /// aₘ of every token and state, [B, T, N, D]: exactly 1 where w is 0.
    private var decay: Variable { (write.unsqueezed(axis: 3) * logDecay.unsqueezed(axis: 2)).exp() }

    public func step(_ states: StateBank, _ token: RoutedToken) -> StateBank {
        let a = decay.squeezed(axis: 1)
        var next = states
        next.values = a * states.values + (1 - a) * token.value.unsqueezed(axis: 1)
        return next
    }
    public static func canFuse(with readout: any StateReadout, states: Int) -> Bool { readout is any WeightedReadout }
    public func scan(
        _ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext
    ) -> (reads: Variable, states: StateBank) {
        let readout = readout as! any WeightedReadout
        return states.scanningActive { states in
            let (B, T, N, D, H) = (states.batch, tokens.count, states.count, tokens.width, states.heads)
            let (queries, _, values) = tokens.split(heads: H)
            let a = decay
            let scan = ((1 - a) * values.unsqueezed(axis: 2)).reshaped([B, T, N * D]).diagonalScan(
                decay: a.reshaped([B, T, N * D]), state: states.values.reshaped([B, N * D]))
            // Σₘ rₘ Vₘ by heads: [B, H, T, 1, N] times [B, H, T, N, d].
            let reads = readout.weights(queries, routing: tokens.readWeights, states).broadcast(to: [B, H, T, N])
            let held = scan.output.reshaped([B, T, N, H, D / H]).permuted([0, 3, 1, 2, 4])
            var next = states
            next.values = scan.state.reshaped([B, N, D])
            return (reads.unsqueezed(axis: 3).matmul(held).squeezed(axis: 3).joinHeads(), next)
        }
    }
}

/// The recurrence gate of Griffin (De et al., 2024, "Griffin: mixing gated linear recurrences with local attention", equations 3 and
/// 4), applied to routed states.
///
///     log a = −8 softplus(Λ) ⊙ σ(x W + b)
///
/// The paper multiplies the input by √(1 − a²) and an input gate; here it is 1 − a, which keeps states bounded.
public final class GatedRecurrence: TokenDrivenUpdateRule {
    private let gate: Linear
    /// Λ, [D].
    private let rate: Parameter

    public init(_ parameters: ParameterBuilder, width: Int, rate: Double) {
        gate = Linear(parameters.child("gate"), in: width, out: width)
        self.rate = parameters("rate", [width], .constant(rate))
    }
    public func update(
        _ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext
    ) -> DecayUpdate {
        DecayUpdate(write: routing, logDecay: -8 * context[rate].softplus() * gate(tokens, context).sigmoid())
    }
}

extension GatedRecurrence {
    /// The settings of `gated-recurrence`.
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "gated-recurrence"
        public static let summary = "the recurrence gate of Griffin, with a fused scan"
        /// The initial Λ: larger values forget faster.
        public var rate = -1.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            rate = reader.double("rate", default: rate, in: -20...20)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            GatedRecurrence(parameters, width: layer.width, rate: rate)
        }
    }
}
