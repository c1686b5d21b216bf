import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Changes the number of states of the layers of a trained model: removes inactive ones or adds new ones.
///
/// It resizes every parameter with a state axis, and tensors that correspond to these parameters, such as an optimizer's moments.
///
/// ```swift
/// let resizing = StateResizing(removingInactive: model.stateLayers)      // or StateResizing(model.stateLayers, to: 128)
/// // … build `resized` with resizing.counts states …
/// try resizing.move(model, to: resized)
/// optimizer.restore(step: old.step, resizing.resize(old.state(order: paths), of: model.parameters))
/// ```
///
/// Without its inactive states a model computes the same as with them masked, and trains in the same way. Learned rows of an
/// added state, its initial values and router rows among them, are the mean over the active states. For a routing policy without
/// a row per state, such as `PointerRouting`, this extends the memory.
public struct StateResizing: Sendable {
    public struct Layer: Sendable, Equatable {
        /// The layer's path in its model.
        public let path: String
        /// Number of states before the resizing.
        public let count: Int
        /// Indices of the kept states, in order.
        public let kept: [Int]
        /// Indices of the states whose mean initializes the added ones.
        public let active: [Int]
        /// Number of states that are added after the kept ones.
        public let added: Int
        /// Number of states after the resizing.
        public var newCount: Int { kept.count + added }
    }
    public let layers: [Layer]
    /// Number of states of each layer after the resizing.
    public var counts: [Int] { layers.map(\.newCount) }

    /// Keeps the active states.
    public init(removingInactive layers: [NSTMLayer]) {
        self.layers = layers.map { layer in
            let active = layer.manager.activeIndices
            return Layer(path: layer.path, count: layer.manager.count, kept: active, active: active, added: 0)
        }
    }
    /// Keeps all states and adds new ones up to `count` per layer.
    /// - Throws: `StateResizing.Error` naming every layer with more states.
    public init(_ layers: [NSTMLayer], to count: Int) throws(StateResizing.Error) {
        let tooLarge = layers.filter { $0.manager.count > count }.map {
            "\($0.path) has \($0.manager.count) states, more than \(count)"
        }
        guard tooLarge.isEmpty else { throw StateResizing.Error(issues: tooLarge) }
        self.layers = layers.map { layer in
            let manager = layer.manager
            return Layer(
                path: layer.path, count: manager.count, kept: Array(0..<manager.count), active: manager.activeIndices,
                added: count - manager.count)
        }
    }

    /// A tensor with a row per row of a parameter, reduced to the rows of kept states, followed by those of added states.
    /// - Parameter added: rows of the added states, in the tensor's shape except for the state axis; nil: zeros.
    public func resize(_ tensor: Tensor, of parameter: Parameter, added: Tensor? = nil) throws(StateResizing.Error) -> Tensor {
        guard let axis = parameter.stateAxis, let layer = layer(of: parameter) else { return tensor }
        guard tensor.shape == parameter.value.shape, tensor.shape[axis] == layer.count else {
            throw StateResizing.Error(issues: [
                "\(parameter.path): \(tensor.shape) was said to have the layer's \(layer.count) states on axis \(axis)"
            ])
        }
        let kept = layer.kept.count == layer.count ? tensor : tensor.rows(layer.kept, axis)
        guard layer.added > 0 else { return kept }
        let rows = added ?? .zeros(tensor.shape.replacing(axis, by: [layer.added]), dtype: tensor.dtype)
        return .concatenate([kept, rows], axis: axis)
    }
    /// As `resize(_:of:added:)`, for tensors named by parameter, optionally with a prefix and a slash
    /// (`m/blocks.0.mixer.router.weight`); rows of added states are zeros.
    public func resize(
        _ named: [(path: String, tensor: Tensor)], of parameters: ParameterStore
    ) throws(StateResizing.Error) -> [(path: String, tensor: Tensor)] {
        var result: [(path: String, tensor: Tensor)] = []
        for (path, tensor) in named {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            result.append(
                (path, try parameters[name].map { (p) throws(StateResizing.Error) in try resize(tensor, of: p) } ?? tensor))
        }
        return result
    }
    /// Sets the parameters of a model with `counts` states to the resized ones of another model.
    ///
    /// Nothing is changed if they do not fit. Parameters that are not learned (masks, identities, random directions) of added
    /// states keep the values of the new model.
    /// - Throws: `StateResizing.Error` naming all parameters with different shapes: those whose strategies do not declare the
    ///   state axis.
    public func move(_ model: SequenceModel, to new: SequenceModel) throws(StateResizing.Error) {
        try move(model.parameters, model.stateLayers, to: new.parameters, new.stateLayers)
    }
    /// As `move(_:to:)`, for layers outside a model.
    public func move(
        _ parameters: ParameterStore, _ layers: [NSTMLayer], to new: ParameterStore, _ newLayers: [NSTMLayer]
    ) throws(StateResizing.Error) {
        var issues: [String] = [], values: [Tensor?] = []
        for p in new.all {
            guard let old = parameters[p.path] else {
                issues.append("\(p.path): only the new model has it")
                continue
            }
            let value = try resize(old.value, of: old, added: addedRows(of: old, in: p))
            if value.shape != p.value.shape {
                let hint = old.stateAxis == nil ? "; its strategy gives it no stateAxis" : ""
                issues.append(
                    "\(p.path): \(old.value.shape) becomes \(value.shape), the new model has \(p.value.shape)\(hint)")
            }
            values.append(value)
        }
        for p in parameters.all where new[p.path] == nil { issues.append("\(p.path): only the old model has it") }
        guard issues.isEmpty else { throw StateResizing.Error(issues: issues) }
        for (p, value) in zip(new.all, values) { p.value = value!.cast(to: p.value.dtype) }
        for (layer, target) in zip(self.layers, newLayers) where layer.added > 0 {
            target.manager.giveIdentities(to: layer.kept.count..<layer.newCount)
        }
    }
    /// The initial rows of the added states; nil if none are added or the new model has another shape.
    private func addedRows(of old: Parameter, in new: Parameter) -> Tensor? {
        guard let axis = old.stateAxis, let layer = layer(of: old), layer.added > 0, new.value.shape.rank == old.value.shape.rank
        else { return nil }
        let shape = old.value.shape.replacing(axis, by: [layer.added])
        if old.isTrainable {
            return old.value.rows(layer.active, axis).mean(axes: [axis], keepDims: true).broadcast(to: shape)
        }
        guard new.value.shape[axis] == layer.newCount else { return nil }
        return new.value.slice(axis: axis, layer.kept.count..<layer.newCount)
    }
    private func layer(of parameter: Parameter) -> Layer? {
        layers.first { $0.path.isEmpty || parameter.path.hasPrefix($0.path + ".") }
    }
}

extension Tensor {
    fileprivate func rows(_ indices: [Int], _ axis: Int) -> Tensor {
        indexSelect(axis: axis, Tensor(indices.map { Int32($0) })).contiguous()
    }
}

extension StateResizing {
    /// The reasons why the number of states of a model cannot be changed.
    public struct Error: Swift.Error, Sendable, Equatable, CustomStringConvertible {
        public let issues: [String]
        public var description: String {
            "the number of states cannot be changed:" + issues.map { "\n  - \($0)" }.joined()
        }
    }
}
