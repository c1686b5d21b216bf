import Foundation
import NSTMIO
import Testing

import NSTMTraining

/// A run that was stopped in any way and resumed in a new process equals an uninterrupted run.
@Suite(.serialized) struct ResumeTests {
    let scratch: Scratch
    let text: URL

    init() throws {
        scratch = try Scratch()
        text = try scratch.write("text.txt", sampleText())
    }
    private func train(_ arguments: String..., threads: Int? = nil) throws -> Tool.Result {
        try Tool.run(["train"] + arguments, in: scratch, threads: threads)
    }

    @Test(arguments: [
        ("nstm", "gated-slots", "adamw"), ("nstm", "gru", "sgd"), ("transformer", "", "rmsprop"),
    ])
    func resumeIsExact(model: String, rule: String, optimizer: String) throws {
        try scratch.write("c.yaml", sampleConfiguration(text: text, model: model, rule: rule, optimizer: optimizer))
        #expect(try train("c.yaml", "--output", "whole").status == 0)
        #expect(try train("c.yaml", "--output", "parts", "--until", "4").status == 0)
        let resumed = try train("--resume", "parts")
        #expect(resumed.status == 0, "\(resumed.error)")
        expectSame(try newest(scratch["whole"]), try newest(scratch["parts"]))
        let lines = try metricLines(scratch["whole"])
        #expect(lines.count == 8 + 3)
        #expect(try metricLines(scratch["parts"]) == lines)
    }

    /// Annealing depends on the step, which a resumed run knows.
    @Test func resumeIsExactWithAnnealing() throws {
        func write(_ name: String, _ router: String) throws {
            let text = sampleConfiguration(text: text).replacingOccurrences(of: "{type: top-k, k: 3}", with: router)
            try scratch.write(name, text + "\n")
        }
        let moves = "read-moves: [stay, forward, home, cycle, find]"
        try write("c.yaml", "{type: pointer, heads: 2, \(moves), anneal: {start: 0.2, end: 0.9, temperature: 0.2}}")
        try write("constant.yaml", "{type: pointer, heads: 2, \(moves)}")
        #expect(try train("c.yaml", "--output", "whole").status == 0)
        #expect(try train("c.yaml", "--output", "parts", "--until", "4").status == 0)
        #expect(try train("--resume", "parts").status == 0)
        expectSame(try newest(scratch["whole"]), try newest(scratch["parts"]))
        #expect(try metricLines(scratch["parts"]) == metricLines(scratch["whole"]))
        // Annealing changes the steps after its start.
        #expect(try train("constant.yaml", "--output", "constant").status == 0)
        #expect(try metricLines(scratch["constant"]) != metricLines(scratch["whole"]))
    }

    @Test func threadsDoNotMatter() throws {
        try scratch.write("c.yaml", sampleConfiguration(text: text))
        for threads in [1, 2] {
            let result = try train("c.yaml", "--output", "threads\(threads)", threads: threads)
            #expect(result.status == 0 && result.output.contains("\(threads) thread"))
        }
        expectSame(try newest(scratch["threads1"]), try newest(scratch["threads2"]))
        #expect(try metricLines(scratch["threads1"]) == metricLines(scratch["threads2"]))
    }

    @Test func interruptSavesAndResumes() throws {
        try scratch.write("c.yaml", sampleConfiguration(text: text, steps: 100_000))
        let tool = try Tool(["train", "c.yaml", "--output", "a"], in: scratch)
        #expect(eventually { ((try? metricLines(scratch["a"]).count) ?? 0) >= 5 })
        tool.signal(SIGINT)
        let result = try tool.wait()
        #expect(result.status == 130)
        #expect(result.error.contains("saved; resume with: nstm train --resume a"))
        let step = try #require(try RunFolder(scratch["a"]).newest()).step
        #expect(step > 0)
        #expect(try train("--resume", "a", "--until", "\(step + 3)").status == 0)
        #expect(try train("c.yaml", "--output", "b", "--until", "\(step + 3)").status == 0)
        expectSame(try newest(scratch["a"]), try newest(scratch["b"]))
        #expect(try metricLines(scratch["a"]) == metricLines(scratch["b"]))
    }

