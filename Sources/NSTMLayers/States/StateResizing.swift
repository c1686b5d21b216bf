import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Changes how many states the layers of a trained model have: removes inactive ones, or adds new ones.
///
/// It resizes every parameter with a state axis, and whatever has a tensor for each of those, such as an optimizer's moments.
///
/// ```swift
/// let resizing = StateResizing(removingInactive: model.stateLayers)      // or StateResizing(model.stateLayers, to: 128)
/// // … build `resized` with resizing.counts states …
/// try resizing.move(model, to: resized)
/// optimizer.restore(step: old.step, resizing.resize(old.state(order: paths), of: model.parameters))
/// ```
///
/// Without its inactive states a model computes what it computed with them masked, and learns alike. An added state begins where
/// the active ones begin on average, and reaches tokens as they do on average: learned rows are the mean of theirs. For a routing
/// policy that has no row for each state, such as `PointerRouting`, that makes a longer memory of the same kind.
public struct StateResizing: Sendable {
    public struct Layer: Sendable, Equatable {
        /// The layer's path in its model.
        public let path: String
        /// States there were.
        public let count: Int
        /// Indices of those that stay, in order.
        public let kept: [Int]
        /// Indices of those whose mean the added states begin with.
        public let active: [Int]
        /// States that are added behind those that stay.
        public let added: Int
        /// States there are then.
        public var newCount: Int { kept.count + added }
    }
    public let layers: [Layer]
    /// States of each layer after it.
    public var counts: [Int] { layers.map(\.newCount) }

    /// The active states stay.
    public init(removingInactive layers: [NSTMLayer]) {
        self.layers = layers.map { layer in
            let active = layer.manager.activeIndices
            return Layer(path: layer.path, count: layer.manager.count, kept: active, active: active, added: 0)
        }
    }
    /// All states stay, and each layer gets as many more as it takes to have `count`.
    /// - Throws: `StateResizingError` naming every layer that has more.
    public init(_ layers: [NSTMLayer], to count: Int) throws(StateResizingError) {
        let tooLarge = layers.filter { $0.manager.count > count }.map {
            "\($0.path) has \($0.manager.count) states, more than \(count)"
        }
        guard tooLarge.isEmpty else { throw StateResizingError(issues: tooLarge) }
        self.layers = layers.map { layer in
            let manager = layer.manager
            return Layer(
                path: layer.path, count: manager.count, kept: Array(0..<manager.count), active: manager.activeIndices,
                added: count - manager.count)
        }
    }

    /// A tensor that has one row for each row of a parameter, with the rows of states that stay, and behind them those of added
    /// states.
    /// - Parameter added: rows of the added states, in the tensor's shape but for the state axis; nil: zeros.
    public func resize(_ tensor: Tensor, of parameter: Parameter, added: Tensor? = nil) throws(StateResizingError) -> Tensor {
        guard let axis = parameter.stateAxis, let layer = layer(of: parameter) else { return tensor }
        guard tensor.shape == parameter.value.shape, tensor.shape[axis] == layer.count else {
            throw StateResizingError(issues: [
                "\(parameter.path): \(tensor.shape) was said to have the layer's \(layer.count) states on axis \(axis)"
            ])
        }
        let kept = layer.kept.count == layer.count ? tensor : tensor.rows(layer.kept, axis)
        guard layer.added > 0 else { return kept }
        let rows = added ?? .zeros(tensor.shape.replacing(axis, by: [layer.added]), dtype: tensor.dtype)
        return .concatenate([kept, rows], axis: axis)
    }
    /// The same for tensors named by parameter, or by anything and a slash before it (`m/blocks.0.mixer.router.weight`); rows of
    /// added states are zeros.
    public func resize(
        _ named: [(path: String, tensor: Tensor)], of parameters: ParameterStore
    ) throws(StateResizingError) -> [(path: String, tensor: Tensor)] {
        var result: [(path: String, tensor: Tensor)] = []
        for (path, tensor) in named {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            result.append(
                (path, try parameters[name].map { (p) throws(StateResizingError) in try resize(tensor, of: p) } ?? tensor))
        }
        return result
    }
    /// Gives the parameters of a model with `counts` states what this resizing makes of another's.
    ///
    /// Nothing is changed when they do not fit. Of parameters that are not learned (masks, identities, random directions) added
    /// states keep what the new model has.
    /// - Throws: `StateResizingError` naming all parameters that differ in shape: those whose strategies do not say which of
    ///   their axes counts states.
    public func move(_ model: SequenceModel, to new: SequenceModel) throws(StateResizingError) {
        try move(model.parameters, model.stateLayers, to: new.parameters, new.stateLayers)
    }
    /// The same for layers by themselves.
    public func move(
        _ parameters: ParameterStore, _ layers: [NSTMLayer], to new: ParameterStore, _ newLayers: [NSTMLayer]
    ) throws(StateResizingError) {
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
        guard issues.isEmpty else { throw StateResizingError(issues: issues) }
        for (p, value) in zip(new.all, values) { p.value = value!.cast(to: p.value.dtype) }
        for (layer, target) in zip(self.layers, newLayers) where layer.added > 0 {
            target.manager.giveIdentities(to: layer.kept.count..<layer.newCount)
        }
    }
    /// What the added states begin with; nil: nothing is added, or the new model's shape is another.
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

/// Why the number of states of a model cannot be changed: all reasons.
public struct StateResizingError: Error, Sendable, Equatable, CustomStringConvertible {
    public let issues: [String]
    public var description: String {
        "the number of states cannot be changed:" + issues.map { "\n  - \($0)" }.joined()
    }
}
