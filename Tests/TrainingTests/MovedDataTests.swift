import Foundation
import NSTMModules
import Testing

import NSTMTraining

/// A run on one's own text, when the text has moved or the run is used from another folder.
@Suite struct MovedDataTests {
    private func ok(_ words: [String], _ scratch: Scratch) throws -> String {
        let result = try Tool.run(words, in: scratch)
        #expect(result.status == 0, "\(words): \(result.error)")
        return result.output
    }

    @Test func theFingerprintDecides() throws {
        let scratch = try Scratch()
        try scratch.write("text.txt", sampleText())
        // A relative path.
        try scratch.write(
            "c.yaml",
            sampleConfiguration(text: URL(fileURLWithPath: "TEXT"), steps: 4).replacingOccurrences(
                of: URL(fileURLWithPath: "TEXT").path, with: "text.txt"))
        _ = try ok(["train", "c.yaml", "--output", "run", "--until", "2"], scratch)
        let elsewhere = try Scratch(), run = scratch["run"].path
        _ = try ok(["states", run, "--batches", "1", "--size", "2"], elsewhere)

        try FileManager.default.createDirectory(at: scratch["new"], withIntermediateDirectories: true)
        try FileManager.default.moveItem(at: scratch["text.txt"], to: scratch["new/text.txt"])
        let lost = try Tool.run(["train", "--resume", run], in: elsewhere)
        #expect(lost.status == 1 && lost.error.contains("--set data.file"), "\(lost.error)")
        let new = scratch["new"].path
        for words in [["states", run], ["prune", run, "--policy", "random", "--keep", "2", "--output", "pruned"]] {
            _ = try ok(words + ["--data", new, "--batches", "1", "--size", "2"], elsewhere)
        }
        _ = try ok(["evaluate", run, "--set", "data.file=\(new)/text.txt"], elsewhere)
        _ = try ok(["train", "--resume", run, "--data", "\(new)/text.txt", "--until", "3"], elsewhere)
        _ = try ok(["train", "--resume", run, "--set", "data.file=\(new)/text.txt"], elsewhere)

        try scratch.write("new/text.txt", sampleText() + "and")
        for words in [["states", run], ["train", "--resume", run]] {
            let other = try Tool.run(words + ["--data", new], in: elsewhere)
            #expect(other.status == 1 && other.error.contains("fingerprint"), "\(other.error)")
        }
    }

    /// What is made with `--data` names the file that was read, by its full path: it is found again without the option.
    @Test func theFileThatWasReadIsStored() throws {
        let scratch = try Scratch(), elsewhere = try Scratch()
        let text = try scratch.write("text.txt", sampleText())
        try scratch.write("c.yaml", sampleConfiguration(text: text, steps: 4))
        _ = try ok(["train", "c.yaml", "--output", "run", "--until", "2"], scratch)
        try scratch.write("new/text.txt", sampleText())
        try scratch.write("new/renamed.txt", sampleText())
        try FileManager.default.removeItem(at: text)
        let run = scratch["run"].path, policy = ["--policy", "random", "--keep", "4", "--batches", "1", "--size", "2"]
        func check(_ folder: String, _ file: String) throws {
            let config = try SavedModel(scratch[folder]).configuration
            #expect(config[path: "data.file"] == .string(scratch[file].standardizedFileURL.path), "\(folder)")
            _ = try ok(["states", scratch[folder].path, "--batches", "1", "--size", "2"], elsewhere)
            _ = try ok(["train", "--resume", scratch[folder].path, "--output", "of-\(folder)"], elsewhere)
        }
        // A folder, the file itself, and a path that begins here.
        let candidates = [("new", "new/text.txt"), ("new/renamed.txt", "new/renamed.txt"), (scratch["new"].path, "new/text.txt")]
        for (i, (data, file)) in candidates.enumerated() {
            _ = try ok(["prune", run, "--data", data, "--output", "pruned-\(i)"] + policy, scratch)
            try check("pruned-\(i)", file)
            _ = try ok(["prune", run, "--data", data, "--compact", "--output", "small-\(i)"] + policy, scratch)
            try check("small-\(i)", file)
            _ = try ok(["train", "--resume", "run", "--data", data, "--until", "3", "--output", "trained-\(i)"], scratch)
            try check("trained-\(i)", file)
            _ = try ok(["train", "c.yaml", "--data", data, "--until", "2", "--output", "fresh-\(i)"], scratch)
            try check("fresh-\(i)", file)
        }
        // What reads no data keeps the path.
        _ = try ok(["compact", "pruned-0", "--output", "compact"], scratch)
        try check("compact", "new/text.txt")
        _ = try ok(["expand", "pruned-0", "--states", "9", "--output", "expanded"], scratch)
        try check("expanded", "new/text.txt")
    }

