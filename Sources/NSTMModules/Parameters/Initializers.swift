import Foundation
import NSTMAutograd
import NSTMTensor

// Beginnings that particular models ask for.
extension Initializer {
    /// f of numbers drawn from U(low, high), such as `exp` of the logarithms of step sizes.
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
    /// A matrix with orthonormal rows, or columns when there are fewer of those, times a gain (Saxe et al. 2014): Gram and Schmidt's
    /// process, done twice, on normal numbers.
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
    /// What softplus turns into step sizes between two bounds, log-uniform (Gu & Dao 2023); none starts below the floor.
    public static func stepSizes(_ low: Double = 1e-3, _ high: Double = 0.1, floor: Double = 1e-4) -> Initializer {
        uniform(log(low), log(high)) {
            let step = max(floor, exp($0))
            return step + log(-expm1(-step))
        }
    }
}
