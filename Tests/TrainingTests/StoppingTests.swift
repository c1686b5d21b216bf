import Foundation
import NSTMConfiguration
import NSTMModules
import Testing

import NSTMTraining

struct StoppingTests {
    private func trainer(_ changes: String..., folder: URL? = nil) throws -> Trainer {
        var config: ConfigurationValue = [
            "data": ["type": "copy", "bits": 2, "maximum-length": 2, "evaluation-count": 4],
            "model": ["layers": 1, "width": 8, "heads": 2, "states": 4, "router": ["k": 2]],
            "training": ["steps": 40, "batch": 2, "evaluation": ["interval": 2], "checkpoint": ["interval": 1]],
        ]
        try config.apply(overrides: changes)
        let experiment = try Experiment(config)
        return try experiment.trainer(try experiment.openDataset(), folder: folder)
    }
    private func metrics(_ name: String, _ value: Double) -> Metrics {
        var metrics = Metrics()
        metrics[name] = value
        return metrics
    }

    @Test func goalsGoEitherWay() throws {
        func goal(_ config: ConfigurationValue) throws -> TrainingSettings.Target? {
            let reader = ConfigurationReader(config), goal = TrainingSettings.Target(reader)
            reader.finish()
            try reader.throwIfInvalid()
            // What is written into a checkpoint means the same.
            #expect(TrainingSettings.Target(ConfigurationReader(reader.resolved)) == goal)
            return goal
        }
        #expect(try goal([:]) == nil)
        #expect(try goal(["metric": "bit-errors"]) == TrainingSettings.Target("bit-errors", .atMost(0)))
        #expect(try goal(["metric": "accuracy"]) == TrainingSettings.Target("accuracy", .atLeast(1)))
        #expect(try goal(["metric": "accuracy", "at-least": 0.99]) == TrainingSettings.Target("accuracy", .atLeast(0.99)))
        #expect(try goal(["metric": "accuracy", "at-most": 0.5]) == TrainingSettings.Target("accuracy", .atMost(0.5)))
        let error = #expect(throws: ConfigurationError.self) { try goal(["metric": "lose", "at-most": 1, "at-least": 1]) }
        #expect(error?.issues.map(\.path) == ["metric", "at-least"])
        let high = TrainingSettings.Target("accuracy", .atLeast(0.9))
        #expect([0.8, 0.9, .nan].map { high.isReached(by: metrics("accuracy", $0)) } == [false, true, false])
        #expect(!high.isReached(by: metrics("loss", 1)))
    }

    @Test func plateausWait() {
        let falling = TrainingSettings.EarlyStopping(minDelta: 0.1, patience: 2),
            rising = TrainingSettings.EarlyStopping("accuracy", patience: 2)
        func waits(_ plateau: TrainingSettings.EarlyStopping, _ values: [Double]) -> [Int] {
            var progress = TrainingSettings.EarlyStopping.Progress()
            return values.map { value in
                plateau.add(metrics(plateau.metric, value), to: &progress)
                return progress.waited
            }
        }
        // 0.95 gains too little over 1; measured from the best value, 0.85 is enough.
        #expect(waits(falling, [1, 0.95, 0.85, 0.9, 0.8, 0.7]) == [0, 1, 0, 1, 2, 0])
        #expect(waits(rising, [0.1, 0.2, 0.2, 0.1, 0.3]) == [0, 0, 1, 2, 0])
        #expect(waits(falling, [.nan, 1, .nan]) == [1, 0, 1])
    }

    /// With a rate of 0 nothing improves: the first evaluation is the best, and three more end the run.
    ///
    /// The count continues in a resumed run.
    @Test func runsSettle() throws {
        let scratch = try Scratch()
        func still(_ folder: String) throws -> Trainer {
            try trainer(
                "training.early-stopping.patience=3", "training.schedule.learning-rate=0",
                "training.schedule.min-learning-rate=0",
                "training.optimizer.weight-decay=0", folder: scratch[folder])
        }
        let whole = try still("whole")
        #expect(try whole.run() == .noImprovement && whole.step == 8)
        #expect(try whole.run() == .noImprovement && whole.step == 8)
        #expect(try still("parts").run(until: 5) == .stopped)
        let rest = try still("parts")
        try rest.restore(try newest(scratch["parts"]))
        #expect(try rest.run() == .noImprovement && rest.step == 8)
        expectSame(try newest(scratch["whole"]), try newest(scratch["parts"]))
        #expect(throws: TrainingError.self) {
            try trainer("training.early-stopping.patience=1", "training.early-stopping.metric=accuracy").run()
        }
    }

    @Test func timeEndsARunWithAnEvaluation() throws {
        let scratch = try Scratch(), trainer = try trainer("training.time-limit=1e-6", folder: scratch["run"])
        #expect(try trainer.run() == .timeLimit && trainer.step == 1)
        #expect(trainer.lastMetrics?["bit-errors"] != nil)
        let again = try self.trainer("training.time-limit=1e-6")
        try again.restore(try newest(scratch["run"]))
        #expect(try again.run() == .timeLimit && again.step == 1)
    }
}
