import ArgumentParser
import Foundation
import NSTM

/// The options of commands that measure the states of a model: a checkpoint, and training batches.
struct SurveyOptions: ParsableArguments {
    @Argument(help: checkpointHelp, transform: path) var checkpoint: String
    @Option(help: dataHelp, transform: path)
    var data: String?
    @Option(help: "Number of training batches for the measurement.") var batches = 8
    @Option(help: "Number of sequences of a batch.") var size = 32

    func validate() throws {
        if !(1...1_000_000 ~= batches) { throw ValidationError("--batches must be in 1...1000000") }
        if !(1...65_536 ~= size) { throw ValidationError("--size must be in 1...65536") }
    }
    func saved() throws -> SavedModel {
        let saved = try savedModel(checkpoint)
        guard !saved.model.stateLayers.isEmpty else { throw SavedModel.Error.noStates(path: saved.url.path) }
        return saved
    }
    func survey(_ saved: SavedModel, _ needs: Set<StateView.Observation>) throws -> StateSurvey {
        let experiment = try Experiment(saved.configuration, registries: NSTMCommand.registries, folder: DatasetFolder(data))
        let opened = try experiment.openDataset(
            OpenedDataset.Options(progress: DownloadReporter().progress, tokenizer: saved.tokenizer))
        if let warning = opened.warning { NSTMCommand.printError("warning: \(warning)") }
        let dataset = opened.dataset
        guard dataset.fingerprint == saved.data.fingerprint else {
            throw TrainingError.otherData(dataset: dataset.name, saved: saved.data.fingerprint, found: dataset.fingerprint)
        }
        return StateSurvey(
            saved.model, opened.dataset, batches: batches, size: size, needs: needs, key: RandomKey(UInt64(experiment.seed)))
    }
}

struct StatesCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "states", abstract: "Measures the use and importance of each state of a trained model.",
            discussion: """
                For every active state: mean write weight, mean read weight, saliency (the derivative of the loss by the logarithm of \
                its activity) and L0 gate; with --ablation also the increase of the loss when the state is masked, and its rank \
                correlation (Spearman) with the other measures.

                Examples:
                  \(NSTMCommand.program) states runs/tinyshakespeare-nstm
                  \(NSTMCommand.program) states runs/tinyshakespeare-nstm --ablation --batches 16
                """)
    }
    @OptionGroup var options: SurveyOptions
    @Flag(help: "Also measures the loss with each state masked.") var ablation = false
    @Flag(help: "Measures the time of the state updates and reads of each layer, forward and backward, on random tokens.")
    var time = false
    @Option(help: "With --time: number of states that each sequence uses, selected at random.") var used: Int?

    func run() throws {
        let saved = try options.saved()
        if time { return try clock(saved) }
        var needs: Set<StateView.Observation> = [.write, .read, .saliency]
        if ablation { needs.insert(.ablation) }
        let survey = try options.survey(saved, needs)
        let views = survey.views()
        NSTMCommand.printLine("\(saved.title), loss \(String(format: "%.4f", views[0].loss))")
        for view in views {
            NSTMCommand.printLine("\(view.layer): \(view.states.count) active, \(view.free) inactive")
            NSTMCommand.printLine("  state   write      read  saliency    L0 gate" + (ablation ? "  loss increase" : ""))
            for state in view.states {
                let numbers = [state.write, state.read ?? .nan, state.saliency ?? .nan, state.l0Gate]
                let increase = state.ablation.map { String(format: "  %+13.6f", $0) } ?? ""
                NSTMCommand.printLine(
                    leftPadded("\(state.identity)", 7) + numbers.map { String(format: "%10.5f", $0) }.joined() + increase)
            }
            if ablation { NSTMCommand.printLine("  rank correlation with the loss increase: " + correlations([view])) }
        }
        if ablation && views.count > 1 { NSTMCommand.printLine("all layers: " + correlations(views)) }
    }
    private func correlations(_ views: [StateView]) -> String {
        let increases = views.flatMap { $0.states.map { $0.ablation ?? 0 } }
        let measures: [(String, (StateView) -> [Double])] =
            StateView.Measure.allCases.map { measure in (measure.rawValue, { measure($0) }) } + [
                ("L0 gate", { $0.states.map(\.l0Gate) })
            ]
        return measures.map { name, values in
            "\(name) " + String(format: "%.2f", views.flatMap(values).rankCorrelation(with: increases))
        }.joined(separator: ", ")
    }
    private func clock(_ saved: SavedModel) throws {
        let settings = try Experiment(saved.configuration, registries: NSTMCommand.registries)
        let length = if case .int(let n)? = settings.resolved[path: "data.context"] { n } else { 64 }
        NSTMCommand.printLine(
            "\(saved.title): state updates and reads, \(options.size) sequences of \(length) tokens, median of \(StateTiming.rounds)"
        )
        var sums = (0.0, 0.0)
        for layer in saved.model.stateLayers {
            let t = StateTiming(layer, batch: options.size, length: length, used: used)
            sums = (sums.0 + t.forward, sums.1 + t.backward)
            NSTMCommand.printLine(
                "\(layer.path): \(layer.manager.active.count { $0 }) of \(layer.manager.count) active, "
                    + text(t.forward, t.backward))
        }
        NSTMCommand.printLine("all: " + text(sums.0, sums.1))
    }
    private func text(_ forward: Double, _ backward: Double) -> String {
        String(
            format: "forward %.3f ms, backward %.3f ms, both %.3f ms", forward * 1e3, backward * 1e3, (forward + backward) * 1e3)
    }
}

