import NSTMAutograd
import NSTMTensor

/// The states of every sequence in a batch.
///
/// State n of sequence b has a key part, by which it is found, and a value part, which is what it holds; both are viewed as H
/// heads of d by what reads them.
public struct StateBank {
    /// Key parts, [B, N, D].
    public var keys: Variable
    /// Value parts, [B, N, D].
    public var values: Variable
    /// What a rule counts for each state, [B, N]; nil for the rules that count nothing (`StateUpdateRule.initialUsage`).
    public var usage: Variable?
    /// Which states take part, and how strongly they are read.
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
    /// Number of heads that readers see.
    public var heads: Int { activity.heads }

    /// Lets strategies work on the states: they find zeros in place of inactive ones, which have back afterwards what they held.
    ///
    /// Rows are chosen and not multiplied by the mask: an inactive state may hold anything, and 0 · NaN is NaN.
    public func hidingInactive(_ work: (StateBank) -> StateBank) -> StateBank {
        guard activity.mask != nil else { return work(self) }
        let next = work(
            StateBank(
                keys: activity.choosing(keys), values: activity.choosing(values), usage: usage, activity: activity))
        return StateBank(
            keys: activity.choosing(next.keys, else: keys), values: activity.choosing(next.values, else: values),
            usage: next.usage, activity: activity)
    }
    /// The same for work that also gives what tokens read.
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