    @Test func killLeavesALoadableCheckpoint() throws {
        try scratch.write("c.yaml", sampleConfiguration(text: text, steps: 100_000))
        let tool = try Tool(["train", "c.yaml", "--output", "a", "--set", "training.checkpoint.interval=1"], in: scratch)
        #expect(eventually { scratch.listing("a").contains { $0.hasPrefix("step-") && $0 > "step-4" } })
        tool.signal(SIGKILL)
        _ = try tool.wait()
        let step = try #require(try RunFolder(scratch["a"]).newest()).step
        let resumed = try train("--resume", "a", "--until", "\(step + 1)")
        #expect(resumed.status == 0, "\(resumed.error)")
        let whole = try train("c.yaml", "--set", "training.checkpoint.interval=1", "--output", "b", "--until", "\(step + 1)")
        #expect(whole.status == 0)
        expectSame(try newest(scratch["a"]), try newest(scratch["b"]))
        #expect(try metricLines(scratch["a"]) == metricLines(scratch["b"]))
    }

    /// Freed and uninitialized memory has values whose use changes the results.
    @Test func savesAndResumesWithPerturbedMemory() throws {
        try scratch.write("c.yaml", sampleConfiguration(text: text, steps: 4))
        for arguments in [
            ["train", "c.yaml", "--output", "a", "--until", "2", "--set", "training.checkpoint.interval=1"],
            ["train", "--resume", "a"], ["evaluate", "a"], ["checkpoint", "info", "a"],
        ] {
            let result = try Tool.run(arguments, in: scratch, environment: ["MALLOC_PERTURB_": "165"])
            #expect(result.status == 0, "\(arguments): \(result.error)")
        }
    }

    @Test func damagedCheckpointIsPassedOver() throws {
        try scratch.write("c.yaml", sampleConfiguration(text: text))
        #expect(try train("c.yaml", "--output", "a", "--set", "training.checkpoint.interval=2").status == 0)
        let last = scratch["a/step-8.h5"], bytes = try Data(contentsOf: last)
        try bytes.prefix(bytes.count - 100).write(to: last)
        let resumed = try train("--resume", "a")
        #expect(resumed.status == 0)
        #expect(resumed.error.contains("skipped") && resumed.error.contains("truncated"))
        #expect(try Data(contentsOf: last).count == bytes.count)
    }

    @Test func branchGoesToAnotherFolder() throws {
        try scratch.write("c.yaml", sampleConfiguration(text: text))
        #expect(try train("c.yaml", "--output", "a", "--set", "training.checkpoint.interval=4").status == 0)
        let files = scratch.listing("a"), lines = try metricLines(scratch["a"])
        let refused = try train("--resume", "a/step-4.h5")
        #expect(refused.status == 1 && refused.error.contains("step-8.h5"))
        #expect(scratch.listing("a") == files)
        #expect(try metricLines(scratch["a"]) == lines)
        #expect(try train("--resume", "a/step-4.h5", "--output", "b").status == 0)
        expectSame(try newest(scratch["a"]), try newest(scratch["b"]))
        #expect(try metricLines(scratch["b"]) == lines)
    }

    @Test func solvedRunStaysSolved() throws {
        let config = """
            data: {type: copy, bits: 1, maximum-length: 1}
            model: {layers: 1, width: 8, heads: 1, states: 2, router: {k: 1}}
            training: {steps: 50, batch: 2, evaluation: {interval: 2}, target: {metric: bit-errors, at-most: 1}}
            """
        try scratch.write("c.yaml", config)
        let first = try train("c.yaml", "--output", "a")
        #expect(first.status == 0 && first.output.contains("solved (bit-errors at most 1.0) after step 2"))
        let second = try train("--resume", "a")
        #expect(second.status == 0 && second.output.contains("solved (bit-errors at most 1.0) after step 2"))
        #expect(scratch.listing("a") == ["metrics.jsonl", "step-2.h5"])
    }
}
