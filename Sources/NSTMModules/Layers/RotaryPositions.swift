import Foundation
import NSTMAutograd
import NSTMTensor

extension Variable {
    /// Rotary position embedding (Su et al., 2021) of [B, T, heads · d], d even: the same shape.
    ///
    /// Channels i and i + d/2 of a head form a pair. The pair of the token at position p is rotated by the angle p ·
    /// base^(−2i/d), so that products of queries and keys depend on distances only.
    ///
    /// - Parameters:
    ///   - heads: number of heads.
    ///   - position: position of the first token.
    ///   - base: base of the geometric series of angles.
    public func rotated(heads: Int, position: Int, base: Double = 10_000) -> Variable {
        guard shape.rank == 3, heads >= 1, shape[2] % (2 * heads) == 0 else {
            nstmFatal(
                .other(
                    op: "rotated",
                    "\(shape) cannot be split into \(heads) heads with an even number of channels; needs [B, T, heads · d]"),
                at: tape?.path ?? "")
        }
        let whole = shape.dims, T = whole[1], half = whole[2] / heads / 2
        var cosines: [Double] = [], sines: [Double] = []
        for t in 0..<T {
            for i in 0..<half {
                let angle = Double(position + t) * Foundation.pow(base, -Double(i) / Double(half))
                cosines.append(Foundation.cos(angle))
                sines.append(Foundation.sin(angle))
            }
        }
        let c = Variable(Tensor(cosines, [T, 1, half]).cast(to: dtype))
        let s = Variable(Tensor(sines, [T, 1, half]).cast(to: dtype))
        let parts = reshaped([whole[0], T, heads, 2 * half]).split(axis: 3, into: 2), a = parts[0], b = parts[1]
        return Variable.concatenate([a * c - b * s, a * s + b * c], axis: 3).reshaped(whole)
    }
}
