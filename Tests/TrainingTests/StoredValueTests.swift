import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMData
import NSTMIO
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

import NSTMTraining

/// Checkpoints with right digests and values that no run writes: whatever they say, a typed error or a result, never a trap.
@Suite(.serialized) struct StoredValueTests {
    private static let bases: [(name: String, config: ConfigurationValue)] = [
        (
            "copy",
            [
                "data": ["type": "copy", "bits": 2, "maximum-length": 2, "evaluation-count": 2],
                "model": [
                    "layers": 1, "width": 8, "heads": 1, "states": 4,
                    "lifecycle": [
                        "interval": 1, "warmup": 1, "consecutive-votes": 1, "grace-period": 1, "cooldown": 1, "min-active": 2,
                        "initial-active": 3,
                        "pruning": ["type": "threshold", "measure": "write", "below": 0.9],
                        "allocation": ["type": "plateau", "decisions": 1, "margin": 10],
                    ],
                ],
                "training": [
                    "steps": 6, "batch": 2, "time-limit": 10, "evaluation": ["interval": 1, "batch": 2],
                    "early-stopping": ["patience": 100],
                ],
            ]
        ),
        (
            "recall",
            [
                "data": ["type": "recall", "vocabulary": 8, "length": 8, "pairs": 1, "evaluation-count": 2],
                "model": ["layers": 1, "width": 8, "heads": 1, "states": 4],
                "training": ["steps": 6, "batch": 2, "evaluation": ["interval": 1, "batch": 2]],
            ]
        ),
    ]

    /// The model of a checkpoint that is not written to a file: what documents and tensors say is the same there.
    private static func saved(_ archive: CheckpointArchive) throws -> SavedModel {
        try SavedModel(archive, of: try FoundCheckpoint(at: URL(fileURLWithPath: "/absent/step-4.h5")))
    }
    /// Everything that commands do with a checkpoint.
    private static func use(_ archive: CheckpointArchive, _ dataset: OpenedDataset) throws {
        let saved = try saved(archive)
        _ = saved.model.summary("model", context: 4)
        let limit = dataset.dataset.evaluationBatches(size: 2, limit: 1)
        _ = evaluate(saved.model, on: limit, target: dataset.dataset.targetKind)
        if saved.model.streamingLimitation == nil, case .tokens = saved.data.input {
            Generator(saved.model).generate(after: [0], count: 2) { _ in }
        }
        _ = StateSurvey(saved.model, dataset.dataset, batches: 1, size: 2, needs: [.write, .read, .saliency]).views()
        _ = try saved.compacted()
        _ = try saved.expanded(to: 6)
        // Resumes, with the lifecycle of the states.
        let experiment = try Experiment(saved.configuration, folder: DatasetFolder("/absent"))
        let trainer = try experiment.trainer(dataset)
        try trainer.restore(saved.archive)
        try trainer.run(until: trainer.step + 2)
        // The data that the configuration names, of which nothing is fetched, when it is for the model.
        let own = try experiment.openDataset().dataset
        guard own.inputKind == saved.data.input, own.targetKind == saved.data.target else { return }
        try saved.model.check(takes: own)
        _ = evaluate(saved.model, on: own.evaluationBatches(size: 2, limit: 1), target: own.targetKind)
    }

    /// In a process of its own, which a trap ends: what it was at then is the last line of its standard error.
    private static func attempt(_ name: String, _ archive: CheckpointArchive, _ dataset: OpenedDataset) {
        FileHandle.standardError.write(Data("\(name)\n".utf8))
        do { try use(archive, dataset) } catch is CheckpointError {} catch is SavedModel.Error {} catch is TrainingError {
        } catch is ConfigurationError {} catch is DatasetError {} catch is MemoryError {
        } catch { fatalError("\(name): an untyped error: \(error)") }
    }

    private static let wrong: [ConfigurationValue] = [
        -1, 0, 16_384, .int(1 << 31), .int(.max), .int(.min), 1e300, "NaN", "", [], [[[1]]], [:], .null, true,
    ]

