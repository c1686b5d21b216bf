import Foundation
import NSTMConfiguration
import NSTMIO
import NSTMModules
import Testing

import NSTMCommand
import NSTMTraining

/// The command line as its users meet it: one clear error, the right exit status, nothing overwritten.
@Suite(.serialized) struct CommandTests {
    let scratch: Scratch
    let text: URL

    init() throws {
        scratch = try Scratch()
        text = try scratch.write("text.txt", sampleText())
    }
    private func run(_ arguments: String..., environment: [String: String] = [:]) throws -> Tool.Result {
        try Tool.run(arguments, in: scratch, environment: environment)
    }
    private func trained() throws {
        try scratch.write("c.yaml", sampleConfiguration(text: text, steps: 2))
        let result = try run("train", "c.yaml", "--output", "run")
        try #require(result.status == 0, "\(result.error)")
    }

    /// The page of all strategies is what the program prints.
    @Test func documentationOfStrategiesIsUpToDate() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("Documentation/Strategies.md"), encoding: .utf8)
        let result = try run("describe", "--markdown")
        #expect(result.status == 0, "\(result.error)")
        #expect(
            result.output == page, "bring it up to date: nstm describe --markdown > Documentation/Strategies.md")
    }
    @Test func describeKnowsEveryName() throws {
        let all = try run("describe").output, registries = Registries.standard, s = registries.strategies
        let names =
            s.routings.names + s.updates.names + s.interactions.names + s.readouts.names + s.prunings.names + s.allocations.names
            + s.activations.names + s.embedders.tokens.names + s.embedders.features.names + registries.models.names
            + registries.datasets.names + registries.optimizers.names + registries.schedules.names
        let lines = all.split(separator: "\n")
        for name in names { #expect(lines.contains { $0.hasPrefix("  \(name): ") }, "\(name)") }
        let update = try run("describe", "update")
        #expect(update.status == 0 && all.contains(update.output) && update.output.contains("    timescale: double, default 1, "))
        let wrong = try run("describe", "updates")
        #expect(wrong.status == 64 && wrong.error.contains("unknown kind 'updates'; known kinds: model, router, update"))
    }

    @Test func configurationFaultsComeTogether() throws {
        let config = "data:\n  type: copy\n  bitz: 3\nmodel:\n  widht: 3\ntraining:\n  steps: many\n"
        try scratch.write("bad.yaml", config)
        let result = try run("train", "bad.yaml")
        #expect(result.status == 1)
        #expect(result.output.isEmpty)
        #expect(result.error.components(separatedBy: "error:").count == 2)
        for part in ["data.bitz: unknown key; did you mean 'bits'", "model.widht: unknown key", "training.steps: expected int"] {
            #expect(result.error.contains(part), "\(result.error)")
        }
        #expect(!FileManager.default.fileExists(atPath: scratch["runs"].path))
    }

    @Test func missingDataIsExplained() throws {
        let result = try run("train", "--data", "/nonexistent/folder")
        #expect(result.status == 1)
        #expect(result.error.contains("/nonexistent/folder") && result.error.contains("--data"))
        let file = try run("train", "--set", "data.type=text", "--set", "data.file=absent.txt")
        #expect(file.status == 1 && file.error.contains("absent.txt"))
        #expect(!FileManager.default.fileExists(atPath: scratch["runs"].path))
    }

    @Test func usageErrorsAndHelp() throws {
        #expect(try run("train", "--bogus").status == 64)
        #expect(try run("generate", "x.h5", "--temperature", "-1").status == 64)
        for arguments in [["--help"], ["train", "--help"], ["checkpoint", "info", "--help"]] {
            let help = try Tool.run(arguments, in: scratch)
            #expect(help.status == 0 && help.output.contains("Example"))
        }
        #expect(try run("--version").output == RunEnvironment.version + "\n")
    }

    /// Keep gates mask states with −∞, which is meant; what a rate beyond measure leads to is not.
    @Test func checkFiniteNamesTheOperation() throws {
        try trained()
        let checked = try run("train", "c.yaml", "--output", "checked", "--check-finite")
        #expect(checked.status == 0, "\(checked.error)")
        expectSame(try newest(scratch["run"]), try newest(scratch["checked"]))
        let wild = [
            "schedule.type=constant", "schedule.learning-rate=1000", "schedule.warmup=0", "optimizer.weight-decay=1000",
            "steps=50",
        ]
        let arguments = ["train", "c.yaml", "--output", "wild"] + wild.flatMap { ["--set", "training.\($0)"] }
        let plain = try Tool.run(arguments, in: scratch)
        #expect(plain.status == 1 && plain.error.contains("--check-finite names the operation"), "\(plain.error)")
        let named = try Tool.run(arguments + ["--overwrite", "--check-finite"], in: scratch)
        #expect(named.status != 0 && named.error.contains(" in '") && named.error.contains("first non-finite"), "\(named.error)")
    }

    @Test func damagedCheckpointIsRefused() throws {
        try trained()
        let file = scratch["run/step-2.h5"], bytes = try Data(contentsOf: file)
        try bytes.prefix(bytes.count / 2).write(to: file)
        for arguments in [["evaluate"], ["generate"], ["checkpoint", "info"], ["train", "--resume"]] {
            let result = try Tool.run(arguments + ["run/step-2.h5"], in: scratch)
            #expect(result.status == 1 && result.error.contains("truncated"), "\(arguments): \(result.error)")
        }
        #expect(try run("generate", "absent.h5").error.contains("no such file"))
    }

    @Test func otherConfigurationIsRefusedByKey() throws {
        try trained()
        let result = try run("train", "c.yaml", "--resume", "run", "--set", "model.width=32", "--set", "training.batch=5")
        #expect(result.status == 1)
        #expect(result.error.contains("model.width: 32, 16") && result.error.contains("training.batch: 5, 3"), "\(result.error)")
        #expect(!result.error.contains("model.layers"))
    }

    @Test func runFolderIsNotOverwritten() throws {
        try trained()
        let before = try Data(contentsOf: scratch["run/step-2.h5"]), lines = try metricLines(scratch["run"])
        let refused = try run("train", "c.yaml", "--output", "run", "--set", "seed=9")
        #expect(refused.status == 1 && refused.error.contains("--overwrite"))
        #expect(try Data(contentsOf: scratch["run/step-2.h5"]) == before)
        #expect(try metricLines(scratch["run"]) == lines)
        let forced = try run("train", "c.yaml", "--output", "run", "--set", "seed=9", "--until", "1", "--overwrite")
        #expect(forced.status == 0)
        #expect(scratch.listing("run") == ["metrics.jsonl", "step-1.h5"])
    }

    @Test func generationDependsOnTheSeedOnly() throws {
        try trained()
        func generate(_ seed: Int, _ more: String...) throws -> String {
            let arguments = ["generate", "run", "--prompt", "the ", "--length", "60", "--seed", "\(seed)", "--temperature", "2"]
            let result = try Tool.run(arguments + more, in: scratch)
            #expect(result.status == 0, "\(result.error)")
            return result.output
        }
        let first = try generate(1)
        #expect(first.hasPrefix("the ") && first.unicodeScalars.count == 65)
        #expect(try generate(1) == first)
        #expect(try generate(2) != first)
        #expect(try generate(1, "--top-k", "1") == generate(2, "--top-k", "1"))
        let half = try generate(1, "--bf16-weights")
        #expect(half.unicodeScalars.count == 65)
        #expect(try generate(1, "--bf16-weights") == half)
        let unknown = try run("generate", "run", "--prompt", "Ω")
        #expect(unknown.status == 1 && unknown.error.contains("Ω"))
    }

    @Test func evaluateAndInfo() throws {
        try trained()
        let evaluated = try run("evaluate", "run")
        #expect(evaluated.status == 0 && evaluated.output.contains("perplexity"))
        let logged = try metricLines(scratch["run"]).last { $0.contains("validation-loss") }
        let loss = evaluated.output.split(separator: "\n").first { $0.hasPrefix("loss ") }.map { $0.dropFirst(5) }
        #expect(logged?.contains("\"validation-loss\":\(loss ?? "?")") == true)
        let half = try run("evaluate", "run", "--bf16-weights").output.split(separator: "\n").first { $0.hasPrefix("loss ") }
        let near = half.flatMap { Double($0.dropFirst(5)) }, exact = loss.flatMap { Double($0) }
        #expect(near != exact && abs((near ?? 0) - (exact ?? 9)) < 0.01, "\(half ?? "no loss")")
        // Other text with the checkpoint's tokenizer; characters that it lacks are named.
        try scratch.write("other.txt", sampleText(2000).replacingOccurrences(of: "rule", with: "tale"))
        #expect(try run("evaluate", "run", "--set", "data.file=other.txt").output.contains("other data"))
        try scratch.write("foreign.txt", sampleText(2000) + "Ж")
        let foreign = try run("evaluate", "run", "--set", "data.file=foreign.txt")
        #expect(foreign.status == 1 && foreign.error.contains("Ж"))
        #expect(try run("evaluate", "run", "--set", "model.width=3").status == 1)
        let info = try run("checkpoint", "info", "run")
        #expect(info.status == 0)
        for part in ["step         2", "model/blocks.1.mixer.router.weight", "optimizer: ", "training.batch: 3"] {
            #expect(info.output.contains(part), "\(part)")
        }
    }

    /// The same text from a configuration, at the start of training, and from a checkpoint.
    @Test func summaries() throws {
        try scratch.write("c.yaml", sampleConfiguration(text: text, steps: 2))
        let summary = try run("summary", "c.yaml")
        #expect(summary.status == 0, "\(summary.error)")
        let lines = summary.output.split(separator: "\n").map(String.init)
        #expect(lines[0].hasPrefix("nstm, 2 layers of width 16, "))
        #expect(lines.last!.hasSuffix("in a sequence of 12"))
        let trained = try run("train", "c.yaml", "--output", "run").output
        for line in lines { #expect(trained.contains(line), "\(line)") }
        #expect(try run("summary", "run", "--context", "12").output == "run/step-2.h5, step 2\n" + summary.output)
        #expect(try run("summary", "run", "--set", "seed=2").status == 64)
    }

    @Test func bench() throws {
        try scratch.write("c.yaml", sampleConfiguration(text: text))
        let result = try run("bench", "--models", "c.yaml", "--lengths", "16,8", "--output", "bench", "--batch", "16")
        #expect(result.status == 0 && result.output.contains("c, 16 tokens: "), "\(result.error)")
        let names = ["memory.svg", "results.csv", "results.md", "state.svg", "streaming.svg", "training.svg", "work.svg"]
        #expect(scratch.listing("bench") == names)
        // The models of a plan have the sizes that they are compared with.
        let small = #"{type: nstm, layers: 1, width: 8, heads: 2, states: 4}"#
        try scratch.write(
            "plan.yaml",
            """
            base: {data: {type: copy, bits: 2, maximum-length: 2, evaluation-count: 4}, model: \(small), training: {batch: 2}}
            models: [{name: "a, b"}, {name: c, adjust: width}]
            parameters: {count: 2000, multiple: 2, tolerance: 0.2}
            """)
        let plan = try run("bench", "--models", "plan.yaml", "--lengths", "8", "--output", "plan", "--batch", "8")
        let rows = try String(contentsOf: scratch["plan/results.csv"], encoding: .utf8).split(separator: "\n").dropFirst()
        #expect(plan.status == 0 && rows.count == 2 && rows.first?.hasPrefix("\"a, b\",8,") == true, "\(plan.error) \(rows)")
        let long = try run("bench", "--models", "c.yaml", "--stream", "20")
        #expect(long.status == 0 && long.output.contains("Largest difference"), "\(long.error)")
        let half = try run("bench", "--models", "c.yaml", "--stream", "20", "--bf16-weights")
        #expect(half.status == 0 && half.output.contains("weights in bfloat16") && !long.output.contains("bfloat16"))
        #expect(try run("bench", "--lengths", "16,x").status == 64)
        #expect(try run("bench", "--models", "trnsformer").error.contains("did you mean 'transformer'"))
    }

    @Test func doctorAnswers() throws {
        let result = try run("doctor", environment: ["NSTM_NUM_THREADS": "1", "HOME": scratch.url.path, "XDG_CACHE_HOME": ""])
        #expect(result.status == 0)
        for part in ["OpenBLAS", "HDF5", "gated-slots", "tinyshakespeare: not found"] { #expect(result.output.contains(part)) }
    }

    @Test func yaml() throws {
        let text = "a: 1\nb: [1, x, 2.5]\nc:\n  d: \"1\"\n  e: ~\nf: {g: true}\n"
        let value = try ConfigurationValue(yamlDocument: text, name: "c.yaml")
        #expect(value == ["a": 1, "b": [1, "x", 2.5], "c": ["d": "1", "e": .null], "f": ["g": true]])
        #expect(try ConfigurationValue(yamlDocument: "", name: "c.yaml") == [:])
        for (text, location, message) in [
            ("a: 1\nb: 2\na: 3", "c.yaml:1", "duplicate key 'a'"), ("a: 1\n\"a\": 2", "c.yaml:", "duplicate key"),
            ("a: &x [1]\nb: *x", "c.yaml:", "alias"), ("a: 1\nb: !!str 3", "c.yaml:2", "tags"),
            ("a: [1\nb: 2", "c.yaml:2", "expected"),
            ("[1]: 2", "c.yaml:1", "plain word"),
        ] {
            let error = #expect(throws: ConfigurationError.self) { try ConfigurationValue(yamlDocument: text, name: "c.yaml") }
            #expect(error?.description.contains(location) == true && error?.description.contains(message) == true, "\(error!)")
        }
    }
}
