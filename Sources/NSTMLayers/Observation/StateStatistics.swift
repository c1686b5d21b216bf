import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// What policies go by.
///
/// Layers show it while they work (`ForwardContext.observe`).
public enum StateObservation: String, Codable, Sendable, CaseIterable {
    /// Write weights [B, T, N].
    case write
    /// Read weights [B, H, T, N]; rules that do not run as a fused scan show them token by token.
    case read
    /// Gradient of the loss by the logarithm of each state's activity, [B, N]: g · a at a = 1, the first-order change of the loss
    /// when the state fades (Molchanov et al., 2019, "Importance estimation for neural network pruning"). Summed without its
    /// sign.
    case saliency
    /// 1 − max cos(key, Kₙ) of each token's key and the active states after the last token, [B, T].
    case novelty
    /// How much the loss grows without a state. Measured when it is asked for, not observed.
    case ablation
}

/// 1 − max cos(key, Kₙ) over active states, [B, T]; a layer without active states has only novel tokens.
/// - Parameters:
///   - keys: [B, T, D].
///   - states: [B, N, D].
func noveltyOfKeys(_ keys: Tensor, _ states: Tensor, _ activity: StateActivity) -> Tensor {
    let cosines = keyCosines(keys, states, heads: activity.heads)
    return activity.hidingInactive(Variable(cosines)).value.maximum(axes: [2]).affine(-1, 1)
}

/// Moving averages of what the states of a layer do, by identity.
public struct StateStatistics: StoredValue, Sendable {
    /// An exponential mean that forgets its beginning: Σ βⁱ x / Σ βⁱ.
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
            // One and what rounding adds.
            issues.check("weight", weight, in: 0...1.001)
            return issues.list
        }
    }
    struct Entry: StoredValue, Sendable {
        var write = Average(), read = Average(), saliency = Average()
        /// Step in which the state was allocated; 0 for those that were there from the start.
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
    /// A state counts as used in a step when a token's mean write weight is above this.
    public static let usedAbove = 1e-3

    /// β of the averages, for each step.
    public let smoothing: Double
    var entries: [Int: Entry] = [:]
    var novelty = Average()
    // Sums of the pass at work.
    private var writes: [Double] = [], reads: [Double] = [], gradients: [Double] = []
    private var writeCount = 0, readCount = 0, sequences = 0
    private var novelties = 0.0, noveltyCount = 0

    public init(smoothing: Double = 0.99) { self.smoothing = smoothing }
    /// Sums of a pass are not saved: steps end before anything is.
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

    /// Takes in what one layer shows; several parts of a pass add up.
    public mutating func observe(_ name: StateObservation, _ value: Tensor) {
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
    /// Ends a step: what was shown goes into the averages of the states at these places.
    public mutating func finish(step: Int, identities: [Int], active: [Bool]) {
        for (place, identity) in identities.enumerated() where active[place] {
            var entry = entries[identity] ?? Entry()
            if writeCount > 0 {
                let mean = writes[place] / Double(writeCount)
                entry.write.add(mean, smoothing)
                if mean > StateStatistics.usedAbove { entry.used = step }
            }
            if readCount > 0 { entry.read.add(reads[place] / Double(readCount), smoothing) }
            if sequences > 0 { entry.saliency.add(gradients[place], smoothing) }
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
        let states = active.indices.filter { active[$0] }.map { place in
            let identity = identities[place], entry = entries[identity] ?? Entry()
            return StateView.State(
                place: place, identity: identity, age: step - entry.allocationStep, idle: step - entry.used,
                write: entry.write.value,
                read: entry.read.weight > 0 ? entry.read.value : nil,
                saliency: entry.saliency.weight > 0 ? entry.saliency.value : nil, l0Gate: gates[place],
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