    /// Calls a body with a name and the changed text of a document: with a wrong value in the place of each part of it, without
    /// each part, with a key more in each map, cut off, and with something behind its end.
    private static func eachMutation(_ text: String, _ body: (String, String) throws -> Void) throws {
        let document = try ConfigurationValue(json: text)
        for (path, part) in parts(document, []) where !path.isEmpty {
            let name = path.joined(separator: ".")
            func change(_ what: String, _ new: ConfigurationValue?) throws {
                try body("\(name) \(what)", replaced(document, path[...], new)!.json(indent: nil))
            }
            for value in wrong { try change("= \(value.json(indent: nil))", value) }
            try change("removed", nil)
            if case .map(let map) = part {
                try change("with a key more", .map(ConfigurationValue.Map(map.pairs + [("more", 1)])))
            }
        }
        try eachWhole(text, body)
    }
    /// The same for the document as a whole.
    private static func eachWhole(_ text: String, _ body: (String, String) throws -> Void) throws {
        for value in wrong { try body("all = \(value.json(indent: nil))", value.json(indent: nil)) }
        if case .map(let map) = try ConfigurationValue(json: text) {
            try body(
                "with a key more", ConfigurationValue.map(ConfigurationValue.Map(map.pairs + [("more", 1)])).json(indent: nil))
        }
        for part in 0..<4 { try body("cut off after \(part) quarters", String(text.prefix(text.count * part / 4))) }
        try body("twice", text + text)
        try body("nested", String(repeating: "[", count: 100_000))
    }
    /// The value and everything in it.
    private static func parts(_ value: ConfigurationValue, _ path: [String]) -> [(path: [String], value: ConfigurationValue)] {
        switch value {
        case .map(let map): [(path, value)] + map.pairs.flatMap { parts($0.1, path + [$0.0]) }
        case .list(let list): [(path, value)] + list.enumerated().flatMap { parts($0.1, path + ["\($0.0)"]) }
        default: [(path, value)]
        }
    }
    /// - Parameter new: nil removes what the path names.
    private static func replaced(_ value: ConfigurationValue, _ path: ArraySlice<String>, _ new: ConfigurationValue?)
        -> ConfigurationValue?
    {
        guard let first = path.first else { return new }
        switch value {
        case .map(let map):
            return .map(
                ConfigurationValue.Map(
                    map.pairs.compactMap { key, value in
                        (key == first ? replaced(value, path.dropFirst(), new) : value).map { (key, $0) }
                    }))
        case .list(let list):
            return .list(list.enumerated().compactMap { "\($0)" == first ? replaced($1, path.dropFirst(), new) : $1 })
        default: return new
        }
    }

    /// A checkpoint after four steps.
    private static func base(_ config: ConfigurationValue) throws -> (archive: CheckpointArchive, dataset: OpenedDataset) {
        let experiment = try Experiment(config), dataset = try experiment.openDataset()
        let trainer = try experiment.trainer(dataset)
        try trainer.run(until: 4)
        return (try trainer.archive(), dataset)
    }
    private func lastLine(_ result: ExitTest.Result?) -> String {
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        return text.split(separator: "\n").suffix(30).joined(separator: "\n")
    }

