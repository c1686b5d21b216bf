import Foundation
import NSTMAutograd
import NSTMConfiguration
import NSTMData
import NSTMIO
import NSTMModules
import NSTMTensor
import Testing

import NSTMTraining

/// Training and evaluation on synthetic tasks: targets that are numbers, and a known optimum.
struct SyntheticTrainingTests {
    private func experiment(_ data: ConfigurationValue, _ changes: String...) throws -> Experiment {
        var config: ConfigurationValue = [
            "data": data, "model": ["type": "gru", "width": 16, "layers": 1],
            "training": [
                "steps": 4, "batch": 4, "evaluation": ["interval": 2], "schedule": ["type": "constant", "learning-rate": 0.01],
            ],
        ]
        try config.apply(overrides: changes)
        return try Experiment(config)
    }

    /// The loss of numbers is the mean squared error over positions that count and all channels.
    @Test func lossOfNumbers() {
        let targets = Tensor([1, 2, 3, 4, 5, 6] as [Float], [1, 3, 2])
        let outputs = Tensor([0, 0, 2, 6, 5, 9] as [Float], [1, 3, 2])
        let inputs = Tensor.zeros([1, 3, 1])
        func loss(_ mask: Tensor?) -> Double {
            let batch = Batch(inputs: inputs, targets: targets, mask: mask)
            return taskLoss(Variable(outputs), batch, .values(width: 2)).value.item()
        }
        #expect(abs(loss(nil) - (1 + 4 + 1 + 4 + 0 + 9) / 6) < 1e-6)
        #expect(loss(Tensor([0, 1, 1] as [Float], [1, 3])) == 3.5 && loss(Tensor([0, 0, 0] as [Float], [1, 3])) == 0)
    }

    @Test func metricsOfNumbers() throws {
        #expect(Metrics.names(for: .values(width: 3)) == ["loss", "mse"] && !Metrics.rises("mse"))
        let experiment = try experiment(["type": "adding", "minimum-length": 5, "maximum-length": 5, "evaluation-count": 7])
        let data = try experiment.openDataset().dataset, model = try experiment.model(for: data)
        // Batches of 3, 3 and 1 sequences have the mean over sequences, whatever their sizes.
        let metrics = evaluate(model, on: data.evaluationBatches(size: 3), target: data.targetKind)
        var sum = 0.0
        for batch in data.evaluationBatches(size: 7) {
            let outputs = model(batch.inputs, ForwardContext(.evaluate)).value.doubles(), targets = batch.targets.doubles()
            #expect(outputs.count == 7 * 5)
            for b in 0..<7 { sum += pow(outputs[b * 5 + 4] - targets[b * 5 + 4], 2) }
        }
        #expect(abs(metrics["mse"]! - sum / 7) < 1e-6 && metrics["loss"] == metrics["mse"])
        #expect(metrics.pairs.map(\.name) == ["loss", "mse"])
    }

    /// A run on numbers ends at a bound of its metric, logs it, and its checkpoint has the kind of the targets.
    @Test func numbersAreLearned() throws {
        let scratch = try Scratch()
        let experiment = try experiment(
            ["type": "adding", "minimum-length": 2, "maximum-length": 2, "evaluation-count": 50], "training.steps=500",
            "training.batch=16", "training.evaluation.interval=50", "training.target.metric=mse", "training.target.at-most=0.02")
        let trainer = try experiment.trainer(try experiment.openDataset(), folder: scratch["run"])
        #expect(try trainer.run() == .targetReached)
        #expect(trainer.lastMetrics!["mse"]! <= 0.02)
        #expect(try metricLines(scratch["run"]).contains { $0.contains("\"validation-mse\"") })
        let saved = try SavedModel(scratch["run"])
        #expect(saved.data.target == .values(width: 1) && saved.data.input == .features(width: 2))
        #expect(saved.model.parameters.all.map { $0.value.doubles() } == trainer.model.parameters.all.map { $0.value.doubles() })
    }

    /// The optimum is reported beside the loss, as the mean over all targets.
    @Test func optimumIsReported() throws {
        let experiment = try experiment([
            "type": "n-gram", "context": 2, "minimum-length": 8, "maximum-length": 8, "evaluation-lengths": [8, 20],
            "evaluation-count": 3,
        ])
        let data = try experiment.openDataset().dataset, model = try experiment.model(for: data)
        let metrics = evaluate(model, on: data.evaluationBatches(size: 2), target: data.targetKind)
        #expect(metrics.pairs.map(\.name) == ["loss", "bit-errors", "optimal-loss"])
        var sum = 0.0, count = 0
        for batch in data.evaluationBatches(size: 1) {
            let inputs = batch.inputs.doubles().map { Int($0) }, bits = inputs + [Int(batch.targets.doubles().last!)]
            sum += Synthetic.NGram.optimalLoss(bits, context: 2) * Double(bits.count - 2)
            count += bits.count - 2
        }
        #expect(abs(metrics["optimal-loss"]! - sum / Double(count)) < 1e-9)
        // Other tasks have none, and training cannot stop by it.
        let copy = try self.experiment(["type": "copy", "evaluation-count": 1]), copies = try copy.openDataset().dataset
        let others = evaluate(try copy.model(for: copies), on: copies.evaluationBatches(size: 1), target: copies.targetKind)
        #expect(others["optimal-loss"] == nil)
        let stopping = try self.experiment(["type": "n-gram"], "training.target.metric=optimal-loss")
        #expect(throws: TrainingError.self) { try stopping.trainer(try stopping.openDataset()).run() }
    }

    /// Every registered synthetic task trains and evaluates with its defaults made small.
    @Test(arguments: [
        "repeat-copy", "reverse", "associative-recall", "n-gram", "priority-sort", "selective-copying", "induction", "adding",
        "parity", "sorting", "dyck",
    ])
    func everyTaskTrains(type: String) throws {
        let shortest = ["n-gram": 6, "selective-copying": 16][type] ?? 3
        let experiment = try experiment([
            "type": .string(type), "minimum-length": .int(shortest), "maximum-length": .int(shortest + 2), "evaluation-count": 3,
            "evaluation-lengths": [.int(shortest), .int(2 * shortest)],
        ])
        let opened = try experiment.openDataset()
        #expect(opened.dataset.name == type && opened.dataset.trainingLengths == shortest...shortest + 2)
        let trainer = try experiment.trainer(opened)
        try trainer.run()
        let known = Metrics.names(for: opened.dataset.targetKind)
        for name in known { #expect(trainer.lastMetrics?[name]?.isFinite == true, "\(name)") }
    }

    /// The pictures of the page of tasks are what the program prints.
    @Test func documentationOfTasksIsUpToDate() throws {
        let scratch = try Scratch()
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("Documentation/Tasks.md"), encoding: .utf8)
        // A command after `$`, then its output up to the end of the block.
        let blocks = page.matches(of: /\$ nstm (data show [^\n]*)\n((?:(?!```)[^\n]*\n)+)```/)
        for block in blocks {
            let result = try Tool.run(block.1.split(separator: " ").map(String.init), in: scratch)
            #expect(result.output == block.2, "\(block.1): \(result.error)")
        }
        let shown = Set(blocks.compactMap { $0.1.split(separator: " ").dropFirst(2).first.map(String.init) })
        let others: Set = ["tinyshakespeare", "text", "mnist", "mnist-questions"]
        #expect(shown == Set(Registries.standard.datasets.names).subtracting(others))
        let unknown = try Tool.run(["data", "show", "copies"], in: scratch)
        #expect(unknown.status == 1 && unknown.error.contains("unknown dataset 'copies'"), "\(unknown.error)")
    }
}