    /// A plan whose data has moved is the same plan, and one with other data is not, wherever that is stored.
    @Test(arguments: ["compare", "scale", "datasets", "sweep"]) func plansFollowTheirData(kind: String) throws {
        let scratch = try Scratch(), command = kind == "datasets" ? "compare" : kind
        try scratch.write("text.txt", sampleText())
        func plan(_ file: String, seeds: String = "[1, 2]") throws {
            let data = "data: {type: text, file: \(file), context: 8}"
            try scratch.write(
                "plan.yaml",
                """
                base:
                  \(kind == "datasets" ? "{}" : data)
                  model: {layers: 1, width: 8, heads: 2, states: 4}
                  training: {steps: 2, batch: 2, evaluation: {interval: 100, limit: 1, batch: 2}}
                \(kind == "sweep" ? "values: {model.states: [4]}" : "models: [{name: a}]")
                seeds: \(seeds)
                \(kind == "scale" ? "sizes: [{width: 8}]\ntokens: [32]" : kind == "sweep" ? "" : "budget: {steps: 2}")
                \(kind == "datasets" ? "datasets: [{name: one, \(data)}]" : "")

                """.replacingOccurrences(of: "  {}\n", with: ""))
        }
        let resume = [command, "plan.yaml", "--output", "out", "--resume"]
        try plan("text.txt")
        _ = try ok([command, "plan.yaml", "--output", "out"], scratch)
        let record = try #require(
            (FileManager.default.enumerator(atPath: scratch["out"].path)?.allObjects as? [String])?.first {
                $0.hasSuffix("seed-2/run.json")
            })
        // From here on the second run has still to be done.
        func forget() throws {
            try FileManager.default.removeItem(at: scratch["out/\(record)"].deletingLastPathComponent())
        }
        try forget()
        try plan(scratch["text.txt"].path)
        _ = try ok(resume, scratch)
        try scratch.write("new/moved.txt", sampleText())
        try FileManager.default.removeItem(at: scratch["text.txt"])
        try forget()
        try plan("new/moved.txt")
        #expect(try ok(resume, scratch).contains("seed 2"))
        try forget()
        try plan("lost/moved.txt")
        #expect(try ok(resume + ["--data", "new"], scratch).contains("seed 2"))

        // Other data is refused, under the old path too, before anything is run.
        for file in ["new/moved.txt", "new/other.txt"] {
            try forget()
            try scratch.write(file, sampleText() + "and")
            try plan(file)
            let other = try Tool.run(resume, in: scratch)
            #expect(other.status == 1 && other.error.contains("fingerprint"), "\(other.error)")
            #expect(!FileManager.default.fileExists(atPath: scratch["out/\(record)"].path))
            try scratch.write("new/moved.txt", sampleText())
            try plan("new/moved.txt")
            _ = try ok(resume, scratch)
        }
        // Every other key counts.
        try plan("new/moved.txt", seeds: "[1]")
        let other = try Tool.run(resume, in: scratch)
        #expect(other.status == 1 && other.error.contains("seeds"), "\(other.error)")
    }

    /// Whatever characters a text has, `generate` begins, and what `train` suggests works.
    @Test(arguments: ["character", "byte"], ["0101100111010", "Жўщ", "the The"]) func everyVocabularyHasABeginning(
        unit: String, letters: String
    ) throws {
        let scratch = try Scratch()
        let text = try scratch.write("text.txt", String(repeating: letters, count: 300))
        try scratch.write("c.yaml", sampleConfiguration(text: text, steps: 1))
        let output = try ok(["train", "c.yaml", "--output", "run", "--set", "data.unit=\(unit)"], scratch)
        _ = try ok(["generate", "run", "--length", "5"], scratch)
        let next = try #require(output.split(separator: "\n").first { $0.hasPrefix("try next") })
        #expect(next.contains("generate"))
        let words = next.split(separator: " ").dropFirst(3).map(String.init)
        _ = try ok(words.contains("--prompt") ? ["generate", "--prompt", "The ", "run"] : words, scratch)
        #expect(words.contains("--prompt") == (unit == "byte" || letters.contains("T")))
        let other = unit == "byte" ? "character" : "byte"
        let refused = try Tool.run(["evaluate", "run", "--set", "data.unit=\(other)"], in: scratch)
        #expect(refused.status == 1 && refused.error.contains("data.unit"), "\(refused.error)")
    }
    /// A model that cannot continue a text is not said to.
    @Test func noHintThatIsRefused() throws {
        let scratch = try Scratch()
        let text = try scratch.write("text.txt", sampleText())
        try scratch.write("c.yaml", sampleConfiguration(text: text, steps: 1))
        let settings = ["data.unit=byte", "model.embedders.tokens.type=bytes"].flatMap { ["--set", $0] }
        let output = try ok(["train", "c.yaml", "--output", "run"] + settings, scratch)
        #expect(output.contains("evaluate run") && !output.contains("generate"))
    }
}
