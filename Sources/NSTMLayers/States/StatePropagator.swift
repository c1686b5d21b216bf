import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Runs an update rule over tokens: as a scan if the rule has one for the readout, else step by step.
///
/// States interact before every token whose position is a multiple of `interval`, counted from the start of the sequence.
package final class StatePropagator {
    package let rule: any StateUpdateRule
    package let interaction: (any StateInteraction)?
    package let interval: Int

    package init(_ rule: any StateUpdateRule, interaction: (any StateInteraction)?, interval: Int) {
        self.rule = rule
        self.interaction = interaction
        self.interval = interval
    }

    /// Runs the rule over tokens.
    /// - Parameters:
    ///   - tokens: features [B, T, D]; qkv: queries, keys, values [B, T, 3·D]; routing: write and read weights.
    ///   - position: number of earlier tokens of the sequence.
    /// - Returns: what each token read after its own update, [B, T, D], and the states after the last one.
    package func callAsFunction(
        tokens: Variable, qkv: Variable, routing: Routing, states: StateBank, readout: any StateReadout, position: Int,
        _ context: ForwardContext
    ) -> (reads: Variable, states: StateBank) {
        let all = RoutedTokens(features: tokens, qkv: qkv, weights: routing.weights, reads: routing.reads)
        guard let interaction else { return segment(all, states, readout, context) }
        let t = tokens.shape[1]
        // States interact before every token whose position is a multiple of the interval.
        let lengths = StatePropagator.lengths(of: t, from: position, [interval])
        var states = states, reads: [Variable] = [], at = position
        for (tokens, n) in zip(all.split(lengths), lengths) {
            if at > 0 && at % interval == 0 {
                states = context.scope("interaction") { states.hidingInactive { interaction($0, context) } }
            }
            let result = segment(tokens, states, readout, context)
            reads.append(result.reads)
            states = result.states
            at += n
        }
        return (Variable.concatenate(reads, axis: 1), states)
    }

    /// Lengths of the segments into which multiples of the intervals split the next tokens.
    static func lengths(of count: Int, from position: Int, _ intervals: [Int]) -> [Int] {
        var lengths: [Int] = [], start = 0
        while start < count {
            let n = intervals.reduce(count - start) { min($0, $1 - (position + start) % $1) }
            lengths.append(n)
            start += n
        }
        return lengths
    }
    /// Processes the tokens between two boundaries.
    private func segment(
        _ all: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext
    ) -> (reads: Variable, states: StateBank) {
        context.observe(StateView.Observation.write.rawValue) { all.weights.value }
        let result = context.scope("update") { rule.scan(all, states, readout, context) } ?? loop(all, states, readout, context)
        context.observe(StateView.Observation.novelty.rawValue) {
            noveltyOfKeys(all.qkv.value.slice(axis: 2, all.width..<2 * all.width), result.states.keys.value, states.activity)
        }
        return result
    }
    /// Updates the states that a token reaches if they are few and the rule updates each separately; else all states.
    private func stepAndView(
        _ states: StateBank, _ token: RoutedToken, _ context: ForwardContext
    ) -> (next: StateBank, seen: StateBank) {
        guard rule.stepsStatesAlone, states.usage == nil, let indices = token.reachedIndices() else {
            return rule.stepAndView(states, token, context)
        }
        let reached = StateBank(
            keys: states.keys.batchRows(indices), values: states.values.batchRows(indices),
            activity: StateActivity(heads: states.heads))
        let moved = rule.step(
            reached,
            RoutedToken(
                features: token.features, query: token.query, key: token.key, value: token.value,
                weights: token.weights.batchRows(indices)), context)
        var next = states
        next.keys = states.keys.replacingBatchRows(indices, with: moved.keys)
        next.values = states.values.replacingBatchRows(indices, with: moved.values)
        return (next, rule.view(before: states, after: next, token, context))
    }
    /// Processes tokens one by one.
    private func loop(
        _ all: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext
    ) -> (reads: Variable, states: StateBank) {
        var reads: [Variable] = []
        let end = states.hidingInactive { states in
            var states = states
            for token in all.each(heads: states.heads) {
                let (next, seen) = context.scope("update") { stepAndView(states, token, context) }
                reads.append(readout(token, seen, context))
                states = next
            }
            return states
        }
        return (Variable.stack(reads, axis: 1), end)
    }
}

// MARK: Cost

extension StatePropagator {
    /// Multiply-adds of a segment of tokens and their reads; nil if a part does not state its cost.
    func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        if let rule = rule as? any UpdateCost { return rule.multiplyAdds(pass, reading: readout) }
        guard let rule = rule as? any StrategyCost, let readout = readout as? any StrategyCost else { return nil }
        return rule.multiplyAdds(pass) + readout.multiplyAdds(pass)
    }
}
