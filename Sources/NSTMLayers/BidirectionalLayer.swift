import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Two layers of states over a whole sequence, one forward and one backward in time, whose outputs are added (Schuster & Paliwal
/// 1997, "Bidirectional recurrent neural networks").
///
///     y = f(x) + reverse(b(reverse(x)))
///
/// Each layer ends with its own linear map, so that the sum is a linear map of the concatenated reads. It is for tasks with one
/// answer per sequence: it is not causal and has no cache for streaming.
public final class BidirectionalLayer: SequenceMixer {
    public let forward: NSTMLayer
    public let backward: NSTMLayer
    public var isCausal: Bool { false }

    public init(forward: NSTMLayer, backward: NSTMLayer) {
        self.forward = forward
        self.backward = backward
    }
    public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache { refuse(context) }

    public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        if state != nil { refuse(context) }
        let there = context.scope("forward") { forward(x, &state, context) }
        return there + context.scope("backward") { backward(x.flipped(axes: [1]), &state, context).flipped(axes: [1]) }
    }
    private func refuse(_ context: ForwardContext) -> Never {
        nstmFatal(
            .other(op: "bidirectional layer", "it reads whole sequences and cannot continue from a cache"), at: context.path)
    }
}

extension BidirectionalLayer: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        guard let there = forward.multiplyAdds(pass), let back = backward.multiplyAdds(pass) else { return nil }
        return there + back
    }
}
