import NSTMAutograd

// What reads and the families of updates cost.

// MARK: Readouts

extension ContentRead: ReadWeightCost {
    /// Scores of the active states and the mix of their values.
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * 2 * pass.width * pass.active }
    /// Scores of all states: a product.
    public func weightMultiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
}
extension LinearRead: ReadWeightCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * 2 * pass.width * pass.states }
    public func weightMultiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
}
extension RoutedRead: ReadWeightCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func weightMultiplyAdds(_ pass: StatePass) -> Int { 0 }
}

// MARK: Families

/// How often the gates of a token are computed step by step: when a scan is asked for and there is none, for the update, and for what is
/// seen of it.
private let stepwise = 3

extension ConvexUpdate {
    /// What a rule of this family costs with its reads; nil when the readout does not say.
    /// - Parameters:
    ///   - gates: multiply-adds of what the rule computes of a token.
    ///   - hasChannelGate: whether the update has a gate z.
    public static func multiplyAdds(
        _ pass: StatePass, reading readout: any StateReadout, gates: Int, hasChannelGate: Bool = false
    ) -> Int? {
        guard let read = readout as? any StrategyCost else { return nil }
        if let read = readout as? RoutedRead, !hasChannelGate {
            // Values are a matrix state of one head, and keys a product over the tokens.
            let scan = MatrixStateScan.multiplyAdds(
                batch: pass.size.batch, tokens: pass.size.tokens, heads: 1, keys: pass.states, values: pass.width,
                decaysByChannel: pass.states > 1)
            return pass.rows * (gates + pass.width * pass.states) + scan + read.weightMultiplyAdds(pass)
        }
        // Key and value of every state that is written. Step by step moving them is element-wise.
        let update = readout is ContentRead ? gates + 2 * pass.width * pass.reached : stepwise * gates
        return pass.rows * update + read.multiplyAdds(pass)
    }
}

extension MatrixUpdate {
    /// What a rule of this family costs with its reads; nil when the readout does not say.
    /// - Parameters:
    ///   - gates: multiply-adds of what the rule computes of a token.
    ///   - decays, delta, bonus: which of the family's parts it has.
    public static func multiplyAdds(
        _ pass: StatePass, reading readout: any StateReadout, gates: Int, decays: Bool, delta: Bool = false, bonus: Bool = false
    ) -> Int? {
        // k·K of a token.
        let matching = pass.width * pass.states
        if readout is any WeightedReadout {
            guard let read = readout as? any ReadWeightCost else { return nil }
            let scan = MatrixStateScan.multiplyAdds(
                batch: pass.size.batch, tokens: pass.size.tokens, heads: pass.site.heads, keys: pass.states,
                values: pass.width / pass.site.heads, decaysByChannel: bonus || decays && pass.states > 1, delta: delta,
                bonus: bonus)
            return pass.rows * (gates + matching) + scan + read.weightMultiplyAdds(pass)
        }
        guard let read = readout as? any StrategyCost else { return nil }
        let products = 1 + (delta ? 1 : 0) + (bonus ? 1 : 0)
        return pass.rows * (stepwise * gates + products * matching) + read.multiplyAdds(pass)
    }
}

extension SelectiveUpdate {
    /// What a rule of this family costs with its reads; nil when the readout does not say.
    /// - Parameter gates: multiply-adds of what the rule computes of a token.
    public static func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout, gates: Int) -> Int? {
        let matching = pass.width * pass.states
        if readout is any WeightedReadout, pass.states <= 256 {
            guard let read = readout as? any ReadWeightCost else { return nil }
            // Every state is read, and those written to have four products more; two for a channel.
            let scan = pass.width * (pass.states + 4 * pass.reached + 2)
            return pass.rows * (gates + matching + scan) + read.weightMultiplyAdds(pass)
        }
        guard let read = readout as? any StrategyCost else { return nil }
        return pass.rows * (stepwise * gates + matching) + read.multiplyAdds(pass)
    }
}

// MARK: Rules

extension GatedSlots: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        ConvexUpdate.multiplyAdds(pass, reading: readout, gates: hasSecondGate ? pass.width * pass.states : 0)
    }
}
extension MinGRU: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        ConvexUpdate.multiplyAdds(pass, reading: readout, gates: pass.width * pass.width, hasChannelGate: true)
    }
}
extension MinLSTM: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        ConvexUpdate.multiplyAdds(pass, reading: readout, gates: 2 * pass.width * pass.width, hasChannelGate: true)
    }
}
extension ContentSlots: UpdateCost {
    /// Counted as if every state in reach were written to. A state that is wholly free, in reach with a weight of exactly 1, leaves
    /// nothing for those behind it: with a router that gives such weights this is an upper bound.
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        guard let read = readout as? any StrategyCost else { return nil }
        // Strength and forgetting; the match, and keys once more where what is found is written.
        let found = readout is ContentRead ? 4 * pass.width * pass.reached : 0
        return pass.rows * (2 * pass.width + found) + read.multiplyAdds(pass)
    }
}
extension GatedLinear: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        MatrixUpdate.multiplyAdds(pass, reading: readout, gates: pass.width * pass.states, decays: true)
    }
}
extension ScalarDecay: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        MatrixUpdate.multiplyAdds(pass, reading: readout, gates: step == nil ? 0 : pass.width, decays: true)
    }
}
extension LinearAttention: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        MatrixUpdate.multiplyAdds(pass, reading: readout, gates: 0, decays: true)
    }
}
extension Delta: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        let gates = pass.width * (pass.site.heads + (gate == nil ? 0 : pass.states))
        return MatrixUpdate.multiplyAdds(pass, reading: readout, gates: gates, decays: gate != nil, delta: true)
    }
}
extension WKV: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        MatrixUpdate.multiplyAdds(pass, reading: readout, gates: pass.width * pass.states, decays: true, bonus: true)
    }
}
extension SelectiveDiagonal: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        SelectiveUpdate.multiplyAdds(pass, reading: readout, gates: 2 * pass.width * rank)
    }
}
extension DiagonalSSM: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        SelectiveUpdate.multiplyAdds(pass, reading: readout, gates: 0)
    }
}
