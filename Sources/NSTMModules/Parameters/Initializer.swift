import Foundation
import NSTMAutograd
import NSTMTensor

/// A rule for the initial values of a parameter.
public struct Initializer: Sendable {
    let fill: @Sendable (Shape, RandomKey, DType) -> Tensor
    /// - Parameter fill: the initial values; must be a pure function with a result of the given shape and element type.
    public init(_ fill: @escaping @Sendable (Shape, RandomKey, DType) -> Tensor) { self.fill = fill }
    /// Initial values of a parameter of a shape.
    public func callAsFunction(_ shape: Shape, _ key: RandomKey, _ dtype: DType) -> Tensor { fill(shape, key, dtype) }

    /// All elements 0.
    public static let zeros = constant(0)
    /// All elements 1.
    public static let ones = constant(1)
    /// All elements `value`.
    public static func constant(_ value: Double) -> Initializer {
        Initializer { s, _, t in Tensor(repeating: value, s, dtype: t) }
    }
    /// U(−bound, bound).
    public static func uniform(bound: Double) -> Initializer {
        Initializer { s, key, t in .uniform(s, low: -bound, high: bound, key: key, dtype: t) }
    }
    /// N(0, standardDeviation²).
    public static func normal(standardDeviation: Double) -> Initializer {
        Initializer { s, key, t in .normal(s, standardDeviation: standardDeviation, key: key, dtype: t) }
    }
    /// U(±1/√fan_in), where fan_in is the size of the last axis: the default of `Linear`.
    public static let fanIn = Initializer { s, key, t in
        let bound = 1 / Double(max(1, s.rank > 0 ? s[-1] : 1)).squareRoot()
        return .uniform(s, low: -bound, high: bound, key: key, dtype: t)
    }
    /// U(±√(6/(fan_in + fan_out))) (Glorot & Bengio 2010).
    public static let xavier = Initializer { s, key, t in
        let bound = (6 / Double(max(1, s[-1] + s[-2]))).squareRoot()
        return .uniform(s, low: -bound, high: bound, key: key, dtype: t)
    }
    /// Evenly spaced elements from `first` to `last`, in row-major order.
    public static func spaced(_ first: Double, _ last: Double) -> Initializer {
        Initializer { s, _, t in
            let n = s.count
            return Tensor((0..<n).map { n == 1 ? first : first + (last - first) * Double($0) / Double(n - 1) }, s).cast(to: t)
        }
    }
    /// Given values.
    public static func values(_ value: Tensor) -> Initializer { Initializer { _, _, t in value.cast(to: t) } }
}