    @Test func documents() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            for (name, config) in StoredValueTests.bases {
                let (archive, dataset) = try StoredValueTests.base(config)
                // Unchanged, it can be used.
                try StoredValueTests.use(archive, dataset)
                for document in ["training", "data", "lifecycle", "config"] {
                    guard let text = archive.documents[document] else { continue }
                    try StoredValueTests.eachMutation(text) { what, changed in
                        var other = archive
                        other[document: document] = changed
                        StoredValueTests.attempt("\(name) \(document).\(what)", other, dataset)
                    }
                }
                let data = try ConfigurationValue(json: archive.documents["data"]!),
                    part: ConfigurationValue = ["features": ["width": 3]]
                let inputs: [ConfigurationValue] = [
                    ["streams": ["_0": []]], ["streams": ["_0": [["streams": ["_0": [part]]]]]],
                    ["streams": ["_0": .list(Array(repeating: part, count: 1000))]], ["streams": ["_0": [part, part]]],
                    ["tokens": ["vocabulary": 3]], ["features": ["width": 3]],
                ]
                for input in inputs {
                    var other = archive
                    other[document: "data"] = StoredValueTests.replaced(data, ["input"], input)!.json(indent: nil)
                    StoredValueTests.attempt("\(name) data.input = \(input.json(indent: nil))", other, dataset)
                }
            }
        }
        #expect(result?.exitStatus == .exitCode(0), "\(lastLine(result))")
    }

    /// What commands say of a document that they cannot use names it; the rest of them is shown.
    @Test func damagedDocumentsAreNamed() throws {
        let scratch = try Scratch(), url = scratch["a.h5"]
        let (archive, _) = try StoredValueTests.base(StoredValueTests.bases[0].config)
        func check(_ document: String, _ commands: [[String]], _ what: String, _ changed: String) throws -> Bool {
            var other = archive
            other[document: document] = changed
            try CheckpointFile.write(other, to: url)
            var isRefused = true
            for command in commands {
                let result = try Tool.run(command, in: scratch)
                #expect([0, 1].contains(result.status), "\(command), \(document).\(what): \(result.error)")
                if result.status == 0 {
                    isRefused = false
                } else {
                    #expect(result.error.contains("a.h5: document '\(document)': "), "\(document).\(what): \(result.error)")
                }
            }
            return isRefused
        }
        // Threads are a number, and everything else is a text. Optional values are omitted.
        let environment = try ConfigurationValue(json: archive.documents["environment"]!)
        let text = StoredValueTests.replaced(environment, ["forcedCore"], nil)!.json(indent: nil)
        try StoredValueTests.eachMutation(text) { what, changed in
            let isRefused = try check("environment", [["checkpoint", "info", "a.h5"]], what, changed)
            let isText = what.hasSuffix("= \"NaN\"") || what.hasSuffix("= \"\"")
            let isValid = what.hasPrefix("threads") ? what == "threads = 16384" : isText && !what.hasPrefix("all")
            #expect(isRefused != (isValid || what == "with a key more"), "environment.\(what)")
        }
        try StoredValueTests.eachWhole(archive.documents["config"]!) { what, changed in
            guard !["all = {}", "all = null", "with a key more"].contains(what) else { return }
            let commands = [
                ["checkpoint", "info"], ["summary"], ["evaluate"], ["train", "--resume"], ["compact", "--output", "b"],
            ]
            let isRefused = try check("config", commands.map { $0 + ["a.h5"] }, what, changed)
            #expect(isRefused, "config.\(what)")
        }
    }

    /// A configuration of a larger model is refused by its shapes, and not for the memory that such a model would take.
    @Test(arguments: ["width", "hidden", "states", "layers"]) func noMemoryIsTakenForAnotherModel(key: String) throws {
        let scratch = try Scratch(), url = scratch["a.h5"]
        var (archive, _) = try StoredValueTests.base(StoredValueTests.bases[1].config)
        var config = try ConfigurationValue(json: archive.documents["config"]!)
        try config.set(path: "model.\(key)", to: key == "layers" ? 1000 : 65_536)
        archive[document: "config"] = config.json()
        try CheckpointFile.write(archive, to: url)
        let error = #expect(throws: CheckpointError.self) { _ = try SavedModel(url) }
        guard case .tensorMismatch = error else {
            Issue.record("\(error as Any)")
            return
        }
    }

    /// The memory of a policy is a text within the document.
    @Test func memoriesOfPolicies() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            let (archive, dataset) = try StoredValueTests.base(StoredValueTests.bases[0].config)
            let lifecycle = try ConfigurationValue(json: archive.documents["lifecycle"]!)
            for (path, value) in StoredValueTests.parts(lifecycle, []) where path.last == "allocation" {
                guard case .string(let text) = value else { continue }
                try StoredValueTests.eachMutation(text) { what, changed in
                    var other = archive
                    other[document: "lifecycle"] = StoredValueTests.replaced(lifecycle, path[...], .string(changed))!.json(
                        indent: nil)
                    StoredValueTests.attempt("allocation.\(what)", other, dataset)
                }
            }
        }
        #expect(result?.exitStatus == .exitCode(0), "\(lastLine(result))")
    }

    /// Masks and identities are tables: they hold flags and whole numbers.
    @Test func tablesOfStates() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            let (archive, dataset) = try StoredValueTests.base(StoredValueTests.bases[0].config)
            let tables = archive.tensors.filter { entry in
                ["mask", "identities", "nextIdentity"].contains { entry.path.hasSuffix(".\($0)") }
            }
            guard tables.count == 3 else { fatalError("\(tables.map(\.path))") }
            for (path, tensor) in tables {
                for x in [-1, 0.5, 2, 1e30, .nan, .infinity, 0] as [Float] {
                    var other = archive
                    other[tensor: path] = Tensor(Array(repeating: x, count: tensor.count), tensor.shape)
                    let name = "\(path) = \(x)"
                    StoredValueTests.attempt(name, other, dataset)
                    do {
                        _ = try StoredValueTests.saved(other)
                        fatalError("\(name): taken for right")
                    } catch CheckpointError.invalidValues {}
                }
            }
            // Weights may be anything: the model then computes nonsense.
            for (path, tensor) in archive.tensors where !tables.contains(where: { $0.path == path }) {
                for x in [.nan, .infinity, 3e38] as [Float] {
                    var other = archive
                    other[tensor: path] = Tensor(Array(repeating: x, count: tensor.count), tensor.shape)
                    StoredValueTests.attempt("\(path) = \(x)", other, dataset)
                }
            }
        }
        #expect(result?.exitStatus == .exitCode(0), "\(lastLine(result))")
    }

    @Test func aTokenizerOfAnotherVocabularyIsRefused() throws {
        let scratch = try Scratch(), text = try scratch.write("text.txt", sampleText())
        try scratch.write("c.yaml", sampleConfiguration(text: text, steps: 1))
        #expect(try Tool.run(["train", "c.yaml", "--output", "a"], in: scratch).status == 0)
        let archive = try newest(scratch["a"]), url = scratch["b.h5"]
        for tokenizer in [#"{"characters":""}"#, #"{"characters":"ab"}"#, #"{"characters":"a","unit":"byte"}"#, "{}", "[]"] {
            var other = archive
            other[document: "tokenizer"] = tokenizer
            try CheckpointFile.write(other, to: url)
            for command in [["generate", "b.h5"], ["evaluate", "b.h5"], ["states", "b.h5"]] {
                let result = try Tool.run(command, in: scratch)
                #expect(result.status == 1 && result.error.contains("'tokenizer'"), "\(tokenizer): \(result.error)")
            }
        }
    }
}
