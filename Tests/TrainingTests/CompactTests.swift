import Foundation
import NSTMConfiguration
import NSTMData
import NSTMIO
import NSTMLayers
import NSTMModules
import Testing

import NSTMCommand
import NSTMTraining

/// A run whose inactive states have been removed is the run in which they were masked.
@Suite(.serialized) struct CompactTests {
    let scratch: Scratch
    let text: URL

    init() throws {
        scratch = try Scratch()
        text = try scratch.write("text.txt", sampleText())
    }
    private func trainer(_ config: ConfigurationValue, _ folder: String) throws -> Trainer {
        let experiment = try Experiment(config)
        return try experiment.trainer(try experiment.openDataset(), folder: scratch[folder])
    }
    /// Four steps with all states, and then with 5 and 7 of the 8.
    private func masked(_ folder: String) throws -> Trainer {
        let t = try trainer(ConfigurationValue(yamlDocument: sampleConfiguration(text: text), name: "c"), folder)
        try t.run(until: 4)
        t.model.stateLayers[0].manager.active = [true, true, false, true, false, true, false, true]
        t.model.stateLayers[1].manager.active = [false, true, true, true, true, true, true, true]
        try t.save()
        return t
    }
    private func losses(_ folder: String) throws -> [Double] {
        try metricLines(scratch[folder]).compactMap { line in
            guard case .double(let loss)? = try ConfigurationValue(json: line)[path: "loss"] else { return nil }
            return loss
        }
    }

    @Test func goesOnLikeTheMaskedRun() throws {
        let a = try masked("a")
        let (archive, resizing) = try SavedModel(scratch["a"]).compacted()
        #expect(resizing.counts == [5, 7])
        try a.run()
        let config = try SavedModel.configuration(archive.documents, path: "")
        #expect(config[path: "model.states"] == .list([5, 7]))
        let b = try trainer(config, "b")
        try b.restore(archive)
        #expect(b.model.stateLayers.map { $0.manager.identities } == [[0, 1, 3, 5, 7], [1, 2, 3, 4, 5, 6, 7]])
        try b.run()
        let one = try losses("a").suffix(4), other = try losses("b")
        #expect(other.count == 4)
        // The first loss is that of the same parameters; then rounding grows with every step of Adam.
        #expect(abs(one.first! - other[0]) < 5e-6)
        for (x, y) in zip(one, other) { #expect(abs(x - y) < 1e-3) }
        #expect(abs(a.lastMetrics!["loss"]! - b.lastMetrics!["loss"]!) < 1e-3)
    }
    @Test func commandWritesARunThatResumesExactly() throws {
        _ = try masked("a")
        for folder in ["whole", "parts"] {
            let made = try Tool.run(["compact", "a", "--output", folder, "--set", "training.steps=9"], in: scratch)
            #expect(made.status == 0, "\(made.error)")
            #expect(made.output.contains("blocks.0.mixer  8 states → 5"))
        }
        #expect(try Tool.run(["train", "--resume", "whole"], in: scratch).status == 0)
        #expect(try Tool.run(["train", "--resume", "parts", "--until", "6"], in: scratch).status == 0)
        #expect(try Tool.run(["train", "--resume", "parts"], in: scratch).status == 0)
        expectSame(try newest(scratch["whole"]), try newest(scratch["parts"]))
        #expect(try metricLines(scratch["whole"]) == metricLines(scratch["parts"]))
        // There is nothing left to remove, and that changes nothing.
        let again = try Tool.run(["compact", "whole", "--output", "again"], in: scratch)
        #expect(again.status == 0 && again.output.contains("5 states → 5"))
        expectSame(try newest(scratch["whole"]), try newest(scratch["again"]))
    }
    @Test func refuses() throws {
        _ = try masked("a")
        let mixed = try Tool.run(["compact", "a", "--output", "b", "--set", "model.width=3"], in: scratch)
        #expect(mixed.status == 1 && mixed.error.contains("only keys under training can be set here, not model.width=3"))
        let into = try Tool.run(["compact", "a", "--output", "a"], in: scratch)
        #expect(into.status == 1 && into.error.contains("Nothing was changed"))
        try scratch.write("t.yaml", sampleConfiguration(text: text, steps: 1, model: "transformer"))
        #expect(try Tool.run(["train", "t.yaml", "--output", "t"], in: scratch).status == 0)
        let none = try Tool.run(["compact", "t", "--output", "b"], in: scratch)
        #expect(none.status == 1 && none.error.contains("no layers with explicit states"))
    }
    @Test func statesOfEachLayerAreAList() throws {
        func issues(_ states: ConfigurationValue) throws -> [String] {
            var config = try ConfigurationValue(yamlDocument: sampleConfiguration(text: text), name: "c")
            try config.set(path: "model.states", to: states)
            do {
                _ = try Experiment(config)
                return []
            } catch let error as ConfigurationError { return error.issues.map(\.description) }
        }
        #expect(try issues(.list([5, 7])) == [])
        #expect(try issues(.list([5])) == ["model.states: 1 numbers of states for 2 layers"])
        #expect(try issues(.list([0, 5])).first?.contains("element 0: 0 is outside 1...65536") == true)
        // A layer may have fewer states than its settings name: those mean all.
        #expect(try issues(.list([2, 7])) == [])
        #expect(try issues(2).first?.hasPrefix("model.router.k: 3 is outside 1...2") == true)
    }
}
