import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Removes inactive states for good: from every parameter with a state axis, and from whatever has a tensor for each of those, such
/// as an optimizer's moments. The same layers built with fewer states and given what is left compute what the larger ones
/// computed with those states masked, and learn alike.
///
/// ```swift
/// let compaction = StateCompaction(large.stateLayers)
/// // … build `small` with compaction.counts states …
/// try compaction.move(large.parameters, to: small.parameters)
/// optimizer.restore(step: old.step, compaction.cut(old.state(order: paths), of: large.parameters))
/// ```
public struct StateCompaction: Sendable {
    public struct Layer: Sendable, Equatable {
        /// The layer's path in its model.
        public let path: String
        /// States there were.
        public let count: Int
        /// Places of those that stay, in order.
        public let kept: [Int]
    }
    public let layers: [Layer]
    /// States of each layer that stay.
    public var counts: [Int] { layers.map(\.kept.count) }

    /// The active states stay.
    public init(_ layers: [NSTMLayer]) {
        self.layers = layers.map { layer in
            let active = layer.manager.active
            return Layer(path: layer.path, count: active.count, kept: active.indices.filter { active[$0] })
        }
    }

    /// What stays of a tensor that has one row for each row of a parameter.
    public func cut(_ tensor: Tensor, of parameter: Parameter) throws(CompactionError) -> Tensor {
        guard let axis = parameter.stateAxis, let layer = layer(of: parameter) else { return tensor }
        guard tensor.shape == parameter.value.shape, tensor.shape[axis] == layer.count else {
            throw CompactionError(faults: [
                "\(parameter.path): \(tensor.shape) was said to have the layer's \(layer.count) states on axis \(axis)"
            ])
        }
        return layer.kept.count == layer.count
            ? tensor : tensor.indexSelect(axis, Tensor(layer.kept.map { Int32($0) })).contiguous()
    }
    /// What stays of tensors named by parameter, or by anything and a slash before it (`m/blocks.0.mixer.router.weight`).
    public func cut(
        _ named: [(path: String, tensor: Tensor)], of parameters: ParameterStore
    ) throws(CompactionError) -> [(path: String, tensor: Tensor)] {
        var result: [(path: String, tensor: Tensor)] = []
        for (path, tensor) in named {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            result.append((path, try parameters[name].map { (p) throws(CompactionError) in try cut(tensor, of: p) } ?? tensor))
        }
        return result
    }
    /// Gives the parameters of a smaller model what stays of a larger one's. Nothing is changed when they do not fit.
    /// - Throws: `CompactionError` naming all parameters that differ in shape: those whose strategies do not say which of their axes
    ///   counts states.
    public func move(_ parameters: ParameterStore, to smaller: ParameterStore) throws(CompactionError) {
        var faults: [String] = [], values: [Tensor?] = []
        for p in smaller.all {
            guard let old = parameters[p.path] else {
                faults.append("\(p.path): only the smaller model has it")
                continue
            }
            let value = try cut(old.value, of: old)
            if value.shape != p.value.shape {
                let hint = old.stateAxis == nil ? "; its strategy gives it no stateAxis" : ""
                faults.append(
                    "\(p.path): \(value.shape) is left of \(old.value.shape), the smaller model has \(p.value.shape)\(hint)")
            }
            values.append(value)
        }
        for p in parameters.all where smaller[p.path] == nil { faults.append("\(p.path): only the larger model has it") }
        guard faults.isEmpty else { throw CompactionError(faults: faults) }
        for (p, value) in zip(smaller.all, values) { p.value = value!.cast(to: p.value.dtype) }
    }
    private func layer(of parameter: Parameter) -> Layer? {
        layers.first { $0.path.isEmpty || parameter.path.hasPrefix($0.path + ".") }
    }
}

/// Why states cannot be removed from a model: all faults.
public struct CompactionError: Error, Sendable, Equatable, CustomStringConvertible {
    public let faults: [String]
    public var description: String { "states cannot be removed:" + faults.map { "\n  - \($0)" }.joined() }
}
