import Foundation
import NSTMData
import Testing

import NSTMTraining

@Suite(.serialized) struct RobustnessTests {
    private func result(_ model: String, _ noise: InputNoise?, accuracy: Double, run: String = "a") -> RobustnessStudy.Result {
        var metrics = Metrics()
        metrics["loss"] = 1
        metrics["accuracy"] = accuracy
        return RobustnessStudy.Result(model: model, run: run, noise: noise, metrics: metrics)
    }

    /// By hand: errors 0.1, 0.2, 0.4 of the reference and 0.2, 0.5, 0.5 of the other.
    @Test func corruptionErrors() throws {
        let weak = InputNoise(.gaussian, strength: 0.04), strong = InputNoise(.gaussian, strength: 0.1)
        let shot = InputNoise(.shot, strength: 0.02)
        let results = [
            result("base", nil, accuracy: 0.9), result("base", weak, accuracy: 0.8), result("base", strong, accuracy: 0.6),
            result("base", shot, accuracy: 0.9), result("odd | one", nil, accuracy: 0.8),
            result("odd | one", weak, accuracy: 0.5),
            result("odd | one", strong, accuracy: 0.5), result("odd | one", shot, accuracy: 0.7),
        ]
        let report = RobustnessReport(results, target: .classes(count: 10))
        #expect(abs(report.corruptionError("odd | one", .gaussian)! - 1 / 0.6) < 1e-12)
        #expect(abs(report.corruptionError("odd | one", .gaussian, relative: true)! - 0.6 / 0.4) < 1e-12)
        #expect(report.corruptionError("base", .gaussian) == 1)
        // Shot noise costs the reference nothing: there is nothing to divide by.
        #expect(report.corruptionError("odd | one", .shot, relative: true) == nil)
        #expect(abs(report.meanCorruptionError("odd | one")! - (1 / 0.6 + 3) / 2) < 1e-12)
        #expect(report.meanCorruptionError("odd | one", relative: true) == nil)
        #expect(report.markdown.contains("| odd \\| one | 0.2000 | 0.5000 | 0.5000 | 0.5000 | +0.3000 | 1.667 | 1.500 |\n"))
        #expect(report.markdown.contains("| odd \\| one | 2.333 | – |\n"))
        #expect(report.csv.contains("base,a,gaussian,0.04,1,0.8\n") && report.csv.contains("base,a,none,0,1,0.9\n"))
        #expect(report.charts.map(\.name) == ["robustness-gaussian.svg", "robustness-shot.svg"])
        #expect(report.charts[0].chart.series.map { $0.points.map(\.x) } == [[0, 0.04, 0.1], [0, 0.04, 0.1]])
        // Runs of one name are seeds.
        let seeds =
            results
            + results.map { result in
                var other = result
                other.run = "b"
                other.metrics["accuracy"]! += 0.02
                return other
            }
        let both = RobustnessReport(seeds, target: .classes(count: 10))
        #expect(both.markdown.contains("| base | 0.0900 ± 0.0141 |"), "\(both.markdown)")
        #expect(both.charts[0].chart.series[0].points[0].band == (1 - 0.92)...(1 - 0.9))
    }

    /// From training to the table; clean numbers are those of an evaluation.
    @Test func command() throws {
        let scratch = try Scratch(), text = try scratch.write("text.txt", sampleText())
        func run(_ arguments: String...) throws -> Tool.Result { try Tool.run(arguments, in: scratch) }
        try scratch.write("c.yaml", sampleConfiguration(text: text, steps: 2))
        for (seed, folder) in [(1, "m/seed-1"), (2, "m/seed-2")] {
            #expect(try run("train", "c.yaml", "--output", folder, "--set", "seed=\(seed)").status == 0)
        }
        let evaluated = try run("evaluate", "m/seed-2").output
        let loss = Double(evaluated.split(separator: "\n").first { $0.hasPrefix("loss ") }!.dropFirst(5))!
        let arguments = ["robustness", "m/seed-1", "m/seed-2", "other=m/seed-2", "--strengths", "0.1,0.5"]
        let result = try Tool.run(arguments + ["--output", "out"], in: scratch)
        #expect(result.status == 0, "\(result.error)")
        let kinds = InputNoise.Kind.allCases.filter(\.isOfTokens)
        #expect(
            scratch.listing("out")
                == (kinds.map { "robustness-\($0.rawValue).svg" } + ["robustness.csv", "robustness.md"]).sorted())
        let lines = try String(contentsOf: scratch["out/robustness.csv"], encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 1 + 3 * (1 + 2 * kinds.count))
        let clean = lines.first { $0.hasPrefix("m,m/seed-2,none,0,") }!.split(separator: ",")[4]
        #expect(abs(Double(clean)! - loss) < 1e-6)
        #expect(try String(contentsOf: scratch["out/robustness.md"], encoding: .utf8).contains(" ± "))
        // The same once more, with less on the command line.
        let again = try run("robustness", "m/seed-1", "--noise", "replaced-tokens", "--strengths", "0.5")
        let seen = lines.first { $0.hasPrefix("m,m/seed-1,replaced-tokens,0.5,") }!.split(separator: ",")[4]
        #expect(again.output.contains("replaced-tokens 0.5: loss \(String(format: "%.4f", Double(seen)!))"), "\(again.output)")

        let usage = try run("robustness", "m/seed-1", "--noise", "sand,gaussian", "--strengths", "much", "--reference", "nobody")
        #expect(usage.status == 64)
        for part in ["--noise sand", "--strengths", "--reference nobody"] {
            #expect(usage.error.contains(part), "\(usage.error)")
        }
        let wrong = try run("robustness", "m/seed-1", "--noise", "gaussian,dropped-tokens", "--strengths", "7")
        #expect(
            wrong.status == 1 && wrong.error.contains("no features") && wrong.error.contains("strength is 7"), "\(wrong.error)")
        try scratch.write("other.txt", sampleText(4000))
        #expect(try run("train", "c.yaml", "--output", "n", "--set", "data.file=other.txt").status == 0)
        let mixed = try run("robustness", "m/seed-1", "n", "--noise", "dropped-tokens", "--output", "none")
        #expect(mixed.status == 1 && mixed.error.contains("m/seed-1 and n"), "\(mixed.error)")
        #expect(!FileManager.default.fileExists(atPath: scratch["none"].path))
    }
}
