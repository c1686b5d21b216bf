import Foundation
import NSTMConfiguration
import NSTMData
import NSTMIO
import NSTMModules
@_exported import TestSupport
import Testing

import NSTMTraining

/// Some thousand characters with a structure that can be learned.
func sampleText(_ count: Int = 3000) -> String {
    let words = ["state", "token", "router", "rule", "reads", "writes", "and", "the", "a", "memory.\n"]
    var text = "", x: UInt32 = 1
    while text.count < count {
        x = x &* 1_664_525 &+ 1_013_904_223
        text += words[Int(x >> 16) % words.count] + " "
    }
    return text
}

/// A small run on a text file: everything that draws random numbers or adds losses is in use.
func sampleConfiguration(
    text: URL, steps: Int = 8, model: String = "nstm", rule: String = "gated-slots", optimizer: String = "adamw"
) -> String {
    let parts =
        model == "nstm"
        ? """
          states: 8
          l0-penalty: 0.01
          router: {type: top-k, k: 3}
          update: {type: \(rule)}
          read: {window: 4}
          interaction: {type: attention, interval: 5}
        """ : "  positions: 12"
    return """
        seed: 3
        data: {type: text, file: "\(text.path)", context: 12}
        model:
          type: \(model)
          layers: 2
          width: 16
          heads: 2
          hidden: 24
          dropout: 0.1
        \(parts)
        training:
          steps: \(steps)
          batch: 3
          optimizer: {type: \(optimizer)}
          schedule: {learning-rate: 1e-2, warmup: 2}
          evaluation: {interval: 3, limit: 2, batch: 4}
          checkpoint: {interval: 1000, keep: 3}
        """
}

/// The built `nstm`, in a process of its own.
struct Tool {
    struct Result {
        let status: Int32
        let output: String
        let error: String
        /// Lines on standard error without the warnings that depend on the host: processor, threads, `OPENBLAS_CORETYPE`.
        var errorLines: [Substring] {
            error.split(separator: "\n").filter { !$0.hasPrefix("warning: slow execution: ") }
        }
    }
    let process = Process()
    private let output: URL
    private let error: URL

    /// The program is in the same folder as the test bundle.
    static let url: URL = {
        let arguments = CommandLine.arguments
        let bundles = Bundle.allBundles.map(\.bundleURL) + arguments.map { URL(fileURLWithPath: $0) }
        let folders = bundles.flatMap { url -> [URL] in
            guard let end = url.path.range(of: ".xctest") else { return [] }
            return [URL(fileURLWithPath: String(url.path[..<end.upperBound])).deletingLastPathComponent()]
        }
        let candidates = (folders + [Bundle.main.bundleURL]).map { $0.appendingPathComponent("nstm") }
        guard let found = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0.path) }) else {
            fatalError("no nstm beside the tests; searched \(candidates.map(\.path))")
        }
        return found
    }()

    /// - Parameters:
    ///   - shell: a script that starts the program as `"$0" "$@"`.
    ///   - sink: takes standard output; a file when nil.
    init(
        _ arguments: [String], in scratch: Scratch, threads: Int? = nil, environment extra: [String: String] = [:],
        shell: String? = nil, output sink: FileHandle? = nil
    ) throws {
        let id = UUID().uuidString
        output = scratch["out-\(id)"]
        error = scratch["err-\(id)"]
        for file in [output, error] { try Data().write(to: file) }
        var environment = ProcessInfo.processInfo.environment
        environment["NSTM_NUM_THREADS"] = threads.map(String.init)
        environment["NSTM_DATA"] = nil
        environment.merge(extra) { $1 }
        process.executableURL = shell == nil ? Tool.url : URL(fileURLWithPath: "/bin/sh")
        process.arguments = (shell.map { ["-c", $0, Tool.url.path] } ?? []) + arguments
        process.environment = environment
        process.currentDirectoryURL = scratch.url
        // Files and not pipes: nobody has to read them while the program runs.
        process.standardOutput = try sink ?? FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: error)
        try process.run()
    }
    func wait() throws -> Result {
        // A program that does not end is a failure, not a test run that hangs.
        let late = DispatchWorkItem { [id = process.processIdentifier] in _ = kill(id, SIGKILL) }
        DispatchQueue.global().asyncAfter(deadline: .now() + 120, execute: late)
        process.waitUntilExit()
        late.cancel()
        let result = Result(
            status: process.terminationStatus, output: String(decoding: try Data(contentsOf: output), as: UTF8.self),
            error: String(decoding: try Data(contentsOf: error), as: UTF8.self))
        // Foundation's way to say nothing.
        for text in ["NSCocoaErrorDomain", "The operation could"] where (result.output + result.error).contains(text) {
            Issue.record("\(process.arguments ?? []): \(result.output)\(result.error)")
        }
        return result
    }
    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    @discardableResult
    static func run(
        _ arguments: [String], in scratch: Scratch, threads: Int? = nil, environment: [String: String] = [:],
        shell: String? = nil, output: FileHandle? = nil
    ) throws -> Result {
        try Tool(arguments, in: scratch, threads: threads, environment: environment, shell: shell, output: output).wait()
    }
}

/// Settings of a run whose steps take milliseconds.
func tinyRun(_ changes: String...) -> [String] {
    let settings = [
        "data.type=copy", "data.bits=2", "data.maximum-length=2", "data.evaluation-count=4", "model.layers=1", "model.width=8",
        "model.heads=1", "model.states=4", "training.steps=6", "training.batch=2", "training.evaluation.interval=2",
    ]
    return (settings + changes).flatMap { ["--set", $0] }
}
/// The same, for a trainer in this process.
func tinyTrainer(_ changes: String..., folder: URL?) throws -> Trainer {
    var config = ConfigurationValue.map([:])
    try config.apply(overrides: tinyRun().filter { $0 != "--set" } + changes)
    let experiment = try Experiment(config)
    return try experiment.trainer(try experiment.openDataset(), folder: folder)
}

/// Waits for a condition.
func eventually(_ condition: () -> Bool) -> Bool {
    let end = Date(timeIntervalSinceNow: 60)
    while Date() < end {
        if condition() { return true }
        usleep(5000)
    }
    return false
}

func newest(_ folder: URL) throws -> CheckpointArchive { try CheckpointFile.read(try FoundCheckpoint(at: folder).url) }

/// All tensors are bit-identical, and so is the state from which a run resumes.
func expectSame(_ a: CheckpointArchive, _ b: CheckpointArchive, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(a.tensors.map(\.path) == b.tensors.map(\.path), sourceLocation: sourceLocation)
    let different = zip(a.tensors, b.tensors).filter { x, y in
        let left = x.tensor.withBytes { Array($0) }, right = y.tensor.withBytes { Array($0) }
        return left != right
    }
    #expect(different.map(\.0.path) == [], sourceLocation: sourceLocation)
    #expect(a.documents["training"] == b.documents["training"], sourceLocation: sourceLocation)
    #expect(a.documents["config"] == b.documents["config"], sourceLocation: sourceLocation)
    #expect(a.documents["data"] == b.documents["data"], sourceLocation: sourceLocation)
}

/// The lines of a metrics log without the one number that a clock makes.
func metricLines(_ folder: URL) throws -> [String] {
    try String(contentsOf: folder.appendingPathComponent("metrics.jsonl"), encoding: .utf8).split(separator: "\n").map { line in
        guard case .map(var map) = try ConfigurationValue(json: String(line)) else { return "not a map: \(line)" }
        map["tokens-per-second"] = nil
        return ConfigurationValue.map(map).json(indent: nil)
    }
}
