import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules
import NSTMTensor
import Testing

import NSTMTraining

struct ClassificationTests {
    /// Four classes, one of which never occurs.
    ///
    /// F1 of the others by hand: 4/5, 2/3, 0.
    @Test func macroF1CountsClassesAlike() {
        var confusion = ConfusionMatrix(classes: 4)
        func logits(_ answers: [Int]) -> Tensor {
            Tensor(answers.flatMap { answer in (0..<4).map { $0 == answer ? Float(1) : 0 } }, [answers.count, 4])
        }
        confusion.add(logits: logits([0, 0, 0]), targets: Tensor([0, 0, 2] as [Int32]))
        confusion.add(logits: logits([1, 2]), targets: Tensor([1, 1] as [Int32]))
        #expect(confusion[0, 0] == 2 && confusion[2, 0] == 1 && confusion[1, 2] == 1 && confusion[1, 1] == 1)
        #expect(abs(confusion.accuracy - 0.6) < 1e-12)
        #expect(abs(confusion.macroF1 - (0.8 + 2.0 / 3) / 3) < 1e-12)
        #expect(ConfusionMatrix(classes: 2).accuracy == 0 && ConfusionMatrix(classes: 2).macroF1 == 0)
    }

    /// From a configuration to metrics on both splits, with images that their brightness tells apart.
    @Test(arguments: ["nstm", "transformer"], [false, true])
    func digitsAreLearned(model: String, bidirectional: Bool) throws {
        if model == "transformer" && bidirectional { return }
        let scratch = try Scratch()
        func idx(_ dims: [Int], _ elements: [UInt8]) -> Data {
            Data([0, 0, 8, UInt8(dims.count)] + dims.flatMap { [0, 0, UInt8($0 >> 8), UInt8($0 & 255)] } + elements)
        }
        for (part, count) in [("train", 300), ("t10k", 40)] {
            let labels = (0..<count).map { UInt8($0 * 7 % 3) }
            let images = labels.flatMap { [UInt8](repeating: $0 * 120, count: 64) }
            try scratch.write("\(part)-images-idx3-ubyte", idx([count, 8, 8], images))
            try scratch.write("\(part)-labels-idx1-ubyte", idx([count], labels))
        }
        var config: ConfigurationValue = [
            "data": ["type": "mnist", "patch": 4, "shift": 1, "validation": 30],
            "model": ["type": .string(model), "width": 16, "layers": 1, "heads": 2, "hidden": 16],
            "training": ["steps": 150, "batch": 16, "schedule": ["learning-rate": 1e-2], "evaluation": ["interval": 150]],
        ]
        if model == "nstm" { try config.set(path: "model.states", to: 4) }
        if bidirectional { try config.set(path: "model.bidirectional", to: true) }
        let experiment = try Experiment(config, folder: DatasetFolder(scratch.path))
        let opened = try experiment.openDataset()
        #expect(opened.warning?.contains("not the published file") == true)
        let trainer = try experiment.trainer(opened)
        #expect(try trainer.run() == .finished)
        let metrics = try #require(trainer.lastMetrics)
        #expect(metrics.pairs.map(\.name) == ["loss", "accuracy", "macro-f1"])
        #expect(metrics["accuracy"] == 1 && metrics["macro-f1"] == 1)
        try config.set(path: "data.evaluation", to: "test")
        let test = try Experiment(config, folder: DatasetFolder(scratch.path)).openDataset().dataset
        #expect(evaluate(trainer.model, on: test.evaluationBatches(size: 16), target: test.targetKind)["accuracy"] == 1)
    }

    /// For next-token prediction, a bidirectional layer is an issue of the configuration; a block has two layers, each with its
    /// states.
    @Test func bidirectionalLayers() throws {
        func model(_ target: TargetKind, _ states: ConfigurationValue) throws -> SequenceModel {
            let config: ConfigurationValue = [
                "model": ["width": 8, "layers": 2, "heads": 2, "states": states, "router": ["k": 2], "bidirectional": true]
            ]
            return try Experiment(config).model(input: .features(width: 4), target: target)
        }
        for target in [TargetKind.nextToken(vocabulary: 5), .binary(width: 2), .answers(vocabulary: 5)] {
            let error = #expect(throws: ConfigurationError.self) { _ = try model(target, 4) }
            #expect(
                "\(error!)".contains("model.bidirectional") && "\(error!)".contains("one answer for each sequence"), "\(error!)")
        }
        #expect(try model(.classes(count: 3), [4, 3, 2, 5]).stateLayers.map(\.manager.count) == [4, 3, 2, 5])
        let error = #expect(throws: ConfigurationError.self) { _ = try model(.classes(count: 3), [4, 3]) }
        #expect("\(error!)".contains("2 numbers of states for 4 layers"))
    }
}
