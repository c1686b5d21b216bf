import Foundation
import NSTMConfiguration
import NSTMData
import NSTMTensor
import Synchronization
import Testing

import NSTMTraining

/// Training lengths that grow with the step.
struct CurriculumTests {
    private static let configuration = """
        seed: 3
        data: {type: repeat-copy, bits: 2, maximum-length: 6, maximum-repeats: 4, evaluation-count: 2}
        model:
          layers: 1
          width: 8
          heads: 2
          states: 4
          lifecycle: {allocation: {type: surprise}, pruning: {type: random, keep: 3}, interval: 2, initial-active: 4}
        training:
          steps: 12
          batch: 2
          curriculum: {start: 0.2, steps: 8}
          evaluation: {interval: 4}
        """

    @Test func difficultyRisesLinearly() {
        let curriculum = TrainingSettings.Curriculum(start: 0.1, steps: 10)
        #expect(curriculum.difficulty(at: 0) == 0.1 && abs(curriculum.difficulty(at: 5) - 0.55) < 1e-12)
        for step in [10, 11, 1_000_000_000] { #expect(curriculum.difficulty(at: step) == 1) }
        for step in 0..<10 { #expect(curriculum.difficulty(at: step) < curriculum.difficulty(at: step + 1)) }
        #expect(TrainingSettings.Curriculum(steps: 4).difficulty(at: 0) == 0)
        #expect(TrainingSettings.Curriculum(start: 1, steps: 4).difficulty(at: 2) == 1)
    }

    /// A run that was stopped and resumed equals an uninterrupted one, before and after the curriculum has ended.
    @Test(arguments: [3, 9]) func resumeIsExact(stop: Int) throws {
        let scratch = try Scratch()
        try scratch.write("c.yaml", Self.configuration)
        func train(_ arguments: String...) throws {
            let result = try Tool.run(["train"] + arguments, in: scratch)
            #expect(result.status == 0, "\(result.error)")
        }
        try train("c.yaml", "--output", "whole")
        try train("c.yaml", "--output", "parts", "--until", "\(stop)")
        try train("--resume", "parts")
        expectSame(try newest(scratch["whole"]), try newest(scratch["parts"]))
        #expect(try metricLines(scratch["parts"]) == metricLines(scratch["whole"]))
        // The curriculum makes a difference.
        try train("c.yaml", "--output", "plain", "--set", "training.curriculum=null")
        #expect(try metricLines(scratch["plain"]) != metricLines(scratch["whole"]))
    }

    /// A dataset that notes the length of every training batch.
    private final class Recorder: Dataset {
        let task: Synthetic.Parity
        let lengths = Mutex<[(step: Int, length: Int)]>([])
        init(_ task: Synthetic.Parity) { self.task = task }
        var name: String { task.name }
        var inputKind: InputKind { task.inputKind }
        var targetKind: TargetKind { task.targetKind }
        var contextLength: Int { task.contextLength }
        var trainingLengths: ClosedRange<Int>? { task.trainingLengths }
        var fingerprint: String { task.fingerprint }
        func trainingBatch(step: Int, size: Int, key: RandomKey) -> Batch {
            trainingBatch(step: step, size: size, key: key, difficulty: 1)
        }
        func trainingBatch(step: Int, size: Int, key: RandomKey, difficulty: Double) -> Batch {
            let batch = task.trainingBatch(step: step, size: size, key: key, difficulty: difficulty)
            lengths.withLock { $0.append((step, batch.length)) }
            return batch
        }
        func evaluationBatches(size: Int, limit: Int?) -> BatchSequence { task.evaluationBatches(size: size, limit: limit) }
    }

    @Test func lengthsStayBelowTheLimit() throws {
        let config: ConfigurationValue = [
            "data": ["type": "parity"], "model": ["type": "gru", "width": 4, "layers": 1],
            "training": [
                "steps": 120, "batch": 1, "evaluation": ["interval": 1000, "limit": 1],
                "curriculum": ["start": 0.25, "steps": 80],
            ],
        ]
        let experiment = try Experiment(config)
        let recorder = Recorder(try Synthetic.Parity(lengths: .init(2, 22, evaluation: [3])))
        let trainer = try experiment.trainer(OpenedDataset(recorder))
        try trainer.run()
        let lengths = recorder.lengths.withLock { $0 }
        #expect(lengths.map(\.step) == Array(0..<120))
        for (step, length) in lengths {
            let difficulty = step >= 80 ? 1 : 0.25 + 0.75 * Double(step) / 80
            #expect(length >= 2 && length <= 2 + Int((difficulty * 20).rounded()))
        }
        // The limit is used: short at the start, and the largest lengths occur at the end.
        #expect(lengths.prefix(8).allSatisfy { $0.length <= 8 } && lengths.suffix(40).contains { $0.length > 19 })
    }

    @Test(arguments: ["recall", "text"]) func datasetsWithoutLengthsAreRefused(type: String) throws {
        let scratch = try Scratch()
        try scratch.write("text.txt", sampleText())
        let data = type == "text" ? "{type: text, file: text.txt, context: 8}" : "{type: recall, length: 8, pairs: 1}"
        try scratch.write(
            "c.yaml", "data: \(data)\nmodel: {width: 8, heads: 2, layers: 1}\ntraining: {steps: 2, curriculum: {steps: 2}}\n")
        let result = try Tool.run(["train", "c.yaml", "--output", "run"], in: scratch)
        #expect(result.status == 1)
        #expect(result.error.contains("training.curriculum limits the lengths of training sequences, and the dataset '\(type)'"))
    }

    @Test func settingsErrorsAreNamed() throws {
        func issues(_ curriculum: ConfigurationValue) throws -> [String] {
            do { _ = try Experiment(["data": ["type": "copy"], "training": ["curriculum": curriculum]]) } catch {
                return try #require(error as? ConfigurationError).issues.map(\.description)
            }
            return []
        }
        #expect(try issues(["start": 0.1, "steps": 20]).isEmpty && issues(.null).isEmpty && issues([:]).isEmpty)
        let alone = try issues(["start": 0.1])
        #expect(alone.count == 1 && alone[0].hasPrefix("training.curriculum.steps"), "\(alone)")
        let bad = try issues(["start": 1.5, "steps": 0, "stop": 3])
        #expect(bad.count == 3, "\(bad)")
        for key in ["start", "steps", "stop"] { #expect(bad.contains { $0.hasPrefix("training.curriculum.\(key)") }, "\(bad)") }
    }
}
