import Foundation
import NSTMAutograd
import NSTMTensor

/// Names, initializes and registers parameters in one line, and carries the path of the module being built:
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
    ///   - learningRateScale: factor of the learning rate of this parameter.
    ///   - maxLearningRate: upper limit of the learning rate of this parameter, after the factor.
    ///   - trainable: false for values that belong to the model and its checkpoints but are not learned (masks).
    ///   - stateAxis: the axis that counts the states of a layer. Whatever has one row a state says so here: that is how states are
    ///     removed from a model, its checkpoints and the optimizer (`StateResizing`), and how new ones get their parameters.
    public func callAsFunction(
        _ name: String, _ shape: Shape, _ initializer: Initializer, decays: Bool? = nil, learningRateScale: Double = 1,
        maxLearningRate: Double = .infinity, trainable: Bool = true, stateAxis: Int? = nil
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
            full, value, decays: decays ?? (shape.rank >= 2), learningRateScale: learningRateScale,
            maxLearningRate: maxLearningRate,
            stateAxis: stateAxis)
        p.isTrainable = trainable
        return p
    }
}
