import ArgumentParser
import Foundation
import NSTM

extension MatmulPrecision: ExpressibleByArgument {}

struct BenchCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "bench", abstract: "Measures work, speed and memory of models at increasing sequence lengths.",
            discussion: """
                A model is given by its name in configurations (with default settings), by a configuration file (of which only the \
                model is used) or by the plan of a comparison (all its models, in their final sizes). Tokens are random. Measurements \
                that would exceed the time limit are skipped and marked in the table.

                Examples:
                  \(NSTMCommand.program) bench --lengths 256,1024,4096
                  \(NSTMCommand.program) bench --models nstm,transformer,small.yaml --output runs/bench
                  \(NSTMCommand.program) bench --models Configurations/compare-models.yaml --output runs/bench
                  \(NSTMCommand.program) bench --models nstm --stream 1000000
                """)
    }

    @Option(help: ArgumentHelp("Names, configuration files or plans, separated by commas.", valueName: "models"))
    var models = "nstm,transformer"
    @Option(help: ArgumentHelp("Sequence lengths in tokens, separated by commas.", valueName: "lengths"))
    var lengths = "256,512,1024,2048,4096,8192,16384,32768,65536,131072"
    @Option(help: ArgumentHelp("Output folder for results.csv, results.md and charts.", valueName: "folder"), transform: path)
    var output: String?
    @Option(help: ArgumentHelp("Model that the others are compared with (default: transformer, if present).", valueName: "name"))
    var reference: String?
    @Option(help: ArgumentHelp("Time limit of one pass, in seconds.", valueName: "seconds")) var limit = 60.0
    @Option(help: ArgumentHelp("Number of tokens of a training step.", valueName: "tokens")) var batch = 4096
    @Option(
        help: ArgumentHelp("Measures streaming and training on one sequence of this many tokens instead.", valueName: "tokens"))
    var stream: Int?
    @Flag(
        name: .customLong("bf16-weights"),
        help: "Streams with the weights of linear maps in bfloat16, which halves the memory traffic per token.")
    var bfloat16Weights = false
    @Option(help: "Precision of matrix products: highest, or high (two bfloat16 parts, on processors with matrix tiles).")
    var matmulPrecision = MatmulPrecision.highest

    func validate() throws {
        if names.isEmpty { throw ValidationError("--models must have a name or a file") }
        if let sizes, let long = sizes.first(where: { $0 > maximumLength }) {
            throw ValidationError("--lengths: \(long) is above \(maximumLength)")
        }
        if sizes == nil || sizes!.isEmpty { throw ValidationError("--lengths must be numbers of 1 or more, separated by commas") }
        if !(limit > 0) { throw ValidationError("--limit must be above 0") }
        if !(1...maximumLength ~= batch) { throw ValidationError("--batch must be in 1...\(maximumLength)") }
        if let stream, stream < 10 { throw ValidationError("--stream must be 10 or more") }
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
        NSTMCommand.printLine(environment)
        let folder = output.map(fileURL)
        if let folder { try ResultFile.prepare(folder) }
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
                NSTMCommand.printLine(BenchCommand.line(cell))
                // Written after every cell, so that an interrupted benchmark keeps its results.
                if let folder { try write(report.csv, folder, "results.csv") }
            }
        }
        guard let folder else {
            NSTMCommand.printLine("\n" + report.markdown)
            return
        }
        try write(report.markdown, folder, "results.md")
        for chart in report.charts { try write(chart.svg, folder, chart.name + ".svg") }
        NSTMCommand.printLine("results  \(folder.shortPath)")
    }
    private func runLong(_ tests: [ModelUnderTest], _ tokens: Int, _ environment: String, _ folder: URL?) throws {
        var text = environment + "\n", run = LongRun(tokens: tokens)
        run.usesBFloat16Weights = bfloat16Weights
        for test in tests {
            for kind in LongRun.Kind.allCases {
                NSTMCommand.printLine("\(test.name), \(kind.rawValue) \(grouped(tokens)) tokens")
                let parts = try run.run(kind, test) { part in
                    NSTMCommand.printLine("  \(grouped(part.tokens)): \(grouped(Int(part.tokensPerSecond))) tokens/s")
                }
                let table = "\n\(test.name), \(kind.rawValue):\n\n" + LongRun.markdown(parts)
                NSTMCommand.printLine(table)
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
        return "\(cell.model), \(grouped(cell.length)) tokens: \(cell.multiplyAdds.map(grouped) ?? "–") multiply-adds per token, "
            + "training \(n(cell.trainingTokens)) tokens/s, streaming \(n(cell.streamedTokens)) tokens/s"
            + cell.notes.map { "\n  \($0)" }.joined()
    }

    /// Commit of the repository in the current folder, with `+` if files were changed; nil outside of a repository.
    private static var commit: String? {
        guard let commit = Provenance.git(["rev-parse", "--short", "HEAD"]) else { return nil }
        return commit + (Provenance.git(["status", "--porcelain", "--untracked-files=no"]) == "" ? "" : "+")
    }
}
