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
    public static func normal(deviation: Double) -> Initializer {
        Initializer { s, key, t in .normal(s, deviation: deviation, key: key, dtype: t) }
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

/// All parameters of a model. The order of declaration is the order of saving, of the optimizer and of summaries.
public final class ParameterStore {
    public private(set) var all: [Parameter] = []
    private var index: [String: Int] = [:]
    public init() {}

    func add(
        _ path: String, _ value: Tensor, decays: Bool, rateFactor: Double, rateLimit: Double, stateAxis: Int?
    ) -> Parameter {
        if index[path] != nil { fatalError("parameter '\(path)' is declared twice") }
        let p = Parameter(
            path: path, index: all.count, value: value, decays: decays, rateFactor: rateFactor, rateLimit: rateLimit,
            stateAxis: stateAxis)
        index[path] = all.count
        all.append(p)
        return p
    }
    public subscript(path: String) -> Parameter? { index[path].map { all[$0] } }
    /// Number of trainable elements.
    public var trainableCount: Int { all.reduce(0) { $0 + ($1.isTrainable ? $1.value.count : 0) } }
}

/// Names, initialises and registers parameters in one line, and carries the path of the module being built:
///
/// ```swift
/// weight = parameters("weight", [n, d], .fanIn)      // "blocks.0.router.weight"
/// ```
///
/// What a parameter starts with depends on the seed and its path only, not on what was declared before it.
public struct ParameterBuilder {
    public let store: ParameterStore
    public let path: String
    private let key: RandomKey
    /// Element type of the parameters: float32, or float64 for gradient checks.
    public let dtype: DType
    /// Whether parameters are declared only (`outline`).
    private let isOutline: Bool

    public init(_ store: ParameterStore = ParameterStore(), seed: UInt64, dtype: DType = .float32) {
        self.init(store: store, path: "", key: RandomKey(seed).fold("parameters"), dtype: dtype, isOutline: false)
    }
    /// Declares parameters that take no memory: views of a single zero. A model that is built from it has the names, shapes and limits of
    /// the real one, however large that would be, and is not for computing.
    public static func outline(dtype: DType = .float32) -> ParameterBuilder {
        ParameterBuilder(store: ParameterStore(), path: "", key: RandomKey(0), dtype: dtype, isOutline: true)
    }
    private init(store: ParameterStore, path: String, key: RandomKey, dtype: DType, isOutline: Bool) {
        self.isOutline = isOutline
        self.store = store
        self.path = path
        self.key = key
        self.dtype = dtype
    }
    private func joined(_ name: String) -> String { path.isEmpty ? name : path + "." + name }

    public func child(_ name: String) -> ParameterBuilder {
        ParameterBuilder(store: store, path: joined(name), key: key, dtype: dtype, isOutline: isOutline)
    }
    public func child(_ name: String, _ i: Int) -> ParameterBuilder { child(name).child(String(i)) }

    /// Declares a parameter.
    /// - Parameters:
    ///   - decays: whether weight decay applies; by default to everything with two axes or more.
    ///   - rateFactor, rateLimit: what the learning rate of this parameter is multiplied with, and the most it may be then.
    ///   - trainable: false for values that belong to the model and its checkpoints but are not learned (masks).
    ///   - stateAxis: the axis that counts the states of a layer. Whatever has one row a state says so here: that is how states are
    ///     removed from a model, its checkpoints and the optimizer (`StateResizing`), and how new ones get their parameters.
    public func callAsFunction(
        _ name: String, _ shape: Shape, _ initializer: Initializer, decays: Bool? = nil, rateFactor: Double = 1,
        rateLimit: Double = .infinity, trainable: Bool = true, stateAxis: Int? = nil
    ) -> Parameter {
        let full = joined(name)
        let value =
            isOutline
            ? Tensor(repeating: 0, [], dtype: dtype).broadcast(to: shape) : initializer.fill(shape, key.fold(full), dtype)
        guard value.shape == shape else {
            nstmFatal(.other(op: "parameter", "initial value \(value.shape), declared \(shape)"), at: full)
        }
        if let stateAxis, !(0..<shape.rank).contains(stateAxis) {
            nstmFatal(.other(op: "parameter", "no state axis \(stateAxis) in \(shape)"), at: full)
        }
        let p = store.add(
            full, value, decays: decays ?? (shape.rank >= 2), rateFactor: rateFactor, rateLimit: rateLimit,
            stateAxis: stateAxis)
        p.isTrainable = trainable
        return p
    }
}
