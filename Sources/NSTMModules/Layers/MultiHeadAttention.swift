import NSTMAutograd
import NSTMTensor

/// Causal multi-head self-attention (Vaswani et al., 2017), [B, T, D] → [B, T, D].
///
/// Its cache holds the queries, keys and values of all earlier tokens, or of the last `window` − 1.
public final class CausalSelfAttention: SequenceMixer {
    let projections: AttentionProjections
    /// Number of heads; divides D.
    public let heads: Int
    /// Number of tokens that a token attends to, itself included; nil for all earlier ones.
    public let window: Int?
    /// Whether queries and keys are rotated by position (`Variable.rotated`).
    public let isRotary: Bool
    /// Queries, keys and values, D → 3D.
    public var projection: Linear { projections.projection }
    /// The output projection, D → D.
    public var output: Linear { projections.output }

    public init(
        _ parameters: ParameterBuilder, width: Int, heads: Int, window: Int? = nil, rotary: Bool = false,
        options: AttentionProjections.Options = AttentionProjections.Options(), initializer: Initializer = .fanIn,
        outputInitializer: Initializer = .fanIn
    ) {
        requireHeads(heads, width, "CausalSelfAttention", parameters)
        projections = AttentionProjections(
            parameters, width: width, options, initializer: initializer, outputInitializer: outputInitializer)
        self.heads = heads
        self.window = window
        isRotary = rotary
    }
    public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
        var s = MixerCache()
        projections.addInitialState(to: &s, batch: batch, context)
        s["window"] = context.constant(
            Tensor(repeating: 0, [batch, 0, projection.weight.value.shape[0]], dtype: projection.weight.value.dtype))
        return s
    }
    public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        var qkv = projections.queriesKeysValues(x, &state, context)
        if isRotary {
            let width = x.shape[2], parts = qkv.split(axis: 2, [2 * width, width])
            let rotated = parts[0].rotated(heads: 2 * heads, position: state?.position ?? 0)
            qkv = .concatenate([rotated, parts[1]], axis: 2)
        }
        let (o, tail) = windowAttention(qkv, history: state?["window"], heads: heads, window: window)
        if state != nil {
            state!["window"] = tail
            state!.position += x.shape[1]
        }
        return projections.outputProjection(o, gatedBy: x, context)
    }
}

/// Stops the program unless the heads divide the width.
package func requireHeads(_ heads: Int, _ width: Int, _ op: String, _ parameters: ParameterBuilder) {
    guard heads >= 1, width % heads == 0 else {
        nstmFatal(.other(op: op, "width \(width) is not divisible by \(heads) heads"), at: parameters.path)
    }
}

/// Causal attention of new tokens, qkv [B, T, 3D], over themselves and a cached window of earlier ones, [B, T', 3D].
/// - Returns: the output [B, T, D], and the window to cache: the last `window` − 1 rows, or all when there is no limit.
package func windowAttention(_ qkv: Variable, history: Variable?, heads: Int, window: Int?) -> (Variable, Variable) {
    let all = history.map { $0.shape[1] == 0 ? qkv : Variable.concatenate([$0, qkv], axis: 1) } ?? qkv
    let o = all.attention(heads: heads, mask: AttentionMask(causal: true, window: window), queries: qkv.shape[1])
    let keep = min(all.shape[1], window.map { $0 - 1 } ?? Int.max)
    return (o, history == nil ? all : all.slice(axis: 1, all.shape[1] - keep..<all.shape[1]).owned)
}

/// Multi-head self-attention without a mask or positions, for sets such as the states of a layer: [B, N, D] → [B, N, D].
public final class MultiHeadAttention {
    /// Queries, keys and values, D → 3D.
    public let projection: Linear
    /// The output projection, D → D.
    public let output: Linear
    /// Number of heads; divides D.
    public let heads: Int
    public init(
        _ parameters: ParameterBuilder, width: Int, heads: Int, initializer: Initializer = .fanIn,
        outputInitializer: Initializer = .fanIn
    ) {
        requireHeads(heads, width, "MultiHeadAttention", parameters)
        projection = Linear(parameters.child("projection"), in: width, out: 3 * width, bias: false, initializer: initializer)
        output = Linear(parameters.child("output"), in: width, out: width, bias: false, initializer: outputInitializer)
        self.heads = heads
    }
    /// - Parameter keyBias: [B, N], added to the attention scores of each element as a key; −∞ masks it.
    public func callAsFunction(_ x: Variable, keyBias: Variable? = nil, _ context: ForwardContext) -> Variable {
        output(projection(x, context).attention(heads: heads, mask: .full, keyBias: keyBias), context)
    }
}
