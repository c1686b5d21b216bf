import Foundation
import NSTMAutograd
import NSTMTensor

/// A builder that names, initializes and registers the parameters of the module at a path.
///
/// ```swift
/// weight = parameters("weight", [n, d], .fanIn)      // "blocks.0.router.weight"
/// ```
///
/// The initial value of a parameter depends only on the seed and its path, not on earlier declarations.
public struct ParameterBuilder {
    /// The store in which the parameters are registered.
    public let store: ParameterStore
    /// Path of the module being built, such as `blocks.0.router`; empty for the root.
    public let path: String
    private let key: RandomKey
    /// Element type of the parameters: float32, or float64 for gradient checks.
    public let dtype: DType
    /// Whether parameters are declared without memory (`outline`).
    private let isOutline: Bool

    public init(_ store: ParameterStore = ParameterStore(), seed: UInt64, dtype: DType = .float32) {
        self.init(store: store, path: "", key: RandomKey(seed).fold("parameters"), dtype: dtype, isOutline: false)
    }
    /// A builder of parameters without memory: each one is a broadcast view of a single zero.
    ///
    /// A model built with it has the names, shapes and limits of the real one, whatever its size, but cannot compute.
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

    /// The builder of a submodule: `path.name`.
    public func child(_ name: String) -> ParameterBuilder {
        ParameterBuilder(store: store, path: joined(name), key: key, dtype: dtype, isOutline: isOutline)
    }
    /// The builder of element i of a list of submodules: `path.name.i`.
    public func child(_ name: String, _ i: Int) -> ParameterBuilder { child(name).child(String(i)) }

    /// Declares a parameter.
    ///
    /// Stops the program if the path is already declared or the initializer gives another shape.
    /// - Parameters:
    ///   - decays: whether weight decay applies; nil for parameters with two axes or more.
    ///   - learningRateScale: factor of the learning rate of this parameter.
    ///   - maxLearningRate: upper bound of the scaled learning rate.
    ///   - trainable: false for values that are stored with the model but not learned (masks).
    ///   - stateAxis: the axis that indexes the states of a layer; required for every parameter with one row per state. States
    ///     are removed from a model, its checkpoints and the optimizer along it (`StateResizing`), and allocated along it.
    public func callAsFunction(
        _ name: String, _ shape: Shape, _ initializer: Initializer, decays: Bool? = nil, learningRateScale: Double = 1,
        maxLearningRate: Double = .infinity, trainable: Bool = true, stateAxis: Int? = nil
    ) -> Parameter {
        let full = joined(name)
        let value =
            isOutline
            ? Tensor(repeating: 0, [], dtype: dtype).broadcast(to: shape) : initializer.fill(shape, key.fold(full), dtype)
        guard value.shape == shape else {
            nstmFatal(.other(op: "parameter", "the initial value has shape \(value.shape), declared is \(shape)"), at: full)
        }
        if let stateAxis, !(0..<shape.rank).contains(stateAxis) {
            nstmFatal(.other(op: "parameter", "the state axis \(stateAxis) is out of range for shape \(shape)"), at: full)
        }
        let p = store.add(
            full, value, decays: decays ?? (shape.rank >= 2), learningRateScale: learningRateScale,
            maxLearningRate: maxLearningRate,
            stateAxis: stateAxis)
        p.isTrainable = trainable
        return p
    }
}
