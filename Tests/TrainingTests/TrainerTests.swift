import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMData
import NSTMIO
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

import NSTMTraining

struct TrainerTests {
    private func experiment(_ changes: String...) throws -> Experiment {
        var config: ConfigurationValue = [
            "data": ["type": "copy", "bits": 2, "maximum-length": 2, "evaluation-count": 4],
            "model": ["layers": 1, "width": 8, "heads": 2, "states": 4, "router": ["k": 2]],
            "training": ["steps": 4, "batch": 2, "evaluation": ["interval": 2], "checkpoint": ["interval": 1]],
        ]
        try config.apply(overrides: changes)
        return try Experiment(config)
    }
    private func trainer(_ experiment: Experiment, _ folder: URL? = nil) throws -> Trainer {
        try experiment.trainer(try experiment.openDataset(), folder: folder)
    }

    @Test func keepGateLossEntersTheGradient() throws {
        // One state of two, k = 1: the penalty alone changes the logit of an unused gate.
        func logits(_ penalty: Double) throws -> [Double] {
            let trainer = try trainer(
                try experiment(
                    "model.l0-penalty=\(penalty)", "training.clip.type=none", "training.optimizer.type=sgd",
                    "training.schedule.type=constant", "training.schedule.warmup=0", "training.optimizer.weight-decay=0"))
            try trainer.run(until: 1)
            let model = try #require(trainer.model as? NSTMModel)
            return model.stateLayers[0].manager.gateLogits!.value.doubles()
        }
        let free = try logits(0), dear = try logits(10)
        // d/dx of 10 · σ(x − β ln(0.1/1.1)) at 3, times the rate 1e-3.
        let s = 1 / (1 + exp(-(3 + 2.0 / 3.0 * log(11.0))))
        for (a, b) in zip(free, dear) { #expect(abs((a - b) - 1e-3 * 10 * s * (1 - s)) < 1e-6) }
    }

    /// Steps take products of two bfloat16 parts where there are matrix tiles; what they lose is little.
    @Test func matmulPrecision() throws {
        func trained(_ precision: String) throws -> (parameters: [Double], metrics: Metrics) {
            let trainer = try trainer(
                try experiment(
                    "training.matmul-precision=\(precision)", "model.width=64", "training.batch=16",
                    "training.schedule.warmup=0", "data.maximum-length=6"))
            try trainer.run()
            return (trainer.model.parameters.all.flatMap { $0.value.doubles() }, try #require(trainer.lastMetrics))
        }
        let highest = try trained("highest"), high = try trained("high"), again = try trained("high")
        #expect(high.parameters == again.parameters)
        #expect((high.parameters != highest.parameters) == MatmulPrecision.hasMatrixTiles)
        let losses = [try #require(highest.metrics["loss"]), try #require(high.metrics["loss"])]
        #expect(abs(losses[0] - losses[1]) < 1e-3)
        #expect {
            _ = try experiment("training.matmul-precision=medium")
        } throws: { "\($0)".contains("'medium' is not a choice") }
    }

    /// Everything that draws random numbers, adds losses or carries states, with every block recomputed and without.
    @Test(arguments: ["nstm", "transformer"]) func recomputationChangesNoBit(_ kind: String) throws {
        func trained(_ recompute: Bool) throws -> (parameters: [[UInt64]], losses: [Double]) {
            var changes = ["model.recompute=\(recompute)", "model.type=\(kind)", "model.layers=3", "model.dropout=0.2"]
            if kind == "nstm" {
                changes += ["model.l0-penalty=0.1", "model.interaction.type=attention", "model.interaction.interval=3"]
                changes += ["model.read.window=2"]
            }
            var config = try experiment().resolved
            if kind != "nstm" { try config.set(path: "model", to: ["width": 8, "heads": 2, "positions": 16]) }
            try config.apply(overrides: changes)
            let trainer = try trainer(try Experiment(config))
            #expect(trainer.model.shape.recompute == recompute)
            var losses: [Double] = []
            trainer.checksFinite = true
            trainer.onEvent = { if case .step(let report) = $0 { losses += [report.loss, report.gradientNorm] } }
            try trainer.run()
            return (trainer.model.parameters.all.map { bits($0.value) }, losses)
        }
        let plain = try trained(false), again = try trained(true)
        #expect(plain.losses.count == 8 && plain.losses == again.losses)
        #expect(plain.parameters == again.parameters)
    }

    @Test func recomputationSavesMemory() async {
        await #expect(processExitsWith: .success) {
            func peak(_ recompute: Bool) throws -> Int {
                let config: ConfigurationValue = [
                    "data": ["type": "copy", "bits": 4, "minimum-length": 20, "maximum-length": 20, "evaluation-count": 1],
                    "model": ["layers": 8, "width": 32, "heads": 2, "states": 8, "recompute": .bool(recompute)],
                    "training": ["steps": 2, "batch": 16],
                ]
                let experiment = try Experiment(config), trainer = try experiment.trainer(try experiment.openDataset())
                let start = MemoryUse.current.live
                try trainer.run(until: 1)
                MemoryUse.resetPeak()
                try trainer.run(until: 2)
                return MemoryUse.current.peak - start
            }
            let whole = try peak(false), parts = try peak(true)
            #expect(Double(parts) < 0.5 * Double(whole), "\(parts) bytes against \(whole)")
        }
    }

    @Test func parametersWithoutGradientAreNamed() throws {
        final class Idle: StateUpdateRule {
            let unused: Parameter
            init(_ parameters: ParameterBuilder) { unused = parameters("unused", [3], .ones) }
            func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank { states }
            struct Configuration: UpdateRuleConfiguration {
                static let type = "idle"
                static let summary = "states that stay as they are"
                func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule { Idle(parameters) }
            }
        }
        var registries = Registries.standard
        registries.strategies.updates.register(Idle.Configuration.self)
        var config = try experiment().resolved
        try config.set(path: "model.update", to: ["type": "idle"])
        let experiment = try Experiment(config, registries: registries)
        let trainer = try trainer(experiment)
        var notes: [String] = []
        trainer.onEvent = { if case .note(let text) = $0 { notes.append(text) } }
        try trainer.run()
        #expect(notes.count == 1 && notes[0].contains("blocks.0.mixer.update.unused"), "\(notes)")
    }

    @Test func folderInUseAndLogTruncation() throws {
        let scratch = try Scratch(), folder = scratch["run"]
        try trainer(try experiment(), folder).run()
        let lines = try metricLines(folder)
        #expect(scratch.listing("run") == ["metrics.jsonl", "step-2.h5", "step-3.h5", "step-4.h5"])
        #expect(throws: TrainingError.folderInUse(path: folder.path, newest: "step-4.h5", step: 0)) {
            try trainer(try experiment(), folder).run()
        }
        #expect(try metricLines(folder) == lines)
        // As after a crash between a log line and the checkpoint: the log is ahead and ends in half a line.
        for step in [3, 4] { try FileManager.default.removeItem(at: folder.appendingPathComponent("step-\(step).h5")) }
        let log = try FileHandle(forWritingTo: RunFolder(folder).metrics)
        try log.seekToEnd()
        try log.write(contentsOf: Data("{\"step\":5,\"lo".utf8))
        let again = try trainer(try experiment(), folder)
        try again.restore(try newest(folder))
        try again.run()
        #expect(try metricLines(folder) == lines)
    }

