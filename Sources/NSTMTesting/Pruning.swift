import Foundation
import NSTMConfiguration
import NSTMLayers
import NSTMTensor

extension Conformance {
    /// The report on a pruning policy, by its decisions on generated layers.
    ///
    /// It is given the observations that it declares in `needs`, and no others.
    /// - Parameter make: creates the policy for the dimensions of a layer.
    public static func check<Policy: PruningPolicy>(pruning make: (LayerDimensions) -> Policy) -> ConformanceReport {
        var report = ConformanceReport("pruning policy \(Policy.self)")
        checkDecisions(make, &report)
        return report
    }
    /// The report on a registered pruning policy.
    /// - Parameter settings: the settings of the policy in a configuration, without its name.
    /// - Throws: `ConfigurationError` for an unknown name, or with all issues of the settings.
    public static func check(
        pruning name: String, in strategies: Strategies, settings: ConfigurationValue.Map = [:]
    ) throws -> ConformanceReport {
        let policy = try configured(name, in: strategies.prunings, settings)
        func report<Policy: PruningPolicy>(of type: Policy) -> ConformanceReport {
            var report = ConformanceReport("pruning policy '\(name)'")
            checkDecisions({ policy($0) as! Policy }, &report)
            return report
        }
        return report(of: policy(Subject.dimensions))
    }

    private static func checkDecisions<Policy: PruningPolicy>(
        _ make: (LayerDimensions) -> Policy, _ report: inout ConformanceReport
    ) {
        for dimensions in Subject.allDimensions {
            let whole = make(dimensions)
            var resumed = make(dimensions), continuous = whole
            for decision in 0..<6 {
                // States that were pruned are missing from later views.
                let count = max(1, dimensions.states - decision), key = RandomKey(7).fold(dimensions.states).fold(decision)
                let view = view(of: count, key, whole.needs), at = "at decision \(decision) on \(count) states"
                func note(_ subject: String, _ violations: Int) {
                    report.note(.decisions, subject, Double(violations), bound: 0, at: at)
                }
                let scores = continuous.scores(view, key)
                note("scores missing, superfluous or not finite", abs(scores.count - count) + scores.count { !$0.isFinite })
                guard scores.count == count else { return }
                let candidates = continuous.candidates(scores, view), indices = candidates.map(\.index)
                note(
                    "invalid or repeated candidates",
                    indices.count { !scores.indices.contains($0) } + indices.count - Set(indices).count)
                guard indices.allSatisfy(scores.indices.contains) else { return }
                note(
                    "candidates before one with a smaller score",
                    zip(indices, indices.dropFirst()).count { scores[$0] > scores[$1] })
                // A run that is saved and resumed before every decision.
                guard let memory = try? JSONDecoder().decode(Policy.Memory.self, from: JSONEncoder().encode(resumed.memory))
                else {
                    note("memories that cannot be saved", 1)
                    return
                }
                resumed = make(dimensions)
                resumed.memory = memory
                let again = resumed.scores(view, key)
                note(
                    "decisions that differ in a resumed run",
                    again == scores && resumed.candidates(again, view).map(\.index) == indices ? 0 : 1)
            }
        }
    }
    /// A layer of which some states are alike and one is not used.
    private static func view(of count: Int, _ key: RandomKey, _ needs: Set<StateView.Observation>) -> StateView {
        let states = (0..<count).map { i in
            let amount = i == 1 ? 0 : i % 4 == 3 ? 0.25 : key.uniform(i)
            func observed(_ name: StateView.Observation) -> Double? { needs.contains(name) ? amount : nil }
            return StateView.State(
                index: i, identity: 2 * i, age: 1000 + i, idle: i == 1 ? 1000 : 0, write: amount, read: observed(.read),
                saliency: observed(.saliency), l0Gate: key.fold("gate").uniform(i), ablation: observed(.ablation),
                pruneVotes: i % 2)
        }
        return StateView(step: 1000, states: states, loss: 1, usualLoss: 1.1, lossDeviation: 0.1)
    }
}
