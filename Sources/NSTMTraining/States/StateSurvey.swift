import Foundation
import NSTMAutograd
import NSTMData
import NSTMLayers
import NSTMModules
import NSTMTensor

/// What the states of a trained model do, measured on training batches: what policies on life and death go by, without training.
public final class StateSurvey: PassObserver {
    public let model: SequenceModel
    private let dataset: any Dataset
    private let batches: [Batch]
    private let needs: Set<StateObservation>
    private var statistics: [StateStatistics]
    private let places: LayerIndices
    private var losses = 0.0

    /// - Parameters:
    ///   - batches: how many training batches are read, and how many sequences each has.
    ///   - needs: what is observed.
    public init(
        _ model: SequenceModel, _ dataset: any Dataset, batches: Int, size: Int, needs: Set<StateObservation>,
        key: RandomKey = RandomKey(0)
    ) {
        self.model = model
        self.dataset = dataset
        self.needs = needs
        let key = key.fold("survey"), layers = model.stateLayers
        self.batches = (0..<batches).map { dataset.trainingBatch(step: $0, size: size, key: key) }
        // Nearly the plain mean over batches.
        statistics = layers.map { _ in StateStatistics(smoothing: 1 - 1e-9) }
        places = LayerIndices(layers.map(\.path))
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
    public func wants(_ name: String, at path: String) -> Bool {
        places[path] != nil && StateObservation(rawValue: name).map(needs.contains) ?? false
    }
    public func observe(_ name: String, _ value: Tensor, at path: String) {
        if let i = places[path], let name = StateObservation(rawValue: name) { statistics[i].observe(name, value) }
    }

    /// The model's mean loss on the batches as it is now.
    public func loss() -> Double {
        var sum = 0.0, count = 0.0
        for batch in batches {
            let n = Double(batch.tokenCount)
            sum += model.loss(batch, dataset.targetKind, ForwardContext(.evaluate)).value.item() * n
            count += n
        }
        return sum / max(1, count)
    }
    /// What policies see of each layer.
    public func views() -> [StateView] {
        zip(model.stateLayers, statistics).map { layer, statistics in
            let ablation = needs.contains(.ablation) ? LayerLifecycle.ablation(layer, loss) : [:]
            var view = statistics.view(of: layer, step: batches.count, ablation: ablation)
            view.loss = losses
            return view
        }
    }
}

/// Switches states of a trained model off, once, by a policy.
public struct PruningRound: Sendable {
    public struct Decision: Sendable, Equatable {
        public let event: StateEvent
        public let dies: Bool
    }
    /// Every active state with its score, layer by layer, those that are worth least first.
    public let decisions: [Decision]
    public var events: [StateEvent] { decisions.filter(\.dies).map(\.event) }

    /// Decides, and switches off.
    /// - Parameters:
    ///   - keep: states that stay in each layer, by the policy's scores; nil lets the policy say who dies. One always stays.
    ///   - step: training steps done.
    public init(_ survey: StateSurvey, _ policy: any PruningPolicy, keep: Int?, step: Int) {
        var decisions: [Decision] = []
        for (layer, view) in zip(survey.model.stateLayers, survey.views()) {
            var policy = policy, active = layer.manager.active
            let scores = policy.scores(view, RandomKey(0)), order = scores.order
            let candidates: [(index: Int, reason: String)] =
                keep.map { k in order.prefix(max(0, scores.count - k)).map { ($0, "not among the \(k) of the highest scores") } }
                ?? policy.candidates(scores, view)
            let reasons = Dictionary(
                uniqueKeysWithValues: candidates.prefix(max(0, scores.count - 1)).map { ($0.index, $0.reason) })
            for i in order {
                let state = view.states[i]
                active[state.place] = reasons[i] == nil
                let event = StateEvent(
                    step: step, layer: layer.path, state: state.identity, kind: .pruned, score: scores[i],
                    reason: reasons[i] ?? "stays")
                decisions.append(Decision(event: event, dies: reasons[i] != nil))
            }
            layer.manager.active = active
        }
        self.decisions = decisions
    }
}

extension [Double] {
    /// Indices by value, smallest first; of equals the later first.
    var order: [Int] { indices.sorted { self[$0] != self[$1] ? self[$0] < self[$1] : $0 > $1 } }
    /// Ranks from 1; equals share their mean rank.
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
    /// Spearman's rank correlation: Pearson's of the ranks; 0 when one of the two is all the same.
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