    @Test func checkpointOfAnotherModelChangesNothing() throws {
        let scratch = try Scratch()
        try trainer(try experiment(), scratch["run"]).run()
        let archive = try newest(scratch["run"])
        let wide = try trainer(try experiment("model.width=12", "model.heads=3"))
        let before = wide.model.parameters.all.map { $0.value.doubles() }
        let error = #expect(throws: CheckpointError.self) { try wide.restore(archive) }
        #expect(error.map { "\($0)".contains("blocks.0.mixer.router.weight") } == true)
        #expect(wide.step == 0 && wide.model.parameters.all.map { $0.value.doubles() } == before)
        let otherData = try trainer(try experiment("data.evaluation-count=5"))
        #expect(throws: TrainingError.self) { try otherData.restore(archive) }
        let otherOptimizer = try trainer(try experiment("training.optimizer.type=sgd"))
        #expect(throws: TrainingError.otherOptimizer(saved: "adamw", found: "sgd")) { try otherOptimizer.restore(archive) }
    }

    @Test func savedModelNeedsNoData() throws {
        let scratch = try Scratch()
        let trainer = try trainer(try experiment(), scratch["run"])
        try trainer.run()
        let saved = try SavedModel(scratch["run"])
        #expect(saved.step == 4 && saved.data.name == "copy" && saved.tokenizer == nil)
        #expect(saved.model.parameters.all.map { $0.value.doubles() } == trainer.model.parameters.all.map { $0.value.doubles() })
        trainer.configuration = .null
        let inCode = scratch["code.h5"]
        try CheckpointFile.write(try trainer.archive(), to: inCode)
        #expect(throws: SavedModel.Error.noConfiguration(path: inCode.path)) { try SavedModel(inCode) }
    }

