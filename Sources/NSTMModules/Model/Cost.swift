import NSTMAutograd
import NSTMTensor

/// The size of a forward pass that a cost is asked for.
public struct PassSize: Sendable {
    public var batch: Int
    /// Tokens of each sequence in this pass.
    public var tokens: Int
    /// Tokens of each sequence that came before; they matter with a carried state only.
    public var position: Int
    /// Whether the pass goes on from a state, be it that of the beginning, and leaves one.
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

/// A mixer that says what it costs.
public protocol CostReporting: SequenceMixer {
    /// Multiply-adds of a forward pass in evaluation by formula, which are what `Work.counting` counts; nil when a part of the mixer
    /// does not say.
    func multiplyAdds(_ pass: PassSize) -> Int?
    /// Bytes that it carries after a pass (`MixerCache.byteCount`); nil, the default, when it does not say.
    func stateBytes(_ pass: PassSize) -> Int?
}
extension CostReporting {
    public func stateBytes(_ pass: PassSize) -> Int? { nil }
}

extension CausalSelfAttention: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        let width = output.weight.value.shape[0]
        return frame.multiplyAdds(pass) + windowMultiplyAdds(pass, width: width, window: window)
    }
}
extension AttentionProjections {
    package func multiplyAdds(_ pass: PassSize) -> Int {
        let maps = [projection, output] + (gate.map { [$0] } ?? [])
        return pass.rows * maps.reduce(0) { $0 + $1.weight.value.count } + (convolution?.multiplyAdds(pass) ?? 0)
    }
}
extension CausalConvolution {
    /// At the beginning of a sequence the first taps meet nothing.
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

/// Causal attention of the tokens of a pass over themselves and what is carried of earlier ones: scores, and the mix of values.
package func windowMultiplyAdds(_ pass: PassSize, width: Int, window: Int?) -> Int {
    let history = pass.carriesState ? min(pass.position, window.map { $0 - 1 } ?? Int.max) : 0
    let mask = AttentionMask(causal: true, window: window)
    return 2 * pass.batch * width * mask.pairs(queries: pass.tokens, keys: history + pass.tokens)
}

extension SequenceModel {
    /// Multiply-adds of a forward pass in evaluation by formula, which are what `Work.counting` counts; nil when a mixer does not
    /// say (`CostReporting`).
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        var sum = 0
        // How the tokens of a pass are shared out among several inputs is not known here.
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
