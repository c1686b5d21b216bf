import Foundation
import NSTMModules
import NSTMTraining
import Testing

/// Random configurations over all registries and all datasets that need no download, through the commands.
///
/// Each command has to succeed or to end with a message and status 1 or 64: no trap, no hang, no loss that is not a number.
///
/// `NSTM_FUZZ_COUNT` and `NSTM_FUZZ_SEED` make it longer (`Scripts/fuzz-configurations`).
@Suite struct ConfigurationFuzzTests {
    static let shards = 2
    private static func setting(_ name: String, _ usual: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? usual
    }
    static let count = setting("NSTM_FUZZ_COUNT", 36), seed = setting("NSTM_FUZZ_SEED", 1)

    @Test(arguments: 0..<shards) func nothingTraps(shard: Int) throws {
        let files = try Scratch()
        let text = try files.write("text.txt", sampleText(700)).path
        try ConfigurationFuzzTests.writeDigits(files)
        var trained = 0, refused: [String] = [], tried = 0
        for index in stride(from: shard, to: ConfigurationFuzzTests.count, by: ConfigurationFuzzTests.shards) {
            let random = RandomConfiguration(
                seed: ConfigurationFuzzTests.seed, index: index, text: text, registries: .standard)
            let journey = try Journey(random, digits: files.url)
            try journey.run()
            tried += 1
            trained += journey.isTrained ? 1 : 0
            if let reason = journey.refusal {
                refused.append("\(index)\(random.isBroken ? "" : " (meant to be valid)"): \(reason)")
            }
            let value = random.value.json()
            for issue in journey.issues { Issue.record("configuration \(index): \(issue)\n\(value)") }
        }
        print("fuzz, shard \(shard): \(tried) configurations, \(trained) trained, \(refused.count) refused")
        for reason in refused { print("  refused \(reason)") }
        // Otherwise hardly anything would be tested.
        #expect(10 * trained >= 8 * tried)
    }

    /// Every name of every registry is reached by the configurations of a long run.
    @Test func everyNameComesUp() throws {
        let registries = Registries.standard, strategies = registries.strategies
        var seen: [String: Set<String>] = [:]
        for index in 0..<600 {
            let value = RandomConfiguration(seed: 1, index: index, text: "x", registries: registries).value
            for key in [
                "data.type", "model.type", "model.router.type", "model.update.type", "model.interaction.type",
                "model.read.type", "model.lifecycle.pruning.type", "model.lifecycle.allocation.type",
                "model.lifecycle.activation.type",
                "model.embedders.tokens.type", "model.embedders.features.type",
            ] {
                if case .string(let name)? = value[path: key] { seen[key, default: []].insert(name) }
            }
        }
        #expect(seen["data.type"] == Set(registries.datasets.names).subtracting(["tinyshakespeare"]))
        #expect(seen["model.type"] == Set(registries.models.names))
        #expect(seen["model.router.type"] == Set(strategies.routings.names))
        #expect(seen["model.update.type"] == Set(strategies.updates.names))
        #expect(seen["model.interaction.type"] == Set(strategies.interactions.names))
        #expect(seen["model.read.type"] == Set(strategies.readouts.names))
        #expect(seen["model.lifecycle.pruning.type"] == Set(strategies.prunings.names))
        #expect(seen["model.lifecycle.allocation.type"] == Set(strategies.allocations.names))
        #expect(seen["model.lifecycle.activation.type"] == Set(strategies.activations.names))
        #expect(seen["model.embedders.tokens.type"] == Set(strategies.embedders.tokens.names))
        #expect(seen["model.embedders.features.type"] == Set(strategies.embedders.features.names))
    }

    /// Images of 8 × 8 random pixels in the format of MNIST.
    static func writeDigits(_ scratch: Scratch) throws {
        func idx(_ dims: [Int], _ elements: [UInt8]) -> Data {
            Data(
                [0, 0, 8, UInt8(dims.count)] + dims.flatMap { n in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: n >> $0) } }
                    + elements)
        }
        for (part, count) in [("train", 20), ("t10k", 6)] {
            let pixels = (0..<count * 64).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 7) }
            try scratch.write("\(part)-images-idx3-ubyte", idx([count, 8, 8], pixels))
            try scratch.write("\(part)-labels-idx1-ubyte", idx([count], (0..<count).map { UInt8($0 % 10) }))
        }
    }
}

