import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Runs an update rule over tokens: as a fused scan when the rule is driven by tokens and the read is by content, else step by
/// step. Every `interval` tokens, counted from the start of the sequence, the states talk to each other.
public final class StatePropagator {
    public let rule: any StateUpdateRule
    public let interaction: (any StateInteraction)?
    public let interval: Int

    public init(_ rule: any StateUpdateRule, interaction: (any StateInteraction)?, interval: Int) {
        self.rule = rule
        self.interaction = interaction
        self.interval = interval
    }

    /// - Parameters:
    ///   - tokens: features [B, T, D]; qkv: queries, keys, values [B, T, 3·D]; routing: weights [B, T, N].
    ///   - position: tokens of this sequence that came before.
    /// - Returns: what each token read after its own update, [B, T, D], and the states after the last one.
    public func callAsFunction(
        tokens: Variable, qkv: Variable, routing: Variable, states: StateBank, readout: any StateReadout, position: Int,
        _ context: ForwardContext
    ) -> (reads: Variable, states: StateBank) {
        guard let interaction else { return stretch(tokens, qkv, routing, states, readout, context) }
        let t = tokens.shape[1]
        // Boundaries lie at multiples of the interval: before a token whose position is one, states talk.
        let lengths = StatePropagator.lengths(of: t, from: position, interval)
        let x = tokens.split(1, lengths), q = qkv.split(1, lengths), r = routing.split(1, lengths)
        var states = states, reads: [Variable] = [], at = position
        for (i, n) in lengths.enumerated() {
            if at > 0 && at % interval == 0 {
                states = context.scope("interaction") { states.hidingInactive { interaction($0, context) } }
            }
            let result = stretch(x[i], q[i], r[i], states, readout, context)
            reads.append(result.reads)
            states = result.states
            at += n
        }
        return (Variable.concatenate(reads, axis: 1), states)
    }

    /// Lengths of the parts into which multiples of an interval cut the next tokens.
    static func lengths(of count: Int, from position: Int, _ interval: Int) -> [Int] {
        var lengths: [Int] = [], start = 0
        while start < count {
            let n = min(count - start, interval - (position + start) % interval)
            lengths.append(n)
            start += n
        }
        return lengths
    }
    /// Tokens between two boundaries.
    private func stretch(
        _ tokens: Variable, _ qkv: Variable, _ routing: Variable, _ states: StateBank, _ readout: any StateReadout,
        _ context: ForwardContext
    ) -> (reads: Variable, states: StateBank) {
        let d = qkv.shape[2] / 3, keyLength = (Double(d) / Double(states.heads)).squareRoot()
        if let rule = rule as? any TokenDrivenUpdateRule, readout is ContentRead {
            let u = context.scope("update") { rule.coefficients(tokens, routing, context) }
            let scan = qkv.gatedSlotScan(
                write: u.write, keys: states.keys, values: states.values, bias: states.activity.readBias, heads: states.heads,
                keyLength: keyLength)
            context.observe(StateObservation.write.rawValue) { u.write.value }
            context.observe(StateObservation.read.rawValue) { scan.readWeights }
            context.observe(StateObservation.novelty.rawValue) {
                noveltyOfKeys(qkv.value.slice(2, d..<2 * d), scan.keys.value, states.activity)
            }
            return (scan.output, StateBank(keys: scan.keys, values: scan.values, activity: states.activity))
        }
        context.observe(StateObservation.write.rawValue) { routing.value }
        let b = tokens.shape[0], ones = Array(repeating: 1, count: tokens.shape[1])
        let x = tokens.split(1, ones), w = routing.split(1, ones), parts = qkv.split(2, [d, d, d])
        let q = parts[0].split(1, ones), v = parts[2].split(1, ones)
        let k = parts[1].reshaped([b, ones.count, states.heads, d / states.heads]).l2Normalized(scale: keyLength)
            .reshaped([b, ones.count, d]).split(1, ones)
        var reads: [Variable] = []
        let end = states.hidingInactive { states in
            var states = states
            for t in ones.indices {
                let token = RoutedToken(
                    features: x[t].squeezed(1), key: k[t].squeezed(1), value: v[t].squeezed(1), weights: w[t].squeezed(1))
                states = context.scope("update") { rule.step(states, token, context) }
                reads.append(readout(q[t].squeezed(1), states, context))
            }
            return states
        }
        context.observe(StateObservation.novelty.rawValue) { noveltyOfKeys(parts[1].value, end.keys.value, states.activity) }
        return (Variable.stack(reads, axis: 1), end)
    }
}
