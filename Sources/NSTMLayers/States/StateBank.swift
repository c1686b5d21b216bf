import NSTMAutograd
import NSTMTensor

/// The states of every sequence in a batch.
///
/// State n of sequence b has a key part, by which it is addressed, and a value part, its content; readouts view both as H heads
/// of d channels.
public struct StateBank {
    /// Key parts, [B, N, D].
    public var keys: Variable
    /// Value parts, [B, N, D].
    public var values: Variable
    /// Usage count of each state by the rule, [B, N]; nil for rules without counts (`StateUpdateRule.initialUsage`).
    public var usage: Variable?
    /// The activity of the states.
    public let activity: StateActivity

    public init(keys: Variable, values: Variable, usage: Variable? = nil, activity: StateActivity) {
        self.keys = keys
        self.values = values
        self.usage = usage
        self.activity = activity
    }
    public var batch: Int { keys.shape[0] }
    /// Number of states N.
    public var count: Int { keys.shape[1] }
    /// Number of heads of the readouts.
    public var heads: Int { activity.heads }

    /// Applies an update to the states with zeros in place of inactive ones, whose contents are restored afterwards.
    ///
    /// Rows are selected instead of multiplied by the mask, because an inactive state may contain anything and 0 · NaN is NaN.
    public func hidingInactive(_ work: (StateBank) -> StateBank) -> StateBank {
        guard activity.mask != nil else { return work(self) }
        let next = work(
            StateBank(
                keys: activity.choosing(keys), values: activity.choosing(values), usage: usage, activity: activity))
        return StateBank(
            keys: activity.choosing(next.keys, else: keys), values: activity.choosing(next.values, else: values),
            usage: next.usage, activity: activity)
    }
    /// As `hidingInactive`, for an update that also returns the reads.
    public func scanningActive(_ work: (StateBank) -> (reads: Variable, states: StateBank)) -> (
        reads: Variable, states: StateBank
    ) {
        guard activity.mask != nil else { return work(self) }
        var reads: Variable?
        let end = hidingInactive {
            let result = work($0)
            reads = result.reads
            return result.states
        }
        return (reads!, end)
    }
}
