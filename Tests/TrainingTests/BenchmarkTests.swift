import Foundation
import NSTMConfiguration
import NSTMModules
import NSTMTensor
import NSTMTraining
import Testing

@Suite struct BenchmarkTests {
    private func small(_ kind: String) throws -> ModelUnderTest {
        let config: ConfigurationValue = [
            "model": ["type": .string(kind), "width": 16, "layers": 2, "heads": 2, "hidden": 32]
        ]
        return try ModelUnderTest(kind, config, registries: .standard)
    }
    private func cells(_ kind: String, _ change: (inout Benchmark) -> Void = { _ in }) throws -> [Benchmark.Cell] {
        var benchmark = Benchmark(lengths: [64, 32]), cells: [Benchmark.Cell] = []
        benchmark.secondsMeasured = 0
        benchmark.tokensPerStep = 128
        change(&benchmark)
        try benchmark.run(small(kind)) { cells.append($0) }
        return cells
    }

    /// Work is what the formulas of the layers say, and only the state of a Transformer grows.
    @Test func measuresWhatIsThere() throws {
        for kind in ["nstm", "transformer"] {
            let test = try small(kind), cells = try cells(kind)
            #expect(cells.map(\.length) == [32, 64])
            for cell in cells {
                let model = try test.model(for: cell.length)
                let pass = PassSize(tokens: cell.length, carriesState: true)
                #expect(cell.multiplyAdds == model.multiplyAdds(pass)! / cell.length)
                #expect(cell.trainingTokens! > 0 && cell.streamedTokens! > 0 && cell.peakBytes! > cell.stateBytes!)
                #expect(cell.notes.isEmpty)
            }
            let growth = cells[1].stateBytes! - cells[0].stateBytes!
            // Queries, keys and values of 32 more tokens in two layers.
            #expect(growth == (kind == "nstm" ? 0 : 32 * 2 * 3 * 16 * 4))
        }
    }

    @Test func tooLongIsLeftOut() throws {
        let slow = try cells("transformer") { $0.secondsPerPass = 1e-9 }
        #expect(slow[0].multiplyAdds != nil && slow[1].multiplyAdds == nil && slow[1].trainingTokens == nil)
        #expect(slow[1].notes.count == 2 && slow[1].notes.allSatisfy { $0.contains("skipped: ") })
        let narrow = try cells("nstm") { $0.memory = 1 }
        #expect(narrow[0].trainingTokens != nil && narrow[1].trainingTokens == nil && narrow[1].streamedTokens != nil)
        #expect(narrow[1].notes.count == 1 && narrow[1].notes[0].contains("MiB"))
    }

    @Test func unknownModelsAreNamed() {
        let error = #expect(throws: ConfigurationError.self) { try ModelUnderTest(named: "trnsformer", registries: .standard) }
        #expect(error?.description.contains("trnsformer") == true && error?.description.contains("transformer") == true)
    }

    private func report(_ own: [Int?], _ other: [Int?]) -> BenchmarkReport {
        var report = BenchmarkReport(environment: "two cores")
        for (i, length) in [256, 1024, 4096].enumerated() {
            for (name, costs) in [("nstm", own), ("transformer", other)] {
                var cell = Benchmark.Cell(model: name, length: length, parameters: 7)
                cell.multiplyAdds = costs[i]
                report.cells.append(cell)
            }
        }
        return report
    }
    /// Costs n and 512: between 256 and 1024 a straight line in logarithms is exact.
    @Test func crossovers() throws {
        let lines = report([512, 512, 512], [256, 1024, 4096])
        #expect(abs(try #require(lines.crossover("nstm")) - 512) < 1e-9)
        #expect(abs(try #require(lines.crossover("nstm", share: 0.5)) - 1024) < 1e-9)
        #expect(report([5000, 5000, 5000], [256, 1024, 4096]).crossover("nstm") == nil)
        // Cheaper from the first length on: where they cross was not measured.
        #expect(report([1, 1, 1], [256, 1024, 4096]).crossover("nstm") == nil)
        #expect(report([512, nil, 512], [256, 1024, nil]).crossover("nstm") == nil)
        #expect(lines.markdown.contains("nstm needs at most the multiply-adds per token of transformer from 512 tokens on"))
        #expect(
            lines.markdown.contains("nstm needs at most half the multiply-adds per token of transformer from 1,024 tokens on"))
        let work = try #require(lines.charts.first { $0.name == "work" })
        #expect(work.svg.contains("nstm: 512") && work.svg.contains("two cores"))
    }
    @Test func tables() throws {
        var report = report([512, 512, nil], [256, 1024, 4096])
        report.cells[0].notes = ["one, \"two\""]
        let lines = report.csv.split(separator: "\n")
        #expect(lines.count == 7 && lines[0].hasPrefix("model,length,"))
        #expect(lines[1] == "nstm,256,7,512,,,,,,,\"one, \"\"two\"\"\"")
        #expect(report.markdown.contains("| nstm | 4,096 | – |"))
    }

    /// One sequence: the states of an NSTM stay as large as they are, in bytes and in numbers.
    @Test(arguments: LongRun.Kind.allCases) func longRun(_ kind: LongRun.Kind) throws {
        var run = LongRun(tokens: 400)
        run.window = 8
        var seen = 0
        let parts = try run.run(kind, small("nstm")) { _ in seen += 1 }
        #expect(parts.count == 10 && seen == 10 && parts.map(\.tokens) == (1...10).map { 40 * $0 })
        #expect(Set(parts.map(\.stateBytes)).count == 1)
        #expect(parts.allSatisfy { $0.largest.isFinite && $0.largest > 0 && $0.norm >= $0.largest && $0.tokensPerSecond > 0 })
        #expect(parts.allSatisfy { ($0.loss != nil) == (kind == .training) })
        if kind == .training { #expect(parts.allSatisfy { abs($0.loss! - log(65)) < 0.5 }) }
        // Every eighth segment is paired; a tenth of the run has five pairs.
        #expect(parts.compactMap(\.speedVersusStart).count > 5 && parts.compactMap(\.speedVersusStart).allSatisfy { $0 > 0 })
        #expect(LongRun.markdown(parts).split(separator: "\n").count == 14)
    }
    @Test func largestDifference() { #expect(abs(LongRun.largestDifference([100, 80, 120]) - 0.2) < 1e-12) }
}
