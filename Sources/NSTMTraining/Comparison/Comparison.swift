import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules

/// A comparison of models that are trained with the same budget.
///
/// All results are written to one folder: the plan, a folder per run, and `results.json`, `table.md` and learning curves, which
/// are updated after every run.
package final class Comparison: SeriesStudy {
    /// A model on a dataset, with its final size and number of steps.
    package struct Candidate: SeriesEntry, Sendable {
        /// Name of the model in the plan.
        package let model: String
        /// Name of the dataset in the plan.
        package let dataset: String
        /// Number of trainable parameters.
        package let parameters: Int
        /// The setting that was adjusted to the target number of parameters, and its value; nil if none was.
        package let adjusted: (key: String, value: Int)?
        /// Number of training steps.
        package let steps: Int
        /// Maximum number of positions that a training step reads.
        package let tokensPerStep: Int
        /// The complete configuration without the seed.
        package let configuration: ConfigurationValue
        /// Path of its runs, relative to the folder of the comparison.
        package let id: String
        /// Name of the model, and of the dataset if there are several.
        package let title: String
    }
    /// The plan.
    package let plan: ComparisonPlan
    /// The output folder and what all runs have in common.
    package var session: SeriesSession

    package init(_ plan: ComparisonPlan, _ session: SeriesSession) {
        self.plan = plan
        self.session = session
    }

    package func entries() throws -> [Candidate] { try candidates() }
    package func report(_ candidates: [Candidate], _ series: RunSeries) throws -> String {
        let rows = candidates.map { candidate in
            ComparisonRow(
                candidate,
                plan.seeds.map { seed in
                    let run = candidate.run(seed: seed), log = RunFolder(series.url(of: run)).metrics
                    return ComparisonRow.Seed(seed: seed, record: series.record(run), history: RunHistory(log))
                })
        }
        return try ComparisonReport(plan, rows, command: session.command).write(to: session.folder)
    }

    // MARK: Preparation

    /// All models with their final sizes and numbers of steps.
    package func candidates() throws -> [Candidate] {
        var result: [Candidate] = [], measured = storedSteps
        for sized in try plan.sizedModels(registries: session.registries, datasets: session.datasets, open: session.open) {
            var config = sized.configuration
            let names = (plan.datasets.count > 1 ? [sized.dataset] : []) + [sized.model]
            let id = names.map(PlanParts.slug).joined(separator: "/")
            let experiment = try session.experiment(config)
            let perStep = experiment.settings.batch * sized.data.dataset.contextLength
            let steps: Int
            switch plan.budget {
            case .steps(let own): steps = own
            case .tokens(let tokens): steps = max(1, tokens / perStep)
            case .minutes(let minutes):
                func measure() throws -> Int {
                    max(1, Int(60 * minutes / (try secondsPerStep(config, sized.data, for: min(2, 6 * minutes)))))
                }
                steps = try measured[id] ?? measure()
                measured[id] = steps
            }
            try config.set(path: "training.steps", to: .int(steps))
            result.append(
                Candidate(
                    model: sized.model, dataset: sized.dataset, parameters: sized.parameters, adjusted: sized.adjusted,
                    steps: steps, tokensPerStep: perStep, configuration: config, id: id,
                    title: sized.model + (plan.datasets.count > 1 ? " on \(sized.dataset)" : "")))
        }
        if measured != storedSteps {
            let map = ConfigurationValue.Map(
                measured.sorted { $0.key < $1.key }.map { ($0.key, ConfigurationValue.int($0.value)) })
            try session.folder.write(ConfigurationValue.map(map).json() + "\n", to: "steps.json")
        }
        return result
    }

    /// Numbers of steps that were measured for a budget of minutes, by candidate; a resumed comparison uses the same.
    private var storedSteps: [String: Int] {
        guard let bytes = try? InputFile.read(session.folder.url.appendingPathComponent("steps.json"), atMost: .max),
            case .map(let map)? = try? ConfigurationValue(json: String(decoding: bytes, as: UTF8.self))
        else { return [:] }
        return Dictionary(map.pairs.compactMap { key, value in if case .int(let n) = value { (key, n) } else { nil } }) { a, _ in
            a
        }
    }
    /// Mean duration of a training step in seconds, measured for `seconds` after three warm-up steps.
    private func secondsPerStep(_ config: ConfigurationValue, _ data: OpenedDataset, for seconds: Double) throws -> Double {
        var config = config
        try config.apply(overrides: ["training.steps=1000000000", "training.evaluation.interval=1000000000"])
        let trainer = try session.experiment(config).trainer(data)
        try trainer.run(until: 3)
        let start = Date()
        repeat { try trainer.run(until: trainer.step + 1) } while Date().timeIntervalSince(start) < seconds || trainer.step < 6
        return max(1e-9, Date().timeIntervalSince(start) / Double(trainer.step - 3))
    }
}
