import NSTM

/// Seconds of one m × k × n product: "plain" a·b, "transposed" a·bᵀ, "activated" gelu(a·bᵀ + bias).
func product(_ kind: String, _ m: Int, _ k: Int, _ n: Int) -> Double {
    let a = random([m, k], "a"), b = random(kind == "plain" ? [k, n] : [n, k], "b")
    let inner = max(1, Int(2e7 / Double(m * k * n)))
    if kind == "activated" {
        let x = Variable(a), w = Variable(b), bias = Variable(random([n], "bias"))
        return median(inner: inner) { _ = x.linear(w, bias: bias, activation: .gelu) }
    }
    return median(inner: inner) { _ = a.matmul(b, transposeOther: kind == "transposed") }
}

/// Causal attention of 4 heads of 32 over 4,096 tokens altogether, forward and backward.
func attention(_ length: Int) -> Double {
    let x = random([4096 / length, length, 3 * 128], "qkv"), seed = random([4096 / length, length, 128], "seed")
    return median {
        let context = ForwardContext(.train)
        let v = context.input(x)
        _ = v.attention(heads: 4, mask: .causal).gradients(of: [v], seed: seed)
    }
}
