import NSTMAutograd
import NSTMTensor

/// The states of every sequence in a batch. State n of sequence b has a key part, by which it is found, and a value part, which is
/// what it holds; both are viewed as H heads of d by what reads them.
public struct StateBank {
    /// [B, N, D]
    public var keys: Variable
    /// [B, N, D]
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
    /// Rows are chosen and not multiplied by the mask: an inactive state may hold anything, and 0 · NaN is NaN.
    func hidingInactive(_ work: (StateBank) -> StateBank) -> StateBank {
        guard activity.mask != nil else { return work(self) }
        let next = work(
            StateBank(
                keys: activity.choosing(keys), values: activity.choosing(values), usage: usage, activity: activity))
        return StateBank(
            keys: activity.choosing(next.keys, else: keys), values: activity.choosing(next.values, else: values),
            usage: next.usage, activity: activity)
    }
    /// The same for work that also gives what tokens read.
    func scanningActive(_ work: (StateBank) -> (reads: Variable, states: StateBank)) -> (reads: Variable, states: StateBank) {
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

/// Which states are active. An inactive state contributes exactly 0 to every read and is left exactly as it is.
public struct StateActivity {
    /// In one place: whatever carries states hands the activity on, and copying it part by part cost more than a small operation.
    private final class Contents {
        let readBias: Variable?, mask: Tensor?, identities: Tensor?, heads: Int
        init(_ readBias: Variable?, _ mask: Tensor?, _ identities: Tensor?, _ heads: Int) {
            (self.readBias, self.mask, self.identities, self.heads) = (readBias, mask, identities, heads)
        }
    }
    private let contents: Contents

    /// Added to the scores of a read, [B, N]: the logarithm of a state's activity, −∞ when it is inactive; nil: all fully active.
    public var readBias: Variable? { contents.readBias }
    /// 1 for active states and 0 for the others, [N], or [B, N] where sequences differ; nil: all active.
    public var mask: Tensor? { contents.mask }
    /// Which state lies at each place, [N]; nil: state n at place n.
    public var identities: Tensor? { contents.identities }
    public var heads: Int { contents.heads }

    public init(readBias: Variable? = nil, mask: Tensor? = nil, identities: Tensor? = nil, heads: Int) {
        contents = Contents(readBias, mask, identities, heads)
    }
    /// The same, with the gradient of the read biases shown to who watches the pass for it (`StateObservation.saliency`).
    func observed(batch: Int, count: Int, _ dtype: DType, _ context: ForwardContext) -> StateActivity {
        let name = StateObservation.saliency.rawValue
        guard context.tape.isRecording, context.wants(name) else { return self }
        var bias = readBias ?? context.constant(Tensor(repeating: 0, [batch, count], dtype: dtype))
        if !bias.isRecorded { bias = context.input(bias.value) }
        return StateActivity(
            readBias: context.observingGradient(name, of: bias), mask: mask, identities: identities, heads: heads)
    }
    /// Scores [..., N] with those of inactive states at −∞, so that they take no part in a competition for tokens.
    public func hidingInactive(_ scores: Variable) -> Variable {
        guard let mask else { return scores }
        // With none left there is no competition either; the router sets all weights to 0.
        let flags = mask.doubles(), n = mask.shape[-1]
        var kept = flags
        for start in stride(from: 0, to: flags.count, by: n) where !flags[start..<start + n].contains(where: { $0 > 0 }) {
            for i in start..<start + n { kept[i] = 1 }
        }
        guard kept.contains(0) else { return scores }
        return scores.keeping(StateActivity.aligned(Tensor(kept, mask.shape), with: scores.shape))
    }
    /// What belongs to states, with 0 for inactive ones: [..., N].
    func masking(_ x: Variable, _ context: ForwardContext) -> Variable {
        mask.map { x * context.constant(StateActivity.aligned($0, with: x.shape)) } ?? x
    }
    /// A mask [B, N] with axes of length 1 for those that a shape [B, ..., N] has between them.
    static func aligned(_ mask: Tensor, with shape: Shape) -> Tensor {
        guard mask.rank == 2 else { return mask }
        return (2..<max(2, shape.rank)).reduce(mask) { m, _ in m.expanded(1) }
    }
    /// Rows [B, N, D] of active states, and those of another in place of inactive ones; nil: zeros.
    func choosing(_ x: Variable, else y: Variable? = nil) -> Variable {
        guard let mask else { return x }
        return .where(
            (mask .> 0).expanded(mask.rank), x, y ?? Variable(Tensor(repeating: 0, x.shape, dtype: x.dtype)))
    }
    /// The same for sequences that use only some states, [B, N] of 0 and 1.
    package func restricted(to own: Tensor, _ context: ForwardContext) -> StateActivity {
        let open = mask.map { $0 * own } ?? own
        let bias = readBias ?? context.constant(Tensor(repeating: 0, own.shape, dtype: own.dtype))
        return StateActivity(readBias: bias.keeping(own), mask: open, identities: identities, heads: heads)
    }
    /// The identities of so many states. What is drawn at random for a state is drawn by identity and not by place, so that it stays
    /// the same when others are removed.
    public func identities(of count: Int) -> [Int] { identities?.doubles().map { Int($0) } ?? Array(0..<count) }
    /// Numbers of the active ones among so many states.
    /// - Parameter sequence: in which sequence of the batch; nil: in any.
    func active(of count: Int, sequence: Int? = nil) -> [Int] {
        guard let flags = mask?.doubles() else { return Array(0..<count) }
        let rows = flags.count == count || sequence == nil ? Array(0..<flags.count / max(1, count)) : [sequence!]
        return (0..<count).filter { n in rows.contains { flags[$0 * count + n] > 0 } }
    }
}

/// Which states a token reaches, and how strongly.
public protocol RoutingPolicy: AnyObject {
    /// tokens [B, T, D] → weights [B, T, N] in 0 ... 1. A weight of exactly 0 saves the work of that state.
    ///
    /// Where states compete, inactive ones must not: the weights of the others are as if they were not there
    /// (`activity.hidingInactive`). The router sets their own weights to 0 in any case.
    ///
    /// - Parameter position: tokens of this sequence that came before. What a token gets may depend on its own position and on
    ///   nothing that comes later; random numbers are drawn by position, so that any split of a sequence draws the same.
    func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext) -> Variable
}

/// A routing policy that looks back at earlier tokens of the sequence, through what it carries from one part to the next.
public protocol CarryingRoutingPolicy: RoutingPolicy {
    /// What is carried before the first token, [B, ...].
    func beginning(batch: Int, _ dtype: DType) -> Tensor
    /// - Parameter carried: what the segment before left.
    /// - Returns: where the tokens write and read, and what the next segment needs (`Routing.carried`).
    func route(
        _ tokens: Variable, _ activity: StateActivity, position: Int, carried: Variable, _ context: ForwardContext
    ) -> Routing
}

/// Where the tokens of a segment write and read.
public struct Routing {
    /// How strongly each token reaches each state, [B, T, N] in 0 ... 1.
    public var weights: Variable
    /// How strongly each token reads each state, [B, T, N] in 0 ... 1, for readouts that read where a token is routed (`RoutedRead`);
    /// nil: tokens read where they write.
    public var reads: Variable?
    /// What the policy carries to the next segment, [B, ...]; nil for a policy that carries nothing.
    public var carried: Variable?

    public init(weights: Variable, reads: Variable? = nil, carried: Variable? = nil) {
        self.weights = weights
        self.reads = reads
        self.carried = carried
    }
}

/// A routing policy that looks at what the states of a sequence hold. What it carries are their keys as they were at the last multiple of
/// an interval, zeros in place of inactive ones: at every multiple, before the token that stands there, the layer puts them in.
/// Gradients go through them to the tokens that wrote them.
public protocol StateRoutingPolicy: CarryingRoutingPolicy {
    /// Tokens between two looks, counted from the start of a sequence, so that any split of it looks at the same.
    var interval: Int { get }
}

extension CarryingRoutingPolicy {
    /// Routes from the beginning.
    public func callAsFunction(
        _ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext
    ) -> Variable {
        let start = context.constant(beginning(batch: tokens.shape[0], tokens.dtype))
        return route(tokens, activity, position: position, carried: start, context).weights
    }
}

/// States talk to states, every so many tokens.
public protocol StateInteraction: AnyObject {
    func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank
}
