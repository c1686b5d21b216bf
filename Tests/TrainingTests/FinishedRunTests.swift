import Foundation
import NSTMConfiguration
import NSTMIO
import Testing

import NSTMTraining

/// What commands do when no step is left, and arguments that cannot be meant.
@Suite(.serialized) struct FinishedRunTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func run(_ arguments: String...) throws -> Tool.Result { try Tool.run(arguments, in: scratch) }

    /// A branch of a finished run has its checkpoint and its log, also where another run is overwritten.
    @Test func branchesWithoutStepsAreSaved() throws {
        try #require(try Tool.run(["train", "--output", "a"] + tinyRun(), in: scratch).status == 0)
        try #require(try Tool.run(["train", "--output", "b"] + tinyRun("training.steps=4", "seed=2"), in: scratch).status == 0)
        #expect(try run("train", "--resume", "a", "--output", "empty").status == 0)
        #expect(try run("train", "--resume", "a", "--output", "b", "--overwrite").status == 0)
        for folder in ["empty", "b"] {
            #expect(scratch.listing(folder) == ["metrics.jsonl", "step-6.h5"])
            expectSame(try newest(scratch[folder]), try newest(scratch["a"]))
            #expect(try metricLines(scratch[folder]) == metricLines(scratch["a"]))
        }
        try #require(try Tool.run(["train", "--output", "c", "--until", "3"] + tinyRun(), in: scratch).status == 0)
        #expect(try run("train", "--resume", "c", "--output", "d", "--until", "3").status == 0)
        expectSame(try newest(scratch["d"]), try newest(scratch["c"]))
        let earlier = try run("train", "--resume", "c", "--output", "e", "--until", "2")
        #expect(earlier.status == 64 && earlier.error.contains("--until 2: the checkpoint is that of step 3"), "\(earlier.error)")
        #expect(!FileManager.default.fileExists(atPath: scratch["e"].path))
    }

    /// The log of a run whose checkpoints someone deleted is kept beside that of a new run.
    @Test func logsAreKept() throws {
        for (i, seed) in ["seed=1", "seed=2", "seed=3"].enumerated() {
            let result = try Tool.run(["train", "--output", "a"] + tinyRun(seed), in: scratch)
            #expect(result.status == 0)
            #expect(result.error.contains("earlier run was kept as a/metrics.\(i).jsonl") == (i > 0), "\(result.error)")
            try FileManager.default.removeItem(at: scratch["a/step-6.h5"])
        }
        #expect(scratch.listing("a") == ["metrics.1.jsonl", "metrics.2.jsonl", "metrics.jsonl"])
    }

    /// A run that is restored from a checkpoint in memory continues the log in its folder.
    @Test func logsAreContinued() throws {
        let first = try tinyTrainer(folder: scratch["a"])
        try first.run(until: 3)
        var archive = try CheckpointFile.read(scratch["a/step-3.h5"])
        archive.source = nil
        let second = try tinyTrainer(folder: scratch["a"])
        try second.restore(archive)
        try second.run()
        #expect(!scratch.listing("a").contains("metrics.1.jsonl"))
        let lines = try metricLines(scratch["a"])
        #expect((1...6).allSatisfy { step in lines.contains { $0.contains("\"step\":\(step),") } }, "\(lines)")
    }

    /// A resumed run says what its log lacks.
    @Test func gapsOfLogsAreNamed() throws {
        try #require(try Tool.run(["train", "--output", "whole", "--until", "5"] + tinyRun(), in: scratch).status == 0)
        let log = scratch["whole/metrics.jsonl"]
        let lines = try String(contentsOf: log, encoding: .utf8).split(separator: "\n").map(String.init)
        func entries(_ isKept: (Int) -> Bool) -> [String] {
            lines.filter { line in (1...5).contains { isKept($0) && line.contains("\"step\":\($0),") } }
        }
        let cases: [([String]?, String?)] = [
            (lines, nil), (entries { $0 > 2 }, nil), (entries { $0 != 3 }, "lacks 1 of the steps up to 5, the first is step 3"),
            (entries { $0 < 3 }, "lacks 3 of the steps up to 5, the first is step 3"),
            (entries { $0 % 2 == 1 }, "lacks 2 of the steps up to 5, the first is step 2"),
            (nil, "there is no metrics log of the steps up to 5"),
        ]
        for (i, (kept, warning)) in cases.enumerated() {
            try? FileManager.default.removeItem(at: log)
            try kept.map { try Data(($0.joined(separator: "\n") + "\n").utf8).write(to: log) }
            let result = try run("train", "--resume", "whole", "--output", "out\(i)")
            #expect(result.status == 0)
            #expect(result.errorLines.count == (warning == nil ? 0 : 1), "\(i): \(result.error)")
            if let warning {
                #expect(result.error.contains("warning: ") && result.error.contains(warning), "\(i): \(result.error)")
            }
        }
    }

    /// An override whose value is missing, as of a shell variable that is not set, is refused.
    @Test func missingValuesAreRefused() throws {
        for text in ["model.width=", "seed= ", "seed=\n"] {
            var value = ConfigurationValue.map(["model": .map(["width": .int(16)])])
            #expect(throws: ConfigurationError.self) { try value.apply(overrides: [text]) }
            #expect(value[path: "model.width"] == .int(16))
        }
    }

    /// Lengths and counts that no machine can have are usage errors.
    @Test(arguments: [
        ["summary", "a", "--context", "99999999999"], ["bench", "--lengths", "9223372036854775807", "--models", "gru"],
        ["bench", "--batch", "100000000000", "--lengths", "256", "--models", "gru"],
        ["states", "a", "--batches", "1000000000"], ["states", "a", "--size", "9223372036854775807"],
        ["prune", "a", "--policy", "random", "--size", "1000000000"],
    ]) func hugeNumbersAreRefused(_ arguments: [String]) throws {
        let result = try Tool.run(arguments, in: scratch)
        #expect(result.status == 64 && !result.error.contains("Fatal"), "\(result.error)")
    }

    /// A folder for results that cannot be one is refused before the measurement.
    @Test func outputFoldersAreCheckedFirst() throws {
        try scratch.write("file", "text")
        let bench = try run("bench", "--lengths", "16", "--models", "gru", "--output", "file")
        #expect(
            bench.status == 1 && bench.error.contains("file: cannot be written: it is a file, not a folder"), "\(bench.error)")
        #expect(!bench.output.contains("multiply-adds"))
    }

    /// A run that is given twice under one name would count as two seeds.
    @Test func runsAreCountedOnce() throws {
        try FileManager.default.createDirectory(at: scratch["a"], withIntermediateDirectories: true)
        let result = try run("robustness", "a", "./a", "--strengths", "0.1")
        #expect(result.status == 64 && result.error.contains("./a is given more than once"), "\(result.error)")
    }
}
