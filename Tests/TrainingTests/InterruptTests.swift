import Foundation
import NSTMIO
import Testing

import NSTMTraining

/// Signals, and requests to stop.
@Suite(.serialized) struct InterruptTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func hasLogged(_ lines: Int, in run: String) -> Bool { ((try? metricLines(scratch[run]).count) ?? 0) >= lines }

    /// Each saves, also when the reader of the output has gone first, as in a pipe.
    @Test func signalsSave() throws {
        for (i, number) in [SIGINT, SIGTERM, SIGHUP].enumerated() {
            let pipe = Pipe()
            let tool = try Tool(
                ["train", "--output", "run\(i)"] + tinyRun("training.steps=1000000"), in: scratch,
                output: pipe.fileHandleForWriting)
            #expect(eventually { hasLogged(5, in: "run\(i)") })
            try pipe.fileHandleForReading.close()
            tool.signal(number)
            // Terminals that close send several.
            if number == SIGHUP { for _ in 0..<3 { tool.signal(number) } }
            let result = try tool.wait()
            #expect(tool.process.terminationReason == .exit && result.status == 128 + number, "\(number): \(result.error)")
            #expect(result.error.contains("stopped after step "), "\(result.error)")
            let step = try #require(try RunFolder(scratch["run\(i)"]).newest()).step
            #expect(try metricLines(scratch["run\(i)"]).contains { $0.hasPrefix("{\"step\":\(step),") })
            #expect(scratch.listing("run\(i)") == ["metrics.jsonl", "step-\(step).h5"])
        }
    }

    /// `nohup` means it.
    @Test func ignoredHangupStaysIgnored() throws {
        let tool = try Tool(
            ["train", "--output", "run"] + tinyRun("training.steps=2000"), in: scratch,
            shell: "trap '' HUP; exec \"$0\" \"$@\"")
        #expect(eventually { hasLogged(5, in: "run") })
        tool.signal(SIGHUP)
        let result = try tool.wait()
        #expect(result.status == 0, "\(result.error)")
        #expect(try RunFolder(scratch["run"]).newest()?.step == 2000)
    }

    /// Evaluating all these sequences would take minutes.
    @Test func evaluationIsInterrupted() throws {
        let tool = try Tool(
            ["train", "--output", "run"] + tinyRun("data.evaluation-count=1000000", "training.evaluation.batch=1"), in: scratch)
        #expect(eventually { hasLogged(2, in: "run") })
        tool.signal(SIGINT)
        let result = try tool.wait()
        #expect(tool.process.terminationReason == .exit && result.status == 130, "\(result.error)")
        #expect(try RunFolder(scratch["run"]).newest()?.step == 2)
        #expect(try metricLines(scratch["run"]).count == 2)
    }

    /// Wherever a run is stopped, in an evaluation or between steps, and however often: the rest is the run that never stopped.
    @Test func stoppedRunsResumeExactly() throws {
        let settings = [
            "training.evaluation.batch=1", "training.target.metric=bit-errors", "training.early-stopping.patience=50",
        ]
        func trainer(_ folder: String) throws -> Trainer {
            try tinyTrainer(settings[0], settings[1], settings[2], folder: scratch[folder])
        }
        var questions = 0
        let whole = try trainer("whole")
        whole.shouldStop = {
            questions += 1
            return false
        }
        #expect(try whole.run() == .finished)
        #expect(questions > 20)
        for stop in 1...questions {
            let folder = "part\(stop)"
            var ending = Trainer.StopReason.stopped, sittings = 0
            while ending == .stopped && sittings < 100 {
                let part = try trainer(folder)
                if sittings > 0 { try part.restore(try newest(scratch[folder])) }
                var asked = 0
                // The second sitting is short too, and interrupts again what the first left undone.
                let limit = sittings < 2 ? (sittings == 0 ? stop : 1) : Int.max
                part.shouldStop = {
                    asked += 1
                    return asked >= limit
                }
                ending = try part.run()
                sittings += 1
            }
            #expect(ending == .finished, "\(stop)")
            expectSame(try newest(scratch[folder]), try newest(scratch["whole"]))
            #expect(try metricLines(scratch[folder]) == metricLines(scratch["whole"]), "\(stop)")
        }
    }
}
