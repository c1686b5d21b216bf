import ArgumentParser
import Foundation
import NSTM

extension MatmulPrecision: ExpressibleByArgument {}

struct BenchCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "bench", abstract: "Measures models at growing lengths: counted work, speed, memory.",
            discussion: """
                Models are names that configurations know, with default settings, configuration files, of which the model \
                counts, or plans of comparisons (all their models, brought to their size). Tokens are random. What would take longer \
                than the limit is left out, and the table says so.

                Examples:
                  \(NSTMCommand.program) bench --lengths 256,1024,4096
                  \(NSTMCommand.program) bench --models nstm,transformer,small.yaml --output runs/bench
                  \(NSTMCommand.program) bench --models Configurations/compare-models.yaml --output runs/bench
                  \(NSTMCommand.program) bench --models nstm --stream 1000000
                """)
    }

    @Option(help: ArgumentHelp("Names, configuration files or plans, separated by commas.", valueName: "models"))
    var models = "nstm,transformer"
    @Option(help: ArgumentHelp("Tokens of a sequence, separated by commas.", valueName: "lengths"))
    var lengths = "256,512,1024,2048,4096,8192,16384,32768,65536,131072"
    @Option(help: ArgumentHelp("Where results.csv, results.md and the pictures go.", valueName: "folder"), transform: path)
    var output: String?
    @Option(help: ArgumentHelp("What the others are compared with (default: transformer, if it is there).", valueName: "name"))
    var reference: String?
    @Option(help: ArgumentHelp("Seconds that one pass may take.", valueName: "seconds")) var limit = 60.0
    @Option(help: ArgumentHelp("Tokens of a training step.", valueName: "tokens")) var batch = 4096
    @Option(help: ArgumentHelp("Instead: streams so many tokens, and trains on as many, in one sequence.", valueName: "tokens"))
    var stream: Int?
    @Flag(
        name: .customLong("bf16-weights"),
        help: "Streams with the weights of linear maps in bfloat16: half the memory to read for every token.")
    var bfloat16Weights = false
    @Option(help: "How exact products are: highest, or high (two bfloat16 parts) where the processor has matrix tiles.")
    var matmulPrecision = MatmulPrecision.highest

    func validate() throws {
        if names.isEmpty { throw ValidationError("--models needs a name or a file") }
        if sizes == nil || sizes!.isEmpty { throw ValidationError("--lengths needs numbers of 1 or more, separated by commas") }
        if !(limit > 0) { throw ValidationError("--limit needs a number above 0") }
        if batch < 1 { throw ValidationError("--batch needs 1 or more") }
        if let stream, stream < 10 { throw ValidationError("--stream needs 10 or more") }
    }
    private var names: [String] { models.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } }
    private var sizes: [Int]? {
        let parts = lengths.split(separator: ",").map { Int($0.trimmingCharacters(in: .whitespaces)) }
        return parts.allSatisfy { ($0 ?? 0) >= 1 } ? parts.map { $0! } : nil
    }

    func run() throws {
        let registries = NSTMCommand.registries
        let tests = try names.flatMap { name in
            guard name.hasSuffix(".yaml") || name.hasSuffix(".yml") else {
                return [try ModelUnderTest(named: name, registries: registries)]
            }
            let url = fileURL(name), value = try ConfigurationValue(yamlFile: url)
            guard value[path: "models"] != nil else {
                return [try ModelUnderTest(url.deletingPathExtension().lastPathComponent, value, registries: registries)]
            }
            return try ComparisonPlan(value, registries: registries).sizedModels(registries: registries).map {
                try ModelUnderTest($0.model, $0.configuration, registries: registries)
            }
        }
        if let reference, !tests.contains(where: { $0.name == reference }) {
            throw ValidationError("--reference \(reference) is not one of \(tests.map(\.name).joined(separator: ", "))")
        }
        let environment =
            RunEnvironment.current.line + (BenchCommand.commit.map { ", commit \($0)" } ?? "")
            + (bfloat16Weights ? ", streaming with weights in bfloat16" : "")
            + (matmulPrecision == .high ? ", products of two bfloat16 parts" : "")
        NSTMCommand.say(environment)
        let folder = output.map(fileURL)
        try MatmulPrecision.$current.withValue(matmulPrecision) {
            if let stream { try runLong(tests, stream, environment, folder) } else { try runLengths(tests, environment, folder) }
        }
    }

    private func runLengths(_ tests: [ModelUnderTest], _ environment: String, _ folder: URL?) throws {
        var benchmark = Benchmark(lengths: sizes!)
        benchmark.secondsPerPass = limit
        benchmark.tokensPerStep = batch
        benchmark.usesBFloat16Weights = bfloat16Weights
        var report = BenchmarkReport(environment: environment, reference: reference ?? "transformer")
        for test in tests {
            try benchmark.run(test) { cell in
                report.cells.append(cell)
                NSTMCommand.say(BenchCommand.line(cell))
                // What is there when somebody stops a long benchmark is kept.
                if let folder { try write(report.csv, folder, "results.csv") }
            }
        }
        guard let folder else {
            NSTMCommand.say("\n" + report.markdown)
            return
        }
        try write(report.markdown, folder, "results.md")
        for chart in report.charts { try write(chart.svg, folder, chart.name + ".svg") }
        NSTMCommand.say("results  \(folder.shortPath)")
    }
    private func runLong(_ tests: [ModelUnderTest], _ tokens: Int, _ environment: String, _ folder: URL?) throws {
        var text = environment + "\n", run = LongRun(tokens: tokens)
        run.usesBFloat16Weights = bfloat16Weights
        for test in tests {
            for kind in LongRun.Kind.allCases {
                NSTMCommand.say("\(test.name), \(kind.rawValue) \(grouped(tokens)) tokens")
                let parts = try run.run(kind, test) { part in
                    NSTMCommand.say("  \(grouped(part.tokens)): \(grouped(Int(part.tokensPerSecond))) tokens/s")
                }
                let table = "\n\(test.name), \(kind.rawValue):\n\n" + LongRun.markdown(parts)
                NSTMCommand.say(table)
                text += table
            }
        }
        if let folder { try write(text, folder, "stream.md") }
    }
    private func write(_ text: String, _ folder: URL, _ name: String) throws {
        try ResultFile.write(text, to: folder.appendingPathComponent(name))
    }

    private static func line(_ cell: Benchmark.Cell) -> String {
        func n(_ x: Double?) -> String { x.map { grouped(Int($0.rounded())) } ?? "–" }
        return "\(cell.model), \(grouped(cell.length)) tokens: \(cell.multiplyAdds.map(grouped) ?? "–") multiply-adds a token, "
            + "training \(n(cell.trainingTokens)) tokens/s, streaming \(n(cell.streamedTokens)) tokens/s"
            + cell.notes.map { "\n  \($0)" }.joined()
    }

    /// The commit of the folder at work, when it is one; `+` when files differ from it.
    private static var commit: String? {
        func git(_ arguments: [String]) -> String? {
            let process = Process(), pipe = Pipe()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["git"] + arguments
            process.standardOutput = pipe
            process.standardError = FileHandle.nullDevice
            guard (try? process.run()) != nil else { return nil }
            let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else { return nil }
            return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        guard let commit = git(["rev-parse", "--short", "HEAD"]) else { return nil }
        return commit + (git(["status", "--porcelain", "--untracked-files=no"]) == "" ? "" : "+")
    }
}
