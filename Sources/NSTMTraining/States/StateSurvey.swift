import Foundation
import NSTMAutograd
import NSTMData
import NSTMLayers
import NSTMModules
import NSTMTensor

/// A measurement of the states of a trained model on training batches, as input of pruning policies.
package final class StateSurvey: ForwardContext.Observer {
    /// The model.
    package let model: SequenceModel
    private let dataset: any Dataset
    private let batches: [Batch]
    private let needs: Set<StateView.Observation>
    private var statistics: [StateStatistics]
    private let layerIndices: LayerIndices
    private var losses = 0.0

    /// - Parameters:
    ///   - model: the model.
    ///   - dataset: the training data.
    ///   - batches: number of training batches.
    ///   - size: number of sequences of a batch.
    ///   - needs: quantities to measure.
    ///   - key: random key of the batches.
    package init(
        _ model: SequenceModel, _ dataset: any Dataset, batches: Int, size: Int, needs: Set<StateView.Observation>,
        key: RandomKey = RandomKey(0)
    ) {
        self.model = model
        self.dataset = dataset
        self.needs = needs
        let key = key.fold("survey"), layers = model.stateLayers
        self.batches = (0..<batches).map { dataset.trainingBatch(step: $0, size: size, key: key) }
        // With this smoothing, the exponential mean is nearly the arithmetic mean over batches.
        statistics = layers.map { _ in StateStatistics(smoothing: 1 - 1e-9) }
        layerIndices = LayerIndices(layers.map(\.path))
        for (step, batch) in self.batches.enumerated() {
            let context = ForwardContext(.evaluate, recording: needs.contains(.saliency))
            context.observer = self
            let loss = model.loss(batch, dataset.targetKind, context)
            losses += loss.value.item() / Double(batches)
            if needs.contains(.saliency) { _ = loss.backward() }
            for (i, layer) in layers.enumerated() {
                statistics[i].finish(step: step + 1, identities: layer.manager.identities, active: layer.manager.active)
            }
        }
    }
    /// Whether a value is needed for the survey.
    package func wants(_ name: String, at path: String) -> Bool {
        layerIndices[path] != nil && StateView.Observation(rawValue: name).map(needs.contains) ?? false
    }
    /// Adds a value to the statistics of its layer.
    package func observe(_ name: String, _ value: Tensor, at path: String) {
        if let i = layerIndices[path], let name = StateView.Observation(rawValue: name) { statistics[i].observe(name, value) }
    }

    /// The mean loss on the batches, with the present parameters and active states.
    package func loss() -> Double {
        var sum = 0.0, count = 0.0
        for batch in batches {
            let n = Double(batch.tokenCount)
            sum += model.loss(batch, dataset.targetKind, ForwardContext(.evaluate)).value.item() * n
            count += n
        }
        return sum / max(1, count)
    }
    /// The measurements of each layer, as input of policies.
    package func views() -> [StateView] {
        zip(model.stateLayers, statistics).map { layer, statistics in
            let ablation = needs.contains(.ablation) ? LayerLifecycle.ablation(layer, loss) : [:]
            var view = statistics.view(of: layer, step: batches.count, ablation: ablation)
            view.loss = losses
            return view
        }
    }
}

/// A single application of a pruning policy to the states of a trained model.
package struct PruningRound: Sendable {
    /// The decision on a state.
    package struct Decision: Sendable, Equatable {
        /// Layer, state, score and reason.
        package let event: StateEvent
        /// Whether the state was pruned.
        package let isPruned: Bool
    }
    /// The decisions on all active states, by layer and ascending score.
    package let decisions: [Decision]
    /// The events of pruned states.
    package var events: [StateEvent] { decisions.filter(\.isPruned).map(\.event) }

    /// Selects states and deactivates them.
    ///
    /// At least one state of each layer remains active.
    /// - Parameters:
    ///   - survey: measurements of the states.
    ///   - policy: the policy.
    ///   - keep: number of states to keep in each layer, by the policy's scores; nil for the candidates of the policy.
    ///   - step: number of completed training steps.
    package init(_ survey: StateSurvey, _ policy: any PruningPolicy, keep: Int?, step: Int) {
        var decisions: [Decision] = []
        for (layer, view) in zip(survey.model.stateLayers, survey.views()) {
            var policy = policy, active = layer.manager.active
            let scores = policy.scores(view, RandomKey(0)), order = scores.order
            let candidates: [(index: Int, reason: String)] =
                keep.map { k in order.prefix(max(0, scores.count - k)).map { ($0, "not among the \(k) highest scores") } }
                ?? policy.candidates(scores, view)
            let reasons = Dictionary(
                uniqueKeysWithValues: candidates.prefix(max(0, scores.count - 1)).map { ($0.index, $0.reason) })
            for i in order {
                let state = view.states[i]
                active[state.index] = reasons[i] == nil
                let event = StateEvent(
                    step: step, layer: layer.path, state: state.identity, kind: .pruned, score: scores[i],
                    reason: reasons[i] ?? "kept")
                decisions.append(Decision(event: event, isPruned: reasons[i] != nil))
            }
            layer.manager.active = active
        }
        self.decisions = decisions
    }
}

extension [Double] {
    /// Indices in ascending order of values; of equal values the later first.
    var order: [Int] { indices.sorted { self[$0] != self[$1] ? self[$0] < self[$1] : $0 > $1 } }
    /// Ranks from 1; equal values have their mean rank.
    var ranks: [Double] {
        let sorted = indices.sorted { self[$0] < self[$1] }
        var ranks = Array(repeating: 0.0, count: count), start = 0
        while start < count {
            var end = start + 1
            while end < count && self[sorted[end]] == self[sorted[start]] { end += 1 }
            for i in start..<end { ranks[sorted[i]] = Double(start + end + 1) / 2 }
            start = end
        }
        return ranks
    }
    /// Spearman's rank correlation with another list of the same count; 0 when one of the two is constant.
    public func rankCorrelation(with other: [Double]) -> Double {
        let a = ranks, b = other.ranks, mean = Double(count + 1) / 2
        var ab = 0.0, aa = 0.0, bb = 0.0
        for (x, y) in zip(a, b) {
            ab += (x - mean) * (y - mean)
            aa += (x - mean) * (x - mean)
            bb += (y - mean) * (y - mean)
        }
        return aa > 0 && bb > 0 ? ab / (aa * bb).squareRoot() : 0
    }
}
