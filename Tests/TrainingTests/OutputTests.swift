import Foundation
import NSTMIO
import NSTMModules
import Testing

import NSTMTraining

/// What happens when standard output, standard error or the log cannot be written.
@Suite(.serialized) struct OutputTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// Ways to lose a standard stream, as redirections; nil is a pipe that nobody reads.
    static let losses: [String?] = [
        nil, ">/dev/full", ">&-", "2>&-", "<&-", "2>/dev/full", ">/dev/full 2>&1", "<&- >&- 2>&-",
    ]
    /// Runs with a stream lost.
    private func run(_ arguments: [String], losing loss: String?) throws -> Tool.Result {
        if let loss { return try Tool.run(arguments, in: scratch, shell: "exec \"$0\" \"$@\" \(loss)") }
        let pipe = Pipe()
        try pipe.fileHandleForReading.close()
        return try Tool.run(arguments, in: scratch, output: pipe.fileHandleForWriting)
    }

    @Test func trainingNeedsNoOutput() throws {
        #expect(try Tool.run(["train", "--output", "whole"] + tinyRun(), in: scratch).status == 0)
        for (i, loss) in OutputTests.losses.enumerated() {
            let result = try run(["train", "--output", "run\(i)"] + tinyRun(), losing: loss)
            #expect(result.status == 0, "\(loss ?? "pipe"): \(result.error)")
            #expect(scratch.listing("run\(i)") == ["metrics.jsonl", "step-6.h5"], "\(loss ?? "pipe")")
            expectSame(try newest(scratch["run\(i)"]), try newest(scratch["whole"]))
            // A file that had got the number of a standard stream would have its text in it.
            #expect(try metricLines(scratch["run\(i)"]) == metricLines(scratch["whole"]))
        }
    }

    @Test func comparingNeedsNoOutput() throws {
        try scratch.write(
            "plan.yaml",
            """
            base:
              data: {type: copy, bits: 2, maximum-length: 2, evaluation-count: 4}
              model: {type: nstm, layers: 1, width: 8, heads: 1, states: 4}
              training: {batch: 2}
            models: [{name: a}]
            budget: {steps: 3}
            """)
        for (i, loss) in [nil, ">/dev/full", "<&- >&- 2>&-"].enumerated() {
            let result = try run(["compare", "plan.yaml", "--output", "plan\(i)"], losing: loss)
            #expect(result.status == 0, "\(result.error)")
            #expect(scratch.listing("plan\(i)").contains("table.md"))
        }
    }

    /// Where the output is the result, its loss is a failure.
    @Test func lostResultsAreFailures() throws {
        try #require(try Tool.run(["train", "--output", "run"] + tinyRun(), in: scratch).status == 0)
        let commands = [
            ["evaluate", "run"], ["summary", "run"], ["checkpoint", "info", "run"], ["states", "run"], ["doctor"], ["--help"],
            ["train", "--help"], ["--version"],
        ]
        for command in commands {
            for loss in [nil, ">/dev/full", ">&-"] {
                let result = try run(command, losing: loss)
                #expect(result.status == 1, "\(command) \(loss ?? "pipe")")
                #expect(result.error.hasPrefix("error: standard output cannot be written: "), "\(command): \(result.error)")
                #expect(result.errorLines.count == 1, "\(command): \(result.error)")
            }
            #expect(try run(command, losing: "2>&-").status == 0, "\(command)")
            #expect(try run(command, losing: ">&- 2>&-").status == 1, "\(command)")
        }
        let text = try scratch.write("text.txt", sampleText())
        try scratch.write("c.yaml", sampleConfiguration(text: text, steps: 1))
        try #require(try Tool.run(["train", "c.yaml", "--output", "text"], in: scratch).status == 0)
        // It would run for hours.
        let endless = try run(["generate", "text", "--prompt", "the ", "--length", "1000000000"], losing: nil)
        #expect(endless.status == 1 && endless.error.contains("standard output cannot be written"))
    }

    /// A usage error keeps its status when nobody can be told.
    @Test func usageErrorsNeedNoOutput() throws {
        for loss in OutputTests.losses { #expect(try run(["train", "--bogus"], losing: loss).status == 64) }
    }

    /// The limit on the size of files stops the log, and not the checkpoint.
    @Test func logThatCannotGrow() throws {
        let more = ["model.update.type=gated-slots", "training.steps=8"]
        try #require(
            try Tool.run(["train", "--output", "run", "--until", "3"] + tinyRun(more[0], more[1]), in: scratch).status == 0)
        try #require(try Tool.run(["train", "--output", "whole"] + tinyRun(more[0], more[1]), in: scratch).status == 0)
        let log = scratch["run/metrics.jsonl"]
        let size = try FileManager.default.attributesOfItem(atPath: scratch["run/step-3.h5"].path)[.size] as? Int ?? 0
        let blocks = 2 * size / 512, history = try String(contentsOf: log, encoding: .utf8)
        let padding = blocks * 512 - history.utf8.count - 40
        try Data((#"{"step":1,"note":"\#(String(repeating: "x", count: padding))"}"# + "\n" + history).utf8).write(to: log)
        let result = try Tool.run(["train", "--resume", "run"], in: scratch, shell: "ulimit -f \(blocks); exec \"$0\" \"$@\"")
        #expect(result.status == 1)
        #expect(result.error.contains("run/metrics.jsonl: cannot be written: "), "\(result.error)")
        #expect(result.error.contains("The run ends after step 4, saved as "), "\(result.error)")
        #expect(result.errorLines.count == 1)
        #expect(try RunFolder(scratch["run"]).newest()?.step == 4)
        // Nothing of the step that was lost for the log is in it, and the run resumes as if nothing had been.
        #expect(try metricLines(scratch["run"]).allSatisfy { !$0.contains("not a map") })
        #expect(try Tool.run(["train", "--resume", "run"], in: scratch).status == 0)
        expectSame(try newest(scratch["run"]), try newest(scratch["whole"]))
    }

    /// Standard output has progress and results, standard error has warnings, with and without `--quiet`.
    @Test func warningsGoToStandardError() throws {
        try #require(try Tool.run(["train", "--output", "run", "--until", "2"] + tinyRun(), in: scratch).status == 0)
        let log = scratch["run/metrics.jsonl"], lines = try Data(contentsOf: log)
        let base = """
            base:
              data: {type: copy, bits: 2, maximum-length: 2, evaluation-count: 4}
              model: {layers: 1, width: 8, heads: 1, states: 4}
              training: {steps: 3, batch: 2, checkpoint: {interval: 1}}
            """
        let plan = base + "\nmodels: [{name: a}]"
        try scratch.write("sweep.yaml", base + "\nvalues: {model.states: [4]}\n")
        try scratch.write("compare.yaml", plan + "\nbudget: {steps: 3}\n")
        try scratch.write("scale.yaml", plan + "\nsizes: [{width: 8}]\ntokens: [30]\n")
        for more in [[], ["--quiet"]] {
            // A line of the log that something damaged.
            try (Data("nonsense\n".utf8) + lines).write(to: log)
            let trained = try Tool.run(
                ["train", "--resume", "run", "--output", "trained\(more.count)"] + more, in: scratch)
            #expect(trained.status == 0 && trained.error.contains("warning: 1 line(s) of the metrics log"), "\(trained.error)")
            #expect(!trained.output.contains("warning") && trained.output.isEmpty == !more.isEmpty, "\(trained.output)")
            // The newest checkpoint of a run that is not over is damaged.
            for command in ["compare", "scale", "sweep"] {
                let arguments = [command, "\(command).yaml", "--output", command + "\(more.count)"]
                try #require(try Tool.run(arguments, in: scratch).status == 0)
                let files = scratch.listing().filter { $0.hasPrefix(command + "\(more.count)/") }
                let run = try #require(files.first { $0.hasSuffix("/run.json") })
                try FileManager.default.removeItem(at: scratch[run])
                try Data("nonsense".utf8).write(to: scratch[try #require(files.last { $0.hasSuffix(".h5") })])
                let resumed = try Tool.run(arguments + ["--resume"] + more, in: scratch)
                #expect(resumed.status == 0 && resumed.error.contains("warning: skipped 1 newer"), "\(resumed.error)")
                #expect(!resumed.output.contains("warning") && resumed.output.isEmpty == !more.isEmpty, "\(resumed.output)")
            }
        }
    }

    /// What names and files hold reaches a terminal as text.
    @Test func controlCharactersAreShown() throws {
        #expect("a\tb\nc é 文 \u{1F600}".printable == "a\tb\nc é 文 \u{1F600}")
        #expect("\u{1B}[31m\r\u{7}\u{7F}\u{9B}\u{202E}".printable == #"\u{1B}[31m\u{D}\u{7}\u{7F}\u{9B}\u{202E}"#)
        try scratch.write("bad\u{1B}[31m.yaml", "\"model\\e]0;title\\a\": 1\n\"\\u202e\": 2\n")
        let escape = "\u{1B}[31m"
        for arguments in [
            ["train", "bad\(escape).yaml"], ["train", "--set", "a\(escape)=1"], ["train", "--\(escape)"], ["evaluate", escape],
            ["train", "absent\(escape).yaml"], ["train", "--set", "data.type=\(escape)"],
            ["train", "--set", "data.type=text", "--set", "data.file=\(escape)"], ["compare", escape],
        ] {
            let result = try Tool.run(arguments, in: scratch)
            #expect(result.status != 0)
            #expect(
                !(result.output + result.error).unicodeScalars.contains {
                    $0.properties.generalCategory == .control && $0 != "\n"
                })
            #expect(result.error.contains(#"\u{1B}"#), "\(result.error)")
        }
        // A run in a folder with such a name.
        let run = try Tool.run(["train", "--output", "run\(escape)"] + tinyRun(), in: scratch)
        #expect(run.status == 0 && !run.output.contains("\u{1B}") && run.output.contains(#"run\u{1B}[31m"#))
    }

    @Test func longListsOfIssuesAreCut() throws {
        try scratch.write("bad.yaml", (0..<3000).map { "key\($0): 1\n" }.joined())
        let result = try Tool.run(["train", "bad.yaml"], in: scratch)
        #expect(result.status == 1 && result.error.contains("the configuration has 3000 issues:"))
        #expect(result.error.split(separator: "\n").count == 22, "\(result.error)")
        #expect(result.error.hasSuffix("  … and 2980 more\n"))
        #expect(result.error.contains("key0: ") && result.error.contains("key19: ") && !result.error.contains("key20: "))
    }
}
