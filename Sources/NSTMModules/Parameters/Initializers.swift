import Foundation
import NSTMAutograd
import NSTMTensor

// Initializers of particular models.
extension Initializer {
    /// f(u) with u from U(low, high): log-uniform numbers if f is `exp`.
    public static func uniform(_ low: Double, _ high: Double, through f: @escaping @Sendable (Double) -> Double) -> Initializer {
        Initializer { s, key, t in
            Tensor(Tensor.uniform(s, low: low, high: high, key: key, dtype: .float64).doubles().map(f), s).cast(to: t)
        }
    }
    /// f(i, n) for element i of n of the last axis, the same in every row.
    public static func alongRow(_ f: @escaping @Sendable (_ i: Int, _ n: Int) -> Double) -> Initializer {
        Initializer { s, _, t in
            let n = max(1, s[-1])
            return Tensor((0..<s.count).map { f($0 % n, n) }, s).cast(to: t)
        }
    }
    /// A matrix with orthonormal rows (columns if it has fewer columns than rows), times a gain (Saxe et al., 2014): a normal
    /// random matrix, orthogonalized twice by the Gram–Schmidt process.
    ///
    /// Stops the program if the shape is not a matrix.
    public static func orthogonal(gain: Double = 1) -> Initializer {
        Initializer { s, key, t in
            guard s.rank == 2 else { nstmFatal(.other(op: "orthogonal", "needs a matrix, got \(s)")) }
            let wide = s[0] <= s[1], rows = min(s[0], s[1]), n = max(s[0], s[1])
            var q = Tensor.normal([rows, n], key: key, dtype: .float64).doubles()
            for i in 0..<rows {
                for _ in 0..<2 {
                    for j in 0..<i {
                        var dot = 0.0
                        for c in 0..<n { dot += q[i * n + c] * q[j * n + c] }
                        for c in 0..<n { q[i * n + c] -= dot * q[j * n + c] }
                    }
                }
                var squares = 0.0
                for c in 0..<n { squares += q[i * n + c] * q[i * n + c] }
                let scale = 1 / squares.squareRoot()
                for c in 0..<n { q[i * n + c] *= scale }
            }
            let matrix = Tensor(q, [rows, n]).affine(gain)
            return (wide ? matrix : matrix.transposed().contiguous()).cast(to: t)
        }
    }
    /// softplus⁻¹ of log-uniform step sizes (Gu & Dao 2023).
    /// - Parameters:
    ///   - low: lower bound of the distribution.
    ///   - high: upper bound of the distribution.
    ///   - minimum: smaller step sizes are raised to this one.
    public static func stepSizes(_ low: Double = 1e-3, _ high: Double = 0.1, minimum: Double = 1e-4) -> Initializer {
        uniform(log(low), log(high)) {
            let step = max(minimum, exp($0))
            return step + log(-expm1(-step))
        }
    }
}
