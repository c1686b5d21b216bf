import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// A sampler of tokens from a language model by streaming.
///
/// The cost per token does not depend on the number of earlier tokens, unless the model's cache grows with it.
public struct Generator {
    /// The language model.
    public let model: SequenceModel
    /// Divisor of the logits; 0 selects the most likely token.
    public var temperature: Double
    /// Number of most likely tokens to sample from; nil for all.
    public var topK: Int?
    /// Weights of linear maps in bfloat16; nil for those of the model.
    public var weights: BFloat16Weights?
    private let key: RandomKey

    public init(_ model: SequenceModel, temperature: Double = 0.8, topK: Int? = nil, seed: Int = 1) {
        self.model = model
        self.temperature = temperature
        self.topK = topK
        key = RandomKey(UInt64(seed)).fold("generation")
    }

    /// Generates tokens after a prompt.
    /// - Parameters:
    ///   - prompt: at least one token; the program stops otherwise.
    ///   - count: number of tokens to generate.
    ///   - body: called with each token.
    public func generate(after prompt: [Int32], count: Int, _ body: (Int32) throws -> Void) rethrows {
        if prompt.isEmpty { nstmFatal(.other(op: "Generator", "the prompt is empty; needs at least one token")) }
        var history = prompt
        var state = model.initialState(batch: 1)
        var pending = prompt
        for i in 0..<count {
            // At its maximum sequence length the model is restarted with the second half of the window.
            if let limit = model.maxSequenceLength, state.position + pending.count > limit {
                pending = Array(history.suffix(max(1, limit / 2)))
                state = model.initialState(batch: 1)
            }
            let logits = model(Tensor(pending, [1, pending.count]), state: &state, ForwardContext(.evaluate, weights: weights))
            let next = draw(logits.value.select(axis: 1, pending.count - 1).elements(Float.self).map(Double.init), i)
            // The history is needed only for such restarts. For other models, memory must not grow with the number of tokens.
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
