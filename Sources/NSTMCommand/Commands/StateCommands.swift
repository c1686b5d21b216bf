import ArgumentParser
import Foundation
import NSTM

/// A run's model and the batches that its states are measured on.
struct SurveyOptions: ParsableArguments {
    @Argument(help: checkpointHelp, transform: path) var checkpoint: String
    @Option(help: ArgumentHelp("Where datasets are; nothing is downloaded then.", valueName: "folder"), transform: path)
    var data: String?
    @Option(help: "Training batches that states are measured on.") var batches = 8
    @Option(help: "Sequences of a batch.") var size = 32

    func validate() throws {
        if batches < 1 || size < 1 { throw ValidationError("--batches and --size need at least 1") }
    }
    func saved() throws -> SavedModel {
        let saved = try savedModel(checkpoint)
        guard !saved.model.stateLayers.isEmpty else { throw SavedModelError.noStates(path: saved.url.path) }
        return saved
    }
    func survey(_ saved: SavedModel, _ needs: Set<StateObservation>) throws -> StateSurvey {
        let experiment = try Experiment(saved.configuration, registries: NSTMCommand.registries, folder: DatasetFolder(data))
        let opened = try experiment.openDataset(DatasetOpening(progress: DownloadReporter().progress, tokenizer: saved.tokenizer))
        if let warning = opened.warning { NSTMCommand.complain("warning: \(warning)") }
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
            commandName: "states", abstract: "Measures what each state of a trained model does and is worth.",
            discussion: """
                For every active state: mean write weight, share of the reads, saliency (the slope of the loss by the logarithm of \
                its activity) and keep gate; with --ablation how much the loss grows without it, and how well the others foretell \
                that (Spearman's rank correlation).

                Examples:
                  \(NSTMCommand.program) states runs/tinyshakespeare-nstm
                  \(NSTMCommand.program) states runs/tinyshakespeare-nstm --ablation --batches 16
                """)
    }
    @OptionGroup var options: SurveyOptions
    @Flag(help: "Masks one state after the other and measures the loss.") var ablation = false
    @Flag(help: "Times the state part of each layer, forward and backward, on random tokens.") var time = false
    @Option(help: "With --time: each sequence uses so many states, drawn for it.") var used: Int?

    func run() throws {
        let saved = try options.saved()
        if time { return try clock(saved) }
        var needs: Set<StateObservation> = [.write, .read, .saliency]
        if ablation { needs.insert(.ablation) }
        let survey = try options.survey(saved, needs)
        let views = survey.views()
        NSTMCommand.say("\(saved.title), loss \(String(format: "%.4f", views[0].loss))")
        for view in views {
            NSTMCommand.say("\(view.layer): \(view.states.count) active, \(view.free) not")
            NSTMCommand.say("  state   write      read  saliency  keep gate" + (ablation ? "   loss without" : ""))
            for state in view.states {
                let numbers = [state.write, state.read ?? .nan, state.saliency ?? .nan, state.l0Gate]
                let missed = state.ablation.map { String(format: "  %+13.6f", $0) } ?? ""
                NSTMCommand.say(
                    leftPadded("\(state.identity)", 7) + numbers.map { String(format: "%10.5f", $0) }.joined() + missed)
            }
            if ablation { NSTMCommand.say("  rank correlation with the loss without: " + correlations([view])) }
        }
        if ablation && views.count > 1 { NSTMCommand.say("all layers: " + correlations(views)) }
    }
    private func correlations(_ views: [StateView]) -> String {
        let missed = views.flatMap { $0.states.map { $0.ablation ?? 0 } }
        let measures: [(String, (StateView) -> [Double])] =
            StateMeasure.allCases.map { measure in (measure.rawValue, { measure($0) }) } + [
                ("keep gate", { $0.states.map(\.l0Gate) })
            ]
        return measures.map { name, values in
            "\(name) " + String(format: "%.2f", views.flatMap(values).rankCorrelation(with: missed))
        }.joined(separator: ", ")
    }
    private func clock(_ saved: SavedModel) throws {
        let settings = try Experiment(saved.configuration, registries: NSTMCommand.registries)
        let length = if case .int(let n)? = settings.resolved[path: "data.context"] { n } else { 64 }
        NSTMCommand.say(
            "\(saved.title): state part, \(options.size) sequences of \(length) tokens, median of \(StateTiming.rounds)")
        var sums = (0.0, 0.0)
        for layer in saved.model.stateLayers {
            let t = StateTiming(layer, batch: options.size, length: length, used: used)
            sums = (sums.0 + t.forward, sums.1 + t.backward)
            NSTMCommand.say(
                "\(layer.path): \(layer.manager.active.count { $0 }) of \(layer.manager.count) active, "
                    + text(t.forward, t.backward))
        }
        NSTMCommand.say("all: " + text(sums.0, sums.1))
    }
    private func text(_ forward: Double, _ backward: Double) -> String {
        String(
            format: "forward %.3f ms, backward %.3f ms, both %.3f ms", forward * 1e3, backward * 1e3, (forward + backward) * 1e3)
    }
}