    @Test func stoppingNeedsAMetricOfTheTask() throws {
        #expect(throws: ConfigurationError.self) { try experiment("training.target.metric=wrongbits") }
        #expect(throws: TrainingError.noSuchMetric("accuracy", dataset: "copy", known: ["loss", "bit-errors"])) {
            try trainer(try experiment("training.target.metric=accuracy"))
        }
    }

    @Test func sequencesBeyondThePositionsAreRefused() throws {
        let config: ConfigurationValue = [
            "data": ["type": "copy", "maximum-length": 4],
            "model": ["type": "transformer", "width": 8, "heads": 2, "positions": 8],
        ]
        let error = #expect(throws: TrainingError.self) { try trainer(try Experiment(config)) }
        #expect(
            error?.description.contains("sequences of 9 positions, but the model accepts at most 8 (model.positions)") == true)
    }

    @Test func runOnceFinishedDoesNothing() throws {
        let trainer = try trainer(try experiment())
        #expect(try trainer.run(until: 2) == .stopped)
        #expect(try trainer.run() == .finished)
        let tokens = trainer.tokens
        #expect(try trainer.run() == .finished && trainer.step == 4 && trainer.tokens == tokens)
    }
}

struct ProgressTests {
    private func report(_ step: Int, _ steps: Int) -> TrainingEvent {
        .step(
            TrainingEvent.Step(
                step: step, steps: steps, loss: 1.25, rate: 1e-3, gradientNorm: 1, tokensPerSecond: 12_345.6, secondsLeft: 75))
    }

    @Test func plainLinesWithoutATerminal() throws {
        var text = "", warnings = ""
        let reporter = ProgressReporter(isTerminal: false, write: { text += $0 }, warn: { warnings += $0 })
        for step in 1...100 { reporter(report(step, 100)) }
        var metrics = Metrics()
        metrics["loss"] = 0.5
        reporter(.evaluated(step: 100, metrics))
        reporter(.note("a note"))
        reporter.close()
        // The first step and the last; those between come too fast.
        #expect(
            text == """
                step 1/100  loss 1.2500  12,346 tokens/s  1m15s left
                step 100/100  loss 1.2500  12,346 tokens/s  1m15s left
                step 100  validation: loss 0.5000

                """)
        #expect(warnings == "a note\n")
    }

    @Test func oneLineOnATerminal() {
        var text = ""
        let reporter = ProgressReporter(isTerminal: true, write: { text += $0 }, warn: { text += "<\($0)>" })
        reporter(report(1, 2))
        reporter(.note("a note"))
        reporter(report(2, 2))
        reporter.close()
        #expect(text.components(separatedBy: "\n").count == 3)
        // The line is cleared before the note, which is one of its own.
        #expect(text.contains("left\r\u{1B}[2K<a note\n>\r\u{1B}[2Kstep 2/2"))
    }

    @Test func numbers() {
        #expect([0, 999.6, 1000, 1_234_567].map(ProgressReporter.count) == ["0", "1,000", "1,000", "1,234,567"])
        #expect([4, 75, 3700, .infinity].map(ProgressReporter.duration) == ["4s", "1m15s", "1h01m", "?"])
    }
}
