import CNSTMKernels

/// A circular convolution of weights x [B, H, N] with a kernel s [B, H, 2r + 1] over the offsets −r … r:
/// yᵢ = Σⱼ x₍ᵢ₋ⱼ₎ sⱼ with indices modulo N.
package struct CircularShift {
    private let x: Tensor, s: Tensor
    private var rows: Int { x.shape[0] * x.shape[1] }

    package init(_ x: Tensor, _ s: Tensor) { (self.x, self.s) = (x.contiguous(), s.contiguous()) }

    package func forward() -> Tensor {
        let y = Tensor(uninitializedLike: x)
        nstm_circular_shift_forward(
            x.dtype.real, rows, x.shape[2], s.shape[2], x.pointer, s.pointer, y.uninitializedPointer)
        return y
    }
    package func backward(_ dy: Tensor) -> (x: Tensor, s: Tensor) {
        let dx = Tensor(uninitializedLike: x), ds = Tensor(uninitializedLike: s), dy = dy.contiguous()
        nstm_circular_shift_backward(
            x.dtype.real, rows, x.shape[2], s.shape[2], x.pointer, s.pointer, dy.pointer, dx.uninitializedPointer,
            ds.uninitializedPointer)
        withExtendedLifetime(dy) {}
        return (dx, ds)
    }
}

/// Weights x [B, H, N] raised to exponents γ [B, H] and scaled to sum to 1, as softmax(γ log(x + 10⁻¹⁶)), which underflows for no
/// exponent.
package struct Sharpening {
    private let x: Tensor, exponent: Tensor
    private var rows: Int { x.shape[0] * x.shape[1] }

    package init(_ x: Tensor, _ exponent: Tensor) { (self.x, self.exponent) = (x.contiguous(), exponent.contiguous()) }

    package func forward() -> Tensor {
        let y = Tensor(uninitializedLike: x)
        nstm_sharpen_forward(x.dtype.real, rows, x.shape[2], x.pointer, exponent.pointer, y.uninitializedPointer)
        return y
    }
    package func backward(_ y: Tensor, _ dy: Tensor) -> (x: Tensor, exponent: Tensor) {
        let dx = Tensor(uninitializedLike: x), dExponent = Tensor(uninitializedLike: exponent), dy = dy.contiguous()
        nstm_sharpen_backward(
            x.dtype.real, rows, x.shape[2], x.pointer, exponent.pointer, y.pointer, dy.pointer, dx.uninitializedPointer,
            dExponent.uninitializedPointer)
        withExtendedLifetime(dy) {}
        return (dx, dExponent)
    }
}
