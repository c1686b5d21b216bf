import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Draws tokens from a language model, one after the other, from a carried state: the cost of a token does not depend on how many
/// came before.
public struct Generator {
    public let model: SequenceModel
    /// Divides the logits: below 1 bolder, above 1 more random; 0 takes the most likely token.
    public var temperature: Double
    /// Only the k most likely tokens are drawn from; nil for all.
    public var topK: Int?
    /// Of linear maps, in bfloat16; nil: the model's.
    public var weights: BFloat16Weights?
    private let key: RandomKey

    public init(_ model: SequenceModel, temperature: Double = 0.8, topK: Int? = nil, seed: Int = 1) {
        self.model = model
        self.temperature = temperature
        self.topK = topK
        key = RandomKey(UInt64(seed)).fold("generation")
    }

    /// Continues a prompt (at least one token) and hands over each token as it is drawn.
    public func generate(after prompt: [Int32], count: Int, _ body: (Int32) throws -> Void) rethrows {
        if prompt.isEmpty { fatalError("Generator: the prompt needs at least one token") }
        var history = prompt
        var state = model.initialState(batch: 1)
        var pending = prompt
        for i in 0..<count {
            // A model with learned positions cannot go beyond them: it starts again from the second half of what it can see.
            if let limit = model.maxSequenceLength, state.position + pending.count > limit {
                pending = Array(history.suffix(max(1, limit / 2)))
                state = model.initialState(batch: 1)
            }
            let logits = model(Tensor(pending, [1, pending.count]), state: &state, ForwardContext(.evaluate, weights: weights))
            let next = draw(logits.value.select(axis: 1, pending.count - 1).elements(Float.self).map(Double.init), i)
            // Only a model with learned positions ever looks back; nothing else may grow with the number of tokens.
            if let limit = model.maxSequenceLength {
                history.append(next)
                if history.count > 2 * limit { history.removeFirst(limit) }
            }
            pending = [next]
            try body(next)
        }
    }

    private func draw(_ logits: [Double], _ i: Int) -> Int32 {
        let order = logits.indices.sorted { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }
        guard temperature > 0 else { return Int32(order[0]) }
        let candidates = order.prefix(max(1, topK ?? order.count))
        let weights = candidates.map { exp((logits[$0] - logits[order[0]]) / temperature) }
        var rest = key.uniform(i) * weights.reduce(0, +)
        for (candidate, weight) in zip(candidates, weights) {
            rest -= weight
            if rest < 0 { return Int32(candidate) }
        }
        return Int32(candidates.last!)
    }
}
