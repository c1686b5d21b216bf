import Foundation
import NSTMAutograd
import NSTMTensor

/// How a parameter starts.
public struct Initializer: Sendable {
    let fill: @Sendable (Shape, RandomKey, DType) -> Tensor
    public init(_ fill: @escaping @Sendable (Shape, RandomKey, DType) -> Tensor) { self.fill = fill }
    /// What a parameter of this shape would start with.
    public func callAsFunction(_ shape: Shape, _ key: RandomKey, _ dtype: DType) -> Tensor { fill(shape, key, dtype) }

    public static let zeros = constant(0)
    public static let ones = constant(1)
    public static func constant(_ value: Double) -> Initializer {
        Initializer { s, _, t in Tensor(repeating: value, s, dtype: t) }
    }
    public static func uniform(bound: Double) -> Initializer {
        Initializer { s, key, t in .uniform(s, low: -bound, high: bound, key: key, dtype: t) }
    }
    public static func normal(standardDeviation: Double) -> Initializer {
        Initializer { s, key, t in .normal(s, standardDeviation: standardDeviation, key: key, dtype: t) }
    }
    /// U(±1/√fan_in), fan_in being the last axis: what a plain linear map starts with.
    public static let fanIn = Initializer { s, key, t in
        let bound = 1 / Double(max(1, s.rank > 0 ? s[-1] : 1)).squareRoot()
        return .uniform(s, low: -bound, high: bound, key: key, dtype: t)
    }
    /// U(±√(6/(fan_in + fan_out))) (Glorot & Bengio 2010).
    public static let xavier = Initializer { s, key, t in
        let bound = (6 / Double(max(1, s[-1] + s[-2]))).squareRoot()
        return .uniform(s, low: -bound, high: bound, key: key, dtype: t)
    }
    /// Elements at even distances from first to last, in row-major order.
    public static func spaced(_ first: Double, _ last: Double) -> Initializer {
        Initializer { s, _, t in
            let n = s.count
            return Tensor((0..<n).map { n == 1 ? first : first + (last - first) * Double($0) / Double(n - 1) }, s).cast(to: t)
        }
    }
    /// Given values.
    public static func values(_ value: Tensor) -> Initializer { Initializer { _, _, t in value.cast(to: t) } }
}
