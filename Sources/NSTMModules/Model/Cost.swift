import NSTMAutograd
import NSTMTensor

/// The size of a forward pass whose cost is computed.
public struct PassSize: Sendable {
    /// Number of sequences.
    public var batch: Int
    /// Tokens of each sequence in this pass.
    public var tokens: Int
    /// Tokens of each sequence in earlier passes; used only if `carriesState`.
    public var position: Int
    /// Whether the pass reads and updates a cache (streaming), which may be the initial one.
    public var carriesState: Bool

    public init(batch: Int = 1, tokens: Int, position: Int = 0, carriesState: Bool = false) {
        self.batch = batch
        self.tokens = tokens
        self.position = position
        self.carriesState = carriesState
    }
    /// Tokens of all sequences.
    public var rows: Int { batch * tokens }
}

/// A mixer with formulas for its cost.
public protocol CostReporting: SequenceMixer {
    /// Multiply-adds of a forward pass in evaluation, by formula; nil when a part of the mixer has no formula. The result must
    /// equal the count of `Work.counting`.
    func multiplyAdds(_ pass: PassSize) -> Int?
    /// Size of the cache after a pass, in bytes (`MixerCache.byteCount`), by formula; nil, the default, without a formula.
    func stateBytes(_ pass: PassSize) -> Int?
}
extension CostReporting {
    /// nil: no formula.
    public func stateBytes(_ pass: PassSize) -> Int? { nil }
}

extension CausalSelfAttention: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        let width = output.weight.value.shape[0]
        return projections.multiplyAdds(pass) + windowMultiplyAdds(pass, width: width, window: window)
    }
}
extension AttentionProjections {
    package func multiplyAdds(_ pass: PassSize) -> Int {
        let maps = [projection, output] + (gate.map { [$0] } ?? [])
        return pass.rows * maps.reduce(0) { $0 + $1.weight.value.count } + (convolution?.multiplyAdds(pass) ?? 0)
    }
}
extension CausalConvolution {
    /// Multiply-adds of a pass.
    ///
    /// Without a cache, taps that reach before the first token are not computed.
    package func multiplyAdds(_ pass: PassSize) -> Int {
        let missing = pass.carriesState ? 0 : (0..<min(width - 1, pass.tokens)).reduce(0) { $0 + width - 1 - $1 }
        return pass.batch * weight.value.shape[1] * (pass.tokens * width - missing)
    }
}
extension Linear {
    package func multiplyAdds(_ pass: PassSize) -> Int { pass.rows * weight.value.count }
}
extension SwiGLU: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? { up.multiplyAdds(pass) + down.multiplyAdds(pass) }
}
extension FeedForward: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? { pass.rows * (up.weight.value.count + down.weight.value.count) }
}

/// Multiply-adds of causal attention over the tokens of a pass and the cached window: scores, and weighted sums of values.
package func windowMultiplyAdds(_ pass: PassSize, width: Int, window: Int?) -> Int {
    let history = pass.carriesState ? min(pass.position, window.map { $0 - 1 } ?? Int.max) : 0
    let mask = AttentionMask(causal: true, window: window)
    return 2 * pass.batch * width * mask.pairs(queries: pass.tokens, keys: history + pass.tokens)
}

extension SequenceModel {
    /// Multiply-adds of a forward pass in evaluation, by formula; nil when a mixer has no formula (`CostReporting`) or the model
    /// has several inputs.
    ///
    /// Equals the count of `Work.counting`.
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        var sum = 0
        // The number of tokens of each input is not part of `PassSize`.
        guard streams == nil, let entry = embedder.multiplyAdds(pass) else { return nil }
        sum += entry
        for block in blocks {
            for part in [block.mixer, block.feedForward].compactMap(\.self) {
                guard let cost = (part as? any CostReporting)?.multiplyAdds(pass) else { return nil }
                sum += cost
            }
        }
        switch shape.output {
        case .nextToken(let n), .perToken(let n): return sum + pass.rows * n * shape.width
        case .pooled(let n): return sum + pass.batch * n * shape.width
        }
    }
}
