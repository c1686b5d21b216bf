import NSTMAutograd
import NSTMTensor

/// Causal multi-head self-attention (Vaswani et al. 2017) as a mixer; its state is the queries, keys and values of all earlier
/// tokens, or of the last `window` − 1.
public final class CausalSelfAttention: SequenceMixer {
    let frame: AttentionProjections
    public let heads: Int
    public let window: Int?
    /// Whether queries and keys are turned by their positions (`Variable.rotated`).
    public let isRotary: Bool
    public var projection: Linear { frame.projection }
    public var output: Linear { frame.output }

    public init(
        _ parameters: ParameterBuilder, width: Int, heads: Int, window: Int? = nil, rotary: Bool = false,
        options: AttentionProjections.Options = AttentionProjections.Options(), initializer: Initializer = .fanIn,
        outputInitializer: Initializer = .fanIn
    ) {
        precondition(width % heads == 0, "width \(width) is not a multiple of \(heads) heads")
        frame = AttentionProjections(
            parameters, width: width, options, initializer: initializer, outputInitializer: outputInitializer)
        self.heads = heads
        self.window = window
        isRotary = rotary
    }
    public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
        var s = MixerCache()
        frame.begin(&s, batch: batch, context)
        s["window"] = context.constant(
            Tensor(repeating: 0, [batch, 0, projection.weight.value.shape[0]], dtype: projection.weight.value.dtype))
        return s
    }
    public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        var qkv = frame.queriesKeysValues(x, &state, context)
        if isRotary {
            let width = x.shape[2], parts = qkv.split(axis: 2, [2 * width, width])
            let turned = parts[0].rotated(heads: 2 * heads, position: state?.position ?? 0)
            qkv = .concatenate([turned, parts[1]], axis: 2)
        }
        let (o, tail) = windowAttention(qkv, history: state?["window"], heads: heads, window: window)
        if state != nil {
            state!["window"] = tail
            state!.position += x.shape[1]
        }
        return frame.answer(o, to: x, context)
    }
}

/// Causal attention of new tokens over themselves and a carried window of earlier ones.
/// - Returns: reads [B, T, D], and the window to carry on: the last `window` − 1 rows, or all when there is no limit.
package func windowAttention(_ qkv: Variable, history: Variable?, heads: Int, window: Int?) -> (Variable, Variable) {
    let all = history.map { $0.shape[1] == 0 ? qkv : Variable.concatenate([$0, qkv], axis: 1) } ?? qkv
    let o = all.attention(heads: heads, mask: AttentionMask(causal: true, window: window), queries: qkv.shape[1])
    let keep = min(all.shape[1], window.map { $0 - 1 } ?? Int.max)
    return (o, history == nil ? all : all.slice(axis: 1, all.shape[1] - keep..<all.shape[1]).owned)
}

/// Multi-head self-attention without order, for sets (states among each other): [B, N, D] → [B, N, D].
public final class MultiHeadAttention {
    public let projection: Linear
    public let output: Linear
    public let heads: Int
    public init(
        _ parameters: ParameterBuilder, width: Int, heads: Int, initializer: Initializer = .fanIn,
        outputInitializer: Initializer = .fanIn
    ) {
        precondition(width % heads == 0, "width \(width) is not a multiple of \(heads) heads")
        projection = Linear(parameters.child("projection"), in: width, out: 3 * width, bias: false, initializer: initializer)
        output = Linear(parameters.child("output"), in: width, out: width, bias: false, initializer: outputInitializer)
        self.heads = heads
    }
    /// - Parameter keyBias: [B, N], added to the scores of an element; −∞ hides it.
    public func callAsFunction(_ x: Variable, keyBias: Variable? = nil, _ context: ForwardContext) -> Variable {
        output(projection(x, context).attention(heads: heads, mask: .full, keyBias: keyBias), context)
    }
}
