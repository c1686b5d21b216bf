import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMModules
import NSTMTensor

extension StateView {
    /// The quantities on which policies base their decisions.
    ///
    /// Layers report them during a pass (`ForwardContext.observe`).
    public enum Observation: String, Codable, Sendable, CaseIterable {
        /// Write weights [B, T, N].
        case write
        /// Read weights [B, H, T, N]; rules that do not run as a fused scan report them token by token.
        case read
        /// Gradient of the loss with respect to the logarithm of each state's activity, [B, N].
        ///
        /// This is g · a at a = 1, the first-order change of the loss when the state fades (Molchanov et al., 2019, "Importance
        /// estimation for neural network pruning"). Absolute values are summed.
        case saliency
        /// 1 − max cos(key, Kₙ) of each token's key and the active states after the last token, [B, T].
        case novelty
        /// Increase of the loss without a state. Measured on request, not observed.
        case ablation
    }
}

/// 1 − max cos(key, Kₙ) over active states, [B, T]; 1 in a layer without active states.
/// - Parameters:
///   - keys: [B, T, D].
///   - states: [B, N, D].
func noveltyOfKeys(_ keys: Tensor, _ states: Tensor, _ activity: StateActivity) -> Tensor {
    let cosines = keyCosines(keys, states, heads: activity.heads)
    return activity.hidingInactive(Variable(cosines)).value.maximum(axes: [2]).affine(-1, 1)
}

/// Moving averages of the observations of a layer's states, by identity.
public struct StateStatistics: StoredValue, Sendable {
    /// A bias-corrected exponential moving average: Σ βⁱ x / Σ βⁱ.
    struct Average: StoredValue, Sendable {
        var sum = 0.0, weight = 0.0
        var value: Double { weight > 0 ? sum / weight : 0 }
        mutating func add(_ x: Double, _ beta: Double) {
            sum = beta * sum + (1 - beta) * x
            weight = beta * weight + (1 - beta)
        }
        var issues: [String] {
            var issues = RangeIssues()
            issues.check("sum", sum, in: StoredRange.finite)
            // 1 plus rounding errors.
            issues.check("weight", weight, in: 0...1.001)
            return issues.list
        }
    }
    struct Entry: StoredValue, Sendable {
        var write = Average(), read = Average(), saliency = Average()
        /// Step in which the state was allocated; 0 for initial states.
        var allocationStep = 0
        /// Last step at which the state was written to.
        var used = 0

        var issues: [String] {
            var issues = RangeIssues()
            issues.add("write", write)
            issues.add("read", read)
            issues.add("saliency", saliency)
            issues.check("allocationStep", allocationStep, in: StoredRange.steps)
            issues.check("used", used, in: StoredRange.steps)
            return issues.list
        }
    }
    /// Mean write weight of a token above which a state counts as used in a step.
    public static let usedAbove = 1e-3

    /// Decay β of the averages, per step.
    public let smoothing: Double
    var entries: [Int: Entry] = [:]
    var novelty = Average()
    // Sums of the current pass.
    private var writes: [Double] = [], reads: [Double] = [], gradients: [Double] = []
    private var writeCount = 0, readCount = 0, sequences = 0
    private var novelties = 0.0, noveltyCount = 0

    public init(smoothing: Double = 0.99) { self.smoothing = smoothing }
    /// Sums of a pass are not saved, because a checkpoint is written only after the end of a step.
    private enum CodingKeys: CodingKey { case smoothing, entries, novelty }

    public var issues: [String] {
        var issues = RangeIssues()
        issues.check("smoothing", smoothing, in: 0...1)
        for (identity, entry) in entries.sorted(by: { $0.key < $1.key }) {
            issues.check("identity", identity, in: StoredRange.identities)
            issues.add("entries.\(identity)", entry)
        }
        issues.add("novelty", novelty)
        return issues.list
    }

    /// Adds an observation of the layer; those of several segments of a pass are summed.
    public mutating func observe(_ name: StateView.Observation, _ value: Tensor) {
        func add(_ sums: inout [Double], _ axes: [Int]) {
            let new = value.sum(axes: axes).doubles()
            sums = sums.count == new.count ? zip(sums, new).map(+) : new
        }
        switch name {
        case .write:
            add(&writes, [0, 1])
            writeCount += value.shape[0] * value.shape[1]
        case .read:
            add(&reads, [0, 1, 2])
            readCount += value.shape[0] * value.shape[1] * value.shape[2]
        case .saliency:
            let sizes = Tensor(value.doubles().map(abs), value.shape)
            let new = sizes.sum(axes: [0]).doubles()
            gradients = gradients.count == new.count ? zip(gradients, new).map(+) : new
            sequences += value.shape[0]
        case .novelty:
            novelties += value.doubles().reduce(0, +)
            noveltyCount += value.count
        case .ablation: break
        }
    }
    /// Ends a step: adds its observations to the averages of the states at the given indices.
    public mutating func finish(step: Int, identities: [Int], active: [Bool]) {
        for (index, identity) in identities.enumerated() where active[index] {
            var entry = entries[identity] ?? Entry()
            if writeCount > 0 {
                let mean = writes[index] / Double(writeCount)
                entry.write.add(mean, smoothing)
                if mean > StateStatistics.usedAbove { entry.used = step }
            }
            if readCount > 0 { entry.read.add(reads[index] / Double(readCount), smoothing) }
            if sequences > 0 { entry.saliency.add(gradients[index], smoothing) }
            entries[identity] = entry
        }
        if noveltyCount > 0 { novelty.add(novelties / Double(noveltyCount), smoothing) }
        (writes, reads, gradients) = ([], [], [])
        (writeCount, readCount, sequences, novelties, noveltyCount) = (0, 0, 0, 0, 0)
    }
    /// What a policy sees of a layer's active states.
    /// - Parameters:
    ///   - pruneVotes: consecutive votes for pruning, by identity.
    ///   - ablation: loss increase without the state, by identity.
    public func view(
        of layer: NSTMLayer, step: Int, pruneVotes: [Int: Int] = [:], ablation: [Int: Double] = [:]
    ) -> StateView {
        let manager = layer.manager, identities = manager.identities, active = manager.active, gates = manager.l0Gates
        let states = active.indices.filter { active[$0] }.map { index in
            let identity = identities[index], entry = entries[identity] ?? Entry()
            return StateView.State(
                index: index, identity: identity, age: step - entry.allocationStep, idle: step - entry.used,
                write: entry.write.value,
                read: entry.read.weight > 0 ? entry.read.value : nil,
                saliency: entry.saliency.weight > 0 ? entry.saliency.value : nil, l0Gate: gates[index],
                ablation: ablation[identity], pruneVotes: pruneVotes[identity] ?? 0)
        }
        return StateView(
            step: step, layer: layer.path, states: states, free: active.count - states.count,
            novelty: novelty.weight > 0 ? novelty.value : nil)
    }
    mutating func begin(_ identity: Int, step: Int) {
        var entry = Entry()
        (entry.allocationStep, entry.used) = (step, step)
        entries[identity] = entry
    }
    mutating func end(_ identity: Int) { entries[identity] = nil }
}
