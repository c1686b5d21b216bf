import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// The lifecycles of the states of all layers of a model.
///
/// A training loop sets it as the observer of each pass, ends each step with `finish`, and saves `memory`:
///
/// ```swift
/// let lifecycle = StateLifecycle(model)
/// context.observer = lifecycle
/// … forward, backward, update …
/// for change in lifecycle.finish(step: step, loss: loss, key: key, measure: { … }) { … }
/// ```
package final class StateLifecycle: ForwardContext.Observer {
    package let layers: [LayerLifecycle]
    private let layerIndices: LayerIndices

    /// The lifecycles of the layers whose settings allow pruning or allocation; nil if there are none.
    package init?(_ layers: [NSTMLayer]) {
        self.layers = layers.compactMap { layer in layer.lifecycle.flatMap { $0.isEventful ? LayerLifecycle(layer, $0) : nil } }
        layerIndices = LayerIndices(self.layers.map(\.path))
        guard !self.layers.isEmpty else { return nil }
    }
    package convenience init?(_ model: SequenceModel) { self.init(model.stateLayers) }

    package func wants(_ name: String, at path: String) -> Bool {
        guard let i = layerIndices[path], let name = StateView.Observation(rawValue: name) else { return false }
        return layers[i].needs.contains(name)
    }
    package func observe(_ name: String, _ value: Tensor, at path: String) {
        guard let i = layerIndices[path], let name = StateView.Observation(rawValue: name) else { return }
        layers[i].observe(name, value)
    }
    /// Ends a training step.
    /// - Parameters:
    ///   - step: steps done, this one included.
    ///   - loss: its training loss.
    ///   - measure: the model's loss on a fixed batch.
    /// - Returns: the changes. The optimizer's moments at the index of a new state are to be set to zero.
    package func finish(step: Int, loss: Double, key: RandomKey, measure: () -> Double) -> [(
        layer: NSTMLayer, change: LayerLifecycle.Change
    )] {
        layers.flatMap { lifecycle in
            lifecycle.finish(step: step, loss: loss, key: key, measure: measure).map { (lifecycle.layer, $0) }
        }
    }

    /// The state of the lifecycles that a resumed run needs, by layer.
    package struct Memory: StoredValue {
        let layers: [String: LayerLifecycle.Memory]

        package var issues: [String] {
            var issues = RangeIssues()
            for (path, memory) in layers.sorted(by: { $0.key < $1.key }) { issues.add("layers.\(path)", memory) }
            return issues.list
        }
    }
    package var memory: Memory { Memory(layers: Dictionary(uniqueKeysWithValues: layers.map { ($0.path, $0.saved) })) }
    /// A closure that restores a saved memory.
    /// - Throws: `StoredValueError` if the memory of a policy is of another kind or out of range; nothing is changed in this
    ///   case.
    package func restoration(of memory: Memory) throws -> () -> Void {
        let parts = try layers.compactMap { lifecycle in
            try memory.layers[lifecycle.path].map { try lifecycle.restoration(of: $0) }
        }
        return { for part in parts { part() } }
    }
}
