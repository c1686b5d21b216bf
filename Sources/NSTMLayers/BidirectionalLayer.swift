import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Two layers of states over a whole sequence, one from its beginning and one from its end, whose outputs are added (Schuster & Paliwal
/// 1997, "Bidirectional recurrent neural networks"):
///
///     y = f(x) + reverse(b(reverse(x)))
///
/// Each ends with a linear map of its own, so that the sum is a map of both reads side by side. For tasks that answer about whole
/// sequences: it is not causal, and has no state to go on from.
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
            .other(op: "bidirectional layer", "it reads whole sequences and cannot go on from a state"), at: context.path)
    }
}

extension BidirectionalLayer: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        guard let there = forward.multiplyAdds(pass), let back = backward.multiplyAdds(pass) else { return nil }
        return there + back
    }
}
