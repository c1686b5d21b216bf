import Foundation
import NSTMConfiguration
import NSTMIO
import NSTMLayers
import NSTMModules
import Testing

import NSTMCommand
import NSTMTraining

/// Allocation and pruning of states in a run, from the configuration to the log.
@Suite(.serialized) struct LifecycleRunTests {
    let scratch: Scratch
    let text: URL

    init() throws {
        scratch = try Scratch()
        text = try scratch.write("text.txt", sampleText())
    }
    private let lifecycle = """
        lifecycle:
            interval: 2
            warmup: 2
            consecutive-votes: 1
            grace-period: 2
            cooldown: 0
            min-active: 3
            initial-active: 6
            pruning: {type: threshold, measure: write, below: 0.9}
            allocation: {type: plateau, decisions: 1, margin: 10}
        """
    private func configuration(_ extra: String = "") -> String {
        sampleConfiguration(text: text, steps: 16).replacingOccurrences(
            of: "  states: 8\n", with: "  states: 8\n  " + lifecycle.replacingOccurrences(of: "\n", with: "\n  ") + "\n")
    }
    private func events(_ folder: String) throws -> [String] {
        try metricLines(scratch[folder]).filter { $0.contains("\"event\"") }
    }

    @Test func eventsAreExactAcrossResume() throws {
        try scratch.write("c.yaml", configuration())
        let whole = try Tool.run(["train", "c.yaml", "--output", "whole"], in: scratch)
        #expect(whole.status == 0, "\(whole.error)")
        let all = try events("whole")
        #expect(all.contains { $0.contains("\"allocated\"") } && all.contains { $0.contains("\"pruned\"") }, "\(all)")
        #expect(whole.output.contains(" pruned: ") && whole.output.contains(" allocated: "))
        for cut in ["5", "8", "10"] {
            #expect(try Tool.run(["train", "c.yaml", "--output", "parts" + cut, "--until", cut], in: scratch).status == 0)
            let resumed = try Tool.run(["train", "--resume", "parts" + cut], in: scratch)
            #expect(resumed.status == 0, "\(resumed.error)")
            let a = try newest(scratch["whole"]), b = try newest(scratch["parts" + cut])
            expectSame(a, b)
            #expect(a.documents["lifecycle"] != nil && a.documents["lifecycle"] == b.documents["lifecycle"])
            #expect(try metricLines(scratch["parts" + cut]) == metricLines(scratch["whole"]))
        }
    }
    @Test func threadsDoNotMatter() throws {
        try scratch.write("c.yaml", configuration())
        for threads in [1, 2] {
            #expect(try Tool.run(["train", "c.yaml", "--output", "t\(threads)"], in: scratch, threads: threads).status == 0)
        }
        expectSame(try newest(scratch["t1"]), try newest(scratch["t2"]))
        #expect(try events("t1") == events("t2"))
    }
    /// Pruned states are removed in the middle of the run.
    ///
    /// Without free states, no further ones can be allocated.
    @Test func compactedRunsContinue() throws {
        try scratch.write("c.yaml", configuration())
        #expect(try Tool.run(["train", "c.yaml", "--output", "a", "--until", "8"], in: scratch).status == 0)
        for folder in ["whole", "parts"] {
            let made = try Tool.run(["compact", "a", "--output", folder], in: scratch)
            #expect(made.status == 0, "\(made.error)")
        }
        #expect(try Tool.run(["train", "--resume", "whole"], in: scratch).status == 0)
        #expect(try Tool.run(["train", "--resume", "parts", "--until", "11"], in: scratch).status == 0)
        #expect(try Tool.run(["train", "--resume", "parts"], in: scratch).status == 0)
        expectSame(try newest(scratch["whole"]), try newest(scratch["parts"]))
        #expect(try metricLines(scratch["whole"]) == metricLines(scratch["parts"]))
    }
    /// What a layer's rule shows counts for the layer: the reads of its states are shares of all.
    @Test func surveysSeeWhatRulesShow() throws {
        let experiment = try Experiment(ConfigurationValue(yamlDocument: sampleConfiguration(text: text), name: "c"))
        let data = try experiment.openDataset(), trainer = try experiment.trainer(data, folder: scratch["survey"])
        let views = StateSurvey(trainer.model, data.dataset, batches: 2, size: 3, needs: [.write, .read]).views()
        #expect(views.count == 2)
        for view in views { #expect(abs(view.states.compactMap(\.read).reduce(0, +) - 1) < 1e-4) }
    }
    /// The moments of a new state are zeros; those of all others are unchanged.
    @Test func newStatesHaveNoMoments() throws {
        let experiment = try Experiment(ConfigurationValue(yamlDocument: configuration(), name: "c"))
        let trainer = try experiment.trainer(try experiment.openDataset())
        var allocations: [StateEvent] = []
        trainer.onEvent = { if case .lifecycle(let e) = $0, e.kind == .allocated { allocations.append(e) } }
        while allocations.isEmpty && trainer.step < 16 { try trainer.run(until: trainer.step + 1) }
        let allocation = try #require(allocations.first)
        let layer = try #require(trainer.model.stateLayers.first { $0.path == allocation.layer })
        let index = try #require(layer.manager.identities.firstIndex(of: allocation.state))
        #expect(layer.manager.active[index])
        let moments = Dictionary(uniqueKeysWithValues: trainer.optimizer.state(order: trainer.model.parameters.all.map(\.path)))
        let weight = try #require(moments["m/\(layer.path).router.weight"])
        func isZero(_ n: Int) -> Bool { weight.select(axis: 0, n).doubles().allSatisfy { $0 == 0 } }
        #expect(isZero(index))
        #expect(layer.manager.active.indices.contains { $0 != index && layer.manager.active[$0] && !isZero($0) })
    }

    @Test func pruneCommandSaysOfEachStateWhatBecomesOfIt() throws {
        try scratch.write("c.yaml", sampleConfiguration(text: text))
        #expect(try Tool.run(["train", "c.yaml", "--output", "a"], in: scratch).status == 0)
        let policies = ["threshold", "top-k", "hard-concrete", "least-recently-used", "taylor", "random", "ablation"]
        for policy in policies {
            let made = try Tool.run(
                ["prune", "a", "--policy", policy, "--keep", "5", "--output", policy, "--batches", "2", "--size", "4"],
                in: scratch)
            #expect(made.status == 0, "\(policy): \(made.error)")
            let lines = made.output.split(separator: "\n")
            #expect(lines.count { $0.contains("  pruned: ") } == 6 && lines.count { $0.hasSuffix("kept") } == 10)
            #expect(try events(policy).count == 6)
            let saved = try SavedModel(scratch[policy])
            #expect(saved.model.stateLayers.map { layer in layer.manager.active.count { $0 } } == [5, 5])
        }
        // Masked or removed, it is the same model.
        for (folder, extra) in [("b", []), ("c", ["--compact"])] {
            #expect(
                try Tool.run(
                    ["prune", "a", "--policy", "taylor", "--keep", "4", "--output", folder, "--set", "training.steps=12"] + extra,
                    in: scratch
                ).status == 0)
            #expect(try Tool.run(["train", "--resume", folder], in: scratch).status == 0)
        }
        let (b, c) = (try SavedModel(scratch["b"]), try SavedModel(scratch["c"]))
        #expect(b.step == 12 && c.step == 12 && c.model.stateLayers.map(\.manager.count) == [4, 4])
        for layer in 0..<2 {
            let (p, q) = (b.model.stateLayers[layer].manager, c.model.stateLayers[layer].manager)
            #expect(zip(p.identities, p.active).filter(\.1).map(\.0) == q.identities)
        }
        let unknown = try Tool.run(["prune", "a", "--policy", "tailor", "--output", "d"], in: scratch)
        #expect(unknown.status == 1 && unknown.error.contains("did you mean 'taylor'?"))
        let misspelt = try Tool.run(["prune", "a", "--policy", "threshold", "--with", "blow=0.2", "--output", "d"], in: scratch)
        #expect(misspelt.status == 1 && misspelt.error.contains("pruning.blow: unknown key"))
    }
    @Test func statesCommandMeasures() throws {
        try scratch.write("c.yaml", sampleConfiguration(text: text))
        #expect(try Tool.run(["train", "c.yaml", "--output", "a"], in: scratch).status == 0)
        let told = try Tool.run(["states", "a", "--ablation", "--batches", "1", "--size", "4"], in: scratch)
        #expect(told.status == 0, "\(told.error)")
        #expect(told.output.contains("all layers: importance ") && told.output.contains("loss increase"))
        #expect(try Tool.run(["states", "a", "--time", "--size", "2"], in: scratch).output.contains("state updates and reads"))
    }
    /// Per-sequence activity in training, and in what a checkpoint streams.
    @Test func activationTrainsAndResumes() throws {
        let yaml = sampleConfiguration(text: text, steps: 6).replacingOccurrences(
            of: "  states: 8\n",
            with: "  states: 8\n  lifecycle: {activation: "
                + "{type: novelty, interval: 3, initial-active: 2, above: 0.6, max-active: 6}}\n")
        try scratch.write("c.yaml", yaml)
        #expect(try Tool.run(["train", "c.yaml", "--output", "whole"], in: scratch).status == 0)
        #expect(try Tool.run(["train", "c.yaml", "--output", "parts", "--until", "3"], in: scratch).status == 0)
        #expect(try Tool.run(["train", "--resume", "parts"], in: scratch).status == 0)
        expectSame(try newest(scratch["whole"]), try newest(scratch["parts"]))
        let text = try Tool.run(["generate", "whole", "--prompt", "the ", "--length", "20"], in: scratch)
        #expect(text.status == 0, "\(text.error)")
    }
    /// Every step of a segment that is recomputed in the backward pass is observed once.
    @Test func recomputationIsSeenOnce() throws {
        func memory(_ recompute: Bool) throws -> String? {
            var config = try ConfigurationValue(yamlDocument: configuration(), name: "c")
            try config.set(path: "model.recompute", to: .bool(recompute))
            try config.set(path: "model.lifecycle.pruning", to: ["type": "taylor", "below": 0.5])
            let experiment = try Experiment(config), trainer = try experiment.trainer(try experiment.openDataset())
            try trainer.run(until: 6)
            return try trainer.archive().documents["lifecycle"]
        }
        #expect(try memory(true) == memory(false))
    }
}