/// One configuration through the commands, in a folder of its own.
private final class Journey {
    private let random: RandomConfiguration
    private let scratch: Scratch
    private let digits: URL
    private(set) var isTrained = false
    /// Why it was not trained.
    private(set) var refusal: String?
    private(set) var issues: [String] = []

    init(_ random: RandomConfiguration, digits: URL) throws {
        self.random = random
        self.digits = digits
        scratch = try Scratch()
        try scratch.write("c.yaml", random.value.json())
    }

    func run() throws {
        let summary = try command(["summary", "c.yaml"])
        let first = try command(["train", "c.yaml", "--output", "run", "--until", "2"])
        if first.status != 0 {
            refusal = first.error.trimmingCharacters(in: .whitespacesAndNewlines)
            return
        }
        isTrained = true
        if summary.status != 0 { issues.append("summary refuses what can be trained: \(summary.error)") }
        // A loss that is no longer a number is an answer, with its step.
        let resumed = try command(["train", "--resume", "run"])
        if resumed.status != 0, !resumed.error.contains("step ") { issues.append("resume refuses: \(resumed.error)") }
        try must(["evaluate", "run"])
        try must(["summary", "run"])
        try must(["checkpoint", "info", "run"])
        let isText = random.value[path: "data.type"] == "text"
        let generated = try command(["generate", "run", "--length", "12"])
        if !isText, generated.status == 0 { issues.append("generate makes text of what is none") }
        _ = try command(["bench", "--models", "c.yaml", "--lengths", "8", "--batch", "8", "--limit", "1"])
        guard random.value[path: "model.type"] == "nstm" else {
            for words in [["states", "run"], ["compact", "run", "--output", "x"]] where try command(words).status != 1 {
                issues.append("\(words) of a model without explicit states")
            }
            return
        }
        try must(["states", "run", "--ablation", "--batches", "2", "--size", "3"])
        try must(["states", "run", "--time", "--size", "2"])
        let settings = random.pruning.settings.flatMap { ["--with", $0] }
        for (output, more) in [("pruned", []), ("removed", ["--compact"])] {
            let pruned = try command(
                ["prune", "run", "--policy", random.pruning.policy, "--output", output, "--batches", "1", "--size", "2"]
                    + settings
                    + ["--set", "training.steps=6"] + more)
            if pruned.status == 0 { try goOn(output) }
        }
        if try must(["compact", "run", "--output", "small", "--set", "training.steps=6"]) { try goOn("small") }
    }
    private func goOn(_ folder: String) throws {
        let more = try command(["train", "--resume", folder])
        if more.status != 0, !more.error.contains("step ") { issues.append("resume of \(folder) refuses: \(more.error)") }
        try must(["evaluate", folder])
    }

    /// A command that has no reason to refuse.
    @discardableResult private func must(_ words: [String]) throws -> Bool {
        let result = try command(words)
        if result.status != 0, !result.wasTold { issues.append("\(words.joined(separator: " ")) refuses: \(result.error)") }
        return result.status == 0
    }

    private struct Outcome {
        let status: Int32
        let error: String
        /// Whether it is already among the issues.
        let wasTold: Bool
    }
    private func command(_ words: [String]) throws -> Outcome {
        let tool = try Tool(words, in: scratch, threads: 1, environment: ["NSTM_DATA": digits.path])
        let result = try tool.wait(), name = words.joined(separator: " "), before = issues.count
        let isRefusal = [1, 64].contains(result.status) && result.error.lowercased().contains("error: ")
        if tool.process.terminationReason == .uncaughtSignal {
            issues.append("\(name) ends by signal \(result.status): \(result.error.prefix(2000))")
        } else if result.status != 0 && !isRefusal {
            issues.append("\(name) ends with status \(result.status): \(result.error)")
        } else if result.status == 0, ["train", "evaluate"].contains(words[0]) {
            let bad = result.output.split(separator: "\n").first { line in
                line.split { !$0.isLetter && $0 != "-" }.contains { ["nan", "-nan", "inf", "-inf"].contains($0) }
            }
            if let bad { issues.append("\(name) says in silence: \(bad)") }
        }
        return Outcome(status: result.status, error: result.error, wasTold: issues.count > before)
    }
}