struct PruneCommand: WritesFiles {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "prune", abstract: "Switches states of a trained model off, once, by a policy.",
            discussion: """
                Measures the states on training batches, scores them, and says of each what becomes of it. The checkpoint that is \
                written has those states masked, or with --compact removed. Training goes on from it with --resume; settings under \
                training may be changed on the way.

                Examples:
                  \(NSTMCommand.program) prune runs/a --policy taylor --keep 32 --output runs/a-32
                  \(NSTMCommand.program) prune runs/a --policy threshold --with below=0.2 --output runs/a-pruned
                  \(NSTMCommand.program) prune runs/a --policy top-k --keep 32 --compact --set training.steps=2300 --output runs/a-32
                  \(NSTMCommand.program) train --resume runs/a-32
                """)
    }
    @OptionGroup var options: SurveyOptions
    @Option(help: "Who dies: the names of the policies are in Documentation/CommandLine.md.") var policy: String
    @Option(help: "States that stay in each layer, by the policy's scores; else the policy decides.") var keep: Int?
    @Option(help: ArgumentHelp("A setting of the policy; may be repeated.", valueName: "key=value")) var with: [String] = []
    @Flag(help: "Removes the states for good.") var compact = false
    @OptionGroup var result: ResultFolder

    func run() throws {
        if let keep, keep < 1 { throw ValidationError("--keep needs at least 1") }
        try result.check()
        let saved = try options.saved(), policy = try made(saved)
        let survey = try options.survey(saved, policy.needs), before = survey.loss()
        NSTMCommand.say("from \(saved.title)")
        let round = PruningRound(survey, policy, keep: keep, step: saved.step)
        for decision in round.decisions {
            let e = decision.event
            NSTMCommand.say(
                "\(e.layer)  state " + leftPadded("\(e.state)", 3) + String(format: "  score %10.6f  ", e.score)
                    + (decision.dies ? "dies: \(e.reason)" : "stays"))
        }
        for layer in saved.model.stateLayers {
            NSTMCommand.say("\(layer.path)  \(layer.manager.active.count { $0 }) of \(layer.manager.count) states are active")
        }
        NSTMCommand.say(String(format: "loss on the training batches %.4f, was %.4f", survey.loss(), before))
        let archive = compact ? try saved.compacted(registries: NSTMCommand.registries).archive : saved.withPresentParameters()
        let url = try result.write(archive, step: saved.step, events: round.events, data: options.data)
        NSTMCommand.say("saved \(url.shortPath)")
    }
    /// The policy, from the same settings that a configuration has under `lifecycle.pruning`.
    private func made(_ saved: SavedModel) throws -> any PruningPolicy {
        let registry = NSTMCommand.registries.strategies.prunings, policy = try registry.value(policy)
        var settings = ConfigurationValue.map([:])
        try settings.apply(overrides: with)
        guard case .map(let given) = settings else { fatalError("settings of a policy are a map") }
        var all = given
        if let keep, all["keep"] == nil { all["keep"] = .int(keep) }
        let reader = ConfigurationReader(.map(all), path: "pruning"), layers = saved.model.stateLayers
        let dimensions = LayerDimensions(
            width: saved.model.shape.width, heads: saved.model.shape.heads, states: layers.map(\.manager.count).max()!,
            choices: 1...65_536)
        let read = registry.reading(policy, reader, dimensions)
        // Not every policy has a `keep` of its own: the scores are enough.
        if keep == nil || !reader.issues.isEmpty || given.keys.contains(where: { reader.resolved[path: $0] == nil }) {
            reader.finish()
        }
        try reader.throwIfInvalid()
        return read
    }
}