struct PruneCommand: WritesFiles {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "prune", abstract: "Prunes states of a trained model once, by a policy.",
            discussion: """
                Measures the states on training batches, scores them, and prints the decision for each. In the new checkpoint the \
                pruned states are masked, or with --compact removed. Resume training from it with --resume; settings under training \
                can be changed with --set.

                Examples:
                  \(NSTMCommand.program) prune runs/a --policy taylor --keep 32 --output runs/a-32
                  \(NSTMCommand.program) prune runs/a --policy threshold --with below=0.2 --output runs/a-pruned
                  \(NSTMCommand.program) prune runs/a --policy top-k --keep 32 --compact --set training.steps=2300 --output runs/a-32
                  \(NSTMCommand.program) train --resume runs/a-32
                """)
    }
    @OptionGroup var options: SurveyOptions
    @Option(help: "Name of the pruning policy; `describe pruning` lists them.") var policy: String
    @Option(help: "Number of states to keep in each layer, by the policy's scores (default: the policy decides).")
    var keep: Int?
    @Option(help: ArgumentHelp("A setting of the policy; may be repeated.", valueName: "key=value")) var with: [String] = []
    @Flag(help: "Permanently removes the pruned states.") var compact = false
    @OptionGroup var result: ResultFolder

    func run() throws {
        if let keep, keep < 1 { throw ValidationError("--keep must be at least 1") }
        try result.check()
        let saved = try options.saved(), policy = try made(saved)
        let survey = try options.survey(saved, policy.needs), before = survey.loss()
        NSTMCommand.printLine("from \(saved.title)")
        let round = PruningRound(survey, policy, keep: keep, step: saved.step)
        for decision in round.decisions {
            let e = decision.event
            NSTMCommand.printLine(
                "\(e.layer)  state " + leftPadded("\(e.state)", 3) + String(format: "  score %10.6f  ", e.score)
                    + (decision.isPruned ? "pruned: \(e.reason)" : "kept"))
        }
        for layer in saved.model.stateLayers {
            NSTMCommand.printLine(
                "\(layer.path)  \(layer.manager.active.count { $0 }) of \(layer.manager.count) states are active")
        }
        NSTMCommand.printLine(String(format: "loss on the training batches %.4f, was %.4f", survey.loss(), before))
        let archive = compact ? try saved.compacted(registries: NSTMCommand.registries).archive : saved.withPresentParameters()
        let url = try result.write(archive, step: saved.step, events: round.events, data: options.data)
        NSTMCommand.printLine("saved \(url.shortPath)")
    }
    /// The policy, from the same settings that a configuration has under `lifecycle.pruning`.
    private func made(_ saved: SavedModel) throws -> any PruningPolicy {
        let registry = NSTMCommand.registries.strategies.prunings, policy = try registry.value(policy)
        var settings = ConfigurationValue.map([:])
        try settings.apply(overrides: with)
        guard case .map(let given) = settings else { fatalError("PruneCommand: overrides of a map gave \(settings.summary)") }
        var all = given
        if let keep, all["keep"] == nil { all["keep"] = .int(keep) }
        let reader = ConfigurationReader(.map(all), path: "pruning"), layers = saved.model.stateLayers
        let dimensions = LayerDimensions(
            width: saved.model.shape.width, heads: saved.model.shape.heads, states: layers.map(\.manager.count).max()!,
            choices: 1...65_536)
        let read = registry.reading(policy, reader, dimensions)
        // A policy without a setting `keep` is valid, because its scores suffice.
        if keep == nil || !reader.issues.isEmpty || given.keys.contains(where: { reader.resolved[path: $0] == nil }) {
            reader.finish()
        }
        try reader.throwIfInvalid()
        return read
    }
}
