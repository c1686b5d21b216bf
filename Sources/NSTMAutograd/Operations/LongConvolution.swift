import NSTMTensor

extension Variable {
    /// Causal depthwise convolution with filters up to the length of the sequence, by Fourier transforms in O(T log T) (as in
    /// Hyena, Poli et al., 2023, and the convolution form of S4, Gu et al., 2022): y[b, t, c] = Σ_s filter[s, c] · x[b, t − s,
    /// c].
    ///
    /// x: [B, T, C]; filter: [L, C], its first tap at the current element (`causalConvolution` has it last); taps beyond T
    /// have no effect. For filters of a few taps `causalConvolution` is faster.
    public func longConvolution(_ filter: Variable) -> Variable {
        guard shape.rank == 3, filter.shape.rank == 2, filter.shape[1] == shape[2] else {
            nstmFatal(
                .other(op: "longConvolution", "x \(shape) needs [B, T, C], filter \(filter.shape) needs [L, C]"),
                at: path(of: self, filter))
        }
        requireSameType("longConvolution", self, filter)
        let u = value.contiguous(), h = filter.value.contiguous()
        let convolution = LongConvolution(batch: shape[0], time: shape[1], channels: shape[2], taps: filter.shape[0])
        return record(
            "longConvolution", [self, filter], convolution.forward(u, h),
            .pullback { g, gradients in
                let d = convolution.gradients(u, h, g.contiguous())
                gradients.add(0, d.u)
                gradients.add(1, d.h)
            })
    }
}
