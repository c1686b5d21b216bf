import NSTMTensor

extension Variable {
    /// Causal depthwise convolution along the sequence, optionally followed by SiLU.
    ///
    ///     y[t] = act(bias + Σ_j w[j] ⊙ x[t − width + 1 + j])
    ///
    /// x: [B, T, C]; weight: [width, C]; bias: [C]. Rows before the first count as 0, or, with `history` h, the first h rows of x
    /// are earlier tokens that are only inputs. Returns [B, T − h, C].
    public func causalConvolution(_ weight: Variable, bias: Variable? = nil, silu: Bool = false, history: Int = 0) -> Variable {
        guard shape.rank == 3, weight.shape.rank == 2, weight.shape[1] == shape[2], (0...shape[1]).contains(history),
            bias.map({ $0.shape == Shape(of: shape[2]) }) ?? true
        else {
            nstmFatal(
                .other(op: "causalConvolution", "x \(shape), weight \(weight.shape), history \(history)"),
                at: path(of: self, weight))
        }
        requireSameType("causalConvolution", self, weight, bias)
        let convolution = DepthwiseConvolution(
            value, weight: weight.value, bias: bias?.value, silu: silu, history: history)
        return record(
            "causalConvolution", self, weight, bias, value: convolution.forward(), saving: convolution
        ) { g, convolution, gradients in
            let d = convolution.pointee.backward(g)
            gradients.add(0, d.x)
            gradients.add(1, d.weight)
            if let bias = d.bias { gradients.add(2, bias) }
        }
    }
}
