import NSTMAutograd
import NSTMTensor

/// The activity of states: which are active, and how strongly they are read.
///
/// An inactive state contributes exactly 0 to every read and is left unchanged.
public struct StateActivity {
    /// The contents in one object, because the activity is passed along with the states and copying its parts costs more than a
    /// small operation.
    private final class Contents {
        let readBias: Variable?, mask: Tensor?, identities: Tensor?, heads: Int
        init(_ readBias: Variable?, _ mask: Tensor?, _ identities: Tensor?, _ heads: Int) {
            (self.readBias, self.mask, self.identities, self.heads) = (readBias, mask, identities, heads)
        }
    }
    private let contents: Contents

    /// Bias added to the scores of a read, [B, N]: the logarithm of a state's activity, −∞ if it is inactive; nil: all are fully
    /// active.
    public var readBias: Variable? { contents.readBias }
    /// 1 for active states and 0 for the others, [N], or [B, N] where sequences differ; nil: all active.
    public var mask: Tensor? { contents.mask }
    /// Identity of the state at each index, [N]; nil: equal to the index.
    public var identities: Tensor? { contents.identities }
    /// Number of heads of the readouts.
    public var heads: Int { contents.heads }

    public init(readBias: Variable? = nil, mask: Tensor? = nil, identities: Tensor? = nil, heads: Int) {
        contents = Contents(readBias, mask, identities, heads)
    }
    /// This activity with read biases whose gradient is reported to an observer that requested `StateView.Observation.saliency`.
    func observed(batch: Int, count: Int, _ dtype: DType, _ context: ForwardContext) -> StateActivity {
        let name = StateView.Observation.saliency.rawValue
        guard context.tape.isRecording, context.wants(name) else { return self }
        var bias = readBias ?? context.constant(Tensor(repeating: 0, [batch, count], dtype: dtype))
        if !bias.isRecorded { bias = context.input(bias.value) }
        return StateActivity(
            readBias: context.observingGradient(name, of: bias), mask: mask, identities: identities, heads: heads)
    }
    /// Scores [..., N] with −∞ for inactive states, so that these do not compete for tokens.
    public func hidingInactive(_ scores: Variable) -> Variable {
        guard let mask else { return scores }
        // Without active states there is no competition; the router sets all weights to 0.
        let flags = mask.doubles(), n = mask.shape[-1]
        var kept = flags
        for start in stride(from: 0, to: flags.count, by: n) where !flags[start..<start + n].contains(where: { $0 > 0 }) {
            for i in start..<start + n { kept[i] = 1 }
        }
        guard kept.contains(0) else { return scores }
        return scores.keeping(StateActivity.aligned(Tensor(kept, mask.shape), with: scores.shape))
    }
    /// Values of states [..., N], with 0 for inactive ones.
    public func masking(_ x: Variable, _ context: ForwardContext) -> Variable {
        mask.map { x * context.constant(StateActivity.aligned($0, with: x.shape)) } ?? x
    }
    /// A mask [B, N] with axes of length 1 inserted for the axes of a shape [B, ..., N].
    static func aligned(_ mask: Tensor, with shape: Shape) -> Tensor {
        guard mask.rank == 2 else { return mask }
        return (2..<max(2, shape.rank)).reduce(mask) { m, _ in m.unsqueezed(axis: 1) }
    }
    /// Rows [B, N, D] of x for active states and of y for inactive ones; nil: zeros.
    public func choosing(_ x: Variable, else y: Variable? = nil) -> Variable {
        guard let mask else { return x }
        return .where(
            (mask .> 0).unsqueezed(axis: mask.rank), x, y ?? Variable(Tensor(repeating: 0, x.shape, dtype: x.dtype)))
    }
    /// This activity restricted per sequence by a mask [B, N] of 0 and 1.
    package func restricted(to own: Tensor, _ context: ForwardContext) -> StateActivity {
        let open = mask.map { $0 * own } ?? own
        let bias = readBias ?? context.constant(Tensor(repeating: 0, own.shape, dtype: own.dtype))
        return StateActivity(readBias: bias.keeping(own), mask: open, identities: identities, heads: heads)
    }
    /// The identities of `count` states.
    ///
    /// Random numbers of a state are drawn by identity, not by index, so that they do not change when others are removed.
    public func identities(of count: Int) -> [Int] { identities?.doubles().map { Int($0) } ?? Array(0..<count) }
    /// Indices of the active states among `count` states.
    /// - Parameter sequence: index of the sequence in the batch; nil: active in any sequence.
    func active(of count: Int, sequence: Int? = nil) -> [Int] {
        guard let flags = mask?.doubles() else { return Array(0..<count) }
        let rows = flags.count == count || sequence == nil ? Array(0..<flags.count / max(1, count)) : [sequence!]
        return (0..<count).filter { n in rows.contains { flags[$0 * count + n] > 0 } }
    }
}
