import Foundation
import NSTMIO
import NSTMModules
import Testing

import NSTMTraining

/// Nothing is deleted before what replaces it is safe.
@Suite(.serialized) struct OverwriteTests {
    let scratch: Scratch
    private let config = """
        data: {type: copy, bits: 1, maximum-length: 2}
        model: {layers: 1, width: 8, heads: 1, states: 4, router: {k: 1}}
        training: {steps: 4, batch: 2, evaluation: {interval: 2}, checkpoint: {interval: 2, keep: 5}}
        """

    init() throws {
        scratch = try Scratch()
        try scratch.write("c.yaml", config)
        #expect(try train("c.yaml", "--output", "a").status == 0)
    }
    private func train(_ arguments: String...) throws -> Tool.Result { try Tool.run(["train"] + arguments, in: scratch) }
    /// Names and bytes of a folder.
    private func contents(_ folder: String) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in scratch.listing(folder) { files[name] = try Data(contentsOf: scratch["\(folder)/\(name)"]) }
        return files
    }

    @Test func anEarlierRunGoesWithTheFirstCheckpoint() throws {
        #expect(try train("c.yaml", "--output", "a", "--overwrite", "--until", "1", "--set", "seed=2").status == 0)
        #expect(scratch.listing("a") == ["metrics.jsonl", "step-1.h5"])
        #expect(try train("c.yaml", "--output", "b", "--until", "1", "--set", "seed=2").status == 0)
        #expect(try metricLines(scratch["a"]) == metricLines(scratch["b"]))
    }
    @Test func anEarlierRunStaysWhenTheNewOneDiverges() throws {
        let before = try contents("a")
        let diverged = try train(
            "c.yaml", "--output", "a", "--overwrite", "--set", "training.clip.type=none", "--set", "training.optimizer.type=sgd",
            "--set", "training.schedule.learning-rate=1000", "--set", "training.schedule.min-learning-rate=1000", "--set",
            "training.schedule.warmup=0",
            "--set", "training.schedule.type=constant", "--set", "training.steps=10000",
            "--set", "training.checkpoint.interval=20000", "--set", "training.evaluation.interval=20000")
        #expect(diverged.status == 1, "\(diverged.output)")
        #expect(diverged.error.lowercased().contains("this run has saved no checkpoint yet"), "\(diverged.error)")
        let after = try contents("a")
        for (name, bytes) in before { #expect(after[name] == bytes, "\(name)") }
    }
    @Test func aRunDoesNotOverwriteWhatItResumesFrom() throws {
        try FileManager.default.createSymbolicLink(at: scratch["alias"], withDestinationURL: scratch["a"])
        let before = try contents("a")
        for output in ["alias", "a", "a/../a", "./a"] {
            let refused = try train("--resume", "a/step-2.h5", "--output", output, "--overwrite")
            #expect(refused.status == 1 && refused.error.contains("resumes from"), "\(refused.error)")
            #expect(try contents("a") == before)
        }
    }
    /// A folder by another name is the folder that a run continues in, with its log.
    @Test func resumingThroughALinkKeepsTheLog() throws {
        #expect(try train("c.yaml", "--output", "b", "--until", "3").status == 0)
        try FileManager.default.createSymbolicLink(at: scratch["alias"], withDestinationURL: scratch["b"])
        let resumed = try train("--resume", "b", "--output", "alias")
        #expect(resumed.status == 0, "\(resumed.error)")
        #expect(try metricLines(scratch["b"]) == metricLines(scratch["a"]))
    }
    @Test func damagedLogsKeepTheirHistory() throws {
        #expect(try train("c.yaml", "--output", "b", "--until", "3").status == 0)
        let log = RunFolder(scratch["b"]).metrics, text = try String(contentsOf: log, encoding: .utf8)
        try Data(text.replacingOccurrences(of: "\n", with: "\r\n").utf8).write(to: log)
        #expect(try train("--resume", "b", "--until", "4").status == 0)
        #expect(try metricLines(scratch["b"]) == metricLines(scratch["a"]))

        #expect(try train("c.yaml", "--output", "d", "--until", "3").status == 0)
        let other = RunFolder(scratch["d"]).metrics
        var bytes = try Data(contentsOf: other)
        let count = bytes.split(separator: UInt8(ascii: "\n")).count
        // In the middle of the first line's first number, so that the line says nothing any more.
        bytes[bytes.firstIndex(of: UInt8(ascii: ":"))! + 1] = 0xFF
        try bytes.write(to: other)
        let resumed = try train("--resume", "d", "--until", "4")
        #expect(resumed.status == 0 && resumed.error.contains("1 line(s)"), "\(resumed.output) \(resumed.error)")
        let lines = try Data(contentsOf: other).split(separator: UInt8(ascii: "\n"))
        #expect(lines.count == (try metricLines(scratch["a"]).count) && lines.count > count)
        #expect(lines[0].contains(0xFF))
    }
    @Test func derivedCheckpointsReplaceAfterTheyAreSaved() throws {
        let before = try contents("a"), folder = RunFolder(scratch["a"])
        var archive = try newest(scratch["a"])
        // Such a path cannot be saved.
        archive[tensor: "no good path"] = .scalar(1)
        #expect(throws: CheckpointError.self) { try folder.begin(with: archive, step: 9, overwriting: true) }
        #expect(try contents("a") == before)
        archive[tensor: "no good path"] = nil
        _ = try folder.begin(with: archive, step: 9, overwriting: true)
        #expect(scratch.listing("a").filter { $0.hasSuffix(".h5") } == ["step-9.h5"])
    }
}

/// A damaged checkpoint is not passed over in silence, whatever the command.
@Suite(.serialized) struct PassedOverTests {
    @Test func everyCommandWarnsAndNamesWhatItUsed() throws {
        let scratch = try Scratch(), text = try scratch.write("text.txt", sampleText())
        try scratch.write("c.yaml", sampleConfiguration(text: text))
        let trained = try Tool.run(
            ["train", "c.yaml", "--output", "a", "--set", "training.checkpoint.interval=4"], in: scratch)
        #expect(trained.status == 0, "\(trained.error)")
        let last = scratch["a/step-8.h5"], bytes = try Data(contentsOf: last)
        try bytes.prefix(bytes.count - 100).write(to: last)
        let commands: [[String]] = [
            ["evaluate", "a"], ["generate", "a", "--length", "3", "--prompt", "the "], ["summary", "a"], ["states", "a"],
            ["prune", "a", "--policy", "top-k", "--keep", "4", "--output", "pruned"], ["compact", "a", "--output", "compacted"],
            ["expand", "a", "--states", "9", "--output", "expanded"], ["checkpoint", "info", "a"],
            ["robustness", "a", "--noise", "replaced-tokens", "--strengths", "0.1"],
        ]
        for command in commands {
            let result = try Tool.run(command, in: scratch)
            #expect(result.status == 0, "\(command): \(result.error)")
            #expect(result.error.contains("skipped") && result.error.contains("truncated"), "\(command): \(result.error)")
            #expect((result.output + result.error).contains("a/step-4.h5"), "\(command): \(result.output)")
        }
    }
}
