import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules
import Testing

import NSTMTraining

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite(.serialized) struct SweepTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    /// Two widths, two rules, two seeds, four steps each.
    private static let plan: ConfigurationValue = [
        "title": "Small & <odd>",
        "base": [
            "data": ["type": "copy", "bits": 2, "maximum-length": 2, "evaluation-count": 4],
            "model": ["layers": 1, "heads": 2, "states": 4],
            "training": ["steps": 4, "batch": 2, "evaluation": ["interval": 2], "checkpoint": ["interval": 1]],
        ],
        "values": ["model.width": [8, 16], "model.update.type": ["gated-slots", "gru"]],
        "seeds": [1, 2],
    ]
    private func sweep(_ name: String, _ changes: String..., plan: ConfigurationValue = plan) throws -> Sweep {
        var plan = plan
        try plan.apply(overrides: changes)
        return Sweep(try SweepPlan(plan), in: scratch[name])
    }
    /// A plan with other values.
    private func plan(_ values: ConfigurationValue.Map) throws -> ConfigurationValue {
        var plan = Self.plan
        try plan.set(path: "values", to: .map(values))
        return plan
    }
    private func text(_ path: String) throws -> String { try String(contentsOf: scratch[path], encoding: .utf8) }
    /// A table without its last column, the wall time.
    private func table(_ path: String) throws -> [[String]] {
        try text(path).split(separator: "\n").map { line in
            line.split(separator: ",", omittingEmptySubsequences: false).dropLast().map(String.init)
        }
    }

    // MARK: Results

    @Test func everyCombinationIsTrainedWithEverySeed() throws {
        let target: ConfigurationValue = ["metric": "loss", "at-most": 100]
        var plan = Self.plan
        try plan.set(path: "target", to: target)
        #expect(try sweep("a", plan: plan).run())
        let names = ["gated-slots_width-8", "gru_width-8", "gated-slots_width-16", "gru_width-16"]
        for name in names { #expect(scratch.listing("a/" + name) == ["seed-1", "seed-2"]) }
        #expect(scratch.listing("a").count == names.count + ["loss", "bit-errors", "plan", "results", "runs", "table"].count)
        let rows = try table("a/results.csv")
        #expect(
            rows.dropFirst().map { Array($0[0...1]) } == [
                ["8", "gated-slots"], ["8", "gru"], ["16", "gated-slots"], ["16", "gru"],
            ])
        for (row, name) in zip(rows.dropFirst(), names) {
            // Median, best and worst of two seeds by hand, from the logs of the runs.
            let losses = try (1...2).map { seed -> Double in
                let lines = try metricLines(scratch["a/\(name)/seed-\(seed)"])
                let value = try ConfigurationValue(json: try #require(lines.last { $0.contains("validation-loss") }))
                guard case .double(let loss)? = value[path: "validation-loss"] else { return .nan }
                return loss
            }
            let cells = Dictionary(uniqueKeysWithValues: zip(rows[0], row))
            let expected = [(losses[0] + losses[1]) / 2, losses.min()!, losses.max()!].map { String(format: "%.8g", $0) }
            #expect(["loss-median", "loss-best", "loss-worst"].map { cells[$0] } == expected)
            #expect(cells["completed"] == "2" && cells["diverged"] == "0" && cells["target-missed"] == "0")
            // The target was reached in the first evaluation, which did not end the run.
            #expect(cells["steps-to-target"] == "2")
            let archive = try newest(scratch["a/\(name)/seed-1"])
            #expect(archive.documents["config"]?.contains("\"width\": \(row[0])") == true)
        }
        let runs = try table("a/runs.csv")
        #expect(runs.count == 9 && runs[1].prefix(5) == ["8", "gated-slots", "1", "finished", "4"])
        for name in ["loss.svg", "bit-errors.svg"] {
            let svg = try Data(contentsOf: scratch["a/" + name])
            #expect(XMLParser(data: svg).parse() && String(decoding: svg, as: UTF8.self).contains(">gru</text>"))
        }
        #expect(try text("a/table.md").hasPrefix("# Small & \\<odd\\>\n"))
    }

    @Test func filesAreAFunctionOfThePlan() throws {
        #expect(try sweep("a").run())
        // The order of the keys has no meaning for the folders.
        let other = try plan(["model.update.type": ["gated-slots", "gru"], "model.width": [8, 16]])
        #expect(try sweep("b").run() && sweep("c", plan: other).run())
        for name in ["results.csv", "runs.csv"] { #expect(try table("a/" + name) == table("b/" + name)) }
        for name in ["plan.json", "loss.svg", "bit-errors.svg"] { #expect(try text("a/" + name) == text("b/" + name)) }
        #expect(scratch.listing("a") == scratch.listing("c"))
        for name in scratch.listing("a") where name.contains("_") {
            expectSame(try newest(scratch["a/\(name)/seed-2"]), try newest(scratch["c/\(name)/seed-2"]))
        }
        #expect(try sweep("a", plan: other).run(resume: true))
    }

    /// Made-up records: what the report makes of every way in which a run can end.
    @Test func theReportCountsAndOrders() throws {
        let plan = try SweepPlan([
            "title": "Recall | 1",
            "base": ["data": ["type": "recall"]],
            "values": ["model.width": [16, 32], "model.update.type": ["gated-slots", "gru"]],
            "seeds": [1, 2, 3], "metrics": ["accuracy"], "target": ["metric": "accuracy", "at-least": 0.9],
        ])
        func finished(_ accuracy: Double, _ seconds: Double, reached step: Int? = nil, loss: Double = 1) -> RunRecord {
            var record = RunRecord()
            record.ending = .finished
            record.step = 200
            record.metrics = ["accuracy": accuracy, "loss": loss]
            record.seconds = seconds
            record.targetStep = step
            return record
        }
        var diverged = RunRecord(), failed = RunRecord()
        (diverged.ending, diverged.step, diverged.error) = (.diverged, 12, "step 13: …")
        (failed.ending, failed.error) = (.failed, "disk | full, sorry")
        let records: [[RunRecord?]] = [
            [finished(0.5, 61), finished(0.9, 59, reached: 100), finished(0.7, 65)],
            [diverged, finished(0.8, 3), finished(0.95, 4, reached: 40)],
            [finished(1, 7, reached: 20), failed, nil],
            [finished(1, 1, loss: .nan), finished(1, 1, loss: .infinity), RunRecord()],
        ]
        let rows = zip(plan.combinations, records).enumerated().map { i, pair in
            var combination = pair.0
            combination.parameters = 1000 * (i + 1)
            return SweepReport.Row(combination, pair.1)
        }
        let report = SweepReport(plan, rows)
        #expect(
            report.csv == """
                model.width,model.update.type,parameters,runs,completed,diverged,errors,accuracy-median,accuracy-best,\
                accuracy-worst,target-missed,steps-to-target,seconds
                16,gated-slots,1000,3,3,0,0,0.7,0.9,0.5,2,,61.000
                16,gru,2000,3,2,1,0,0.875,0.95,0.8,1,,3.500
                32,gated-slots,3000,3,1,0,1,1,1,1,0,20,7.000
                32,gru,4000,3,0,2,0,,,,0,,

                """)
        #expect(
            report.runsCSV.split(separator: "\n").prefix(9).suffix(8).joined(separator: "\n") == """
                16,gated-slots,1,finished,200,0.5,,,61.000
                16,gated-slots,2,finished,200,0.9,100,,59.000
                16,gated-slots,3,finished,200,0.7,,,65.000
                16,gru,1,diverged,12,,,,0.000
                16,gru,2,finished,200,0.8,,,3.000
                16,gru,3,finished,200,0.95,40,,4.000
                32,gated-slots,1,finished,200,1,20,,7.000
                32,gated-slots,2,failed,0,,,"disk | full, sorry",0.000
                """)
        #expect(
            report.terminalText == """
                width  type         parameters  completed  accuracy    best   worst  steps to accuracy at least 0.9  failures              wall time
                   16  gated-slots       1,000     3 of 3    0.7000  0.9000  0.5000                               –  2 missed                  1m01s
                   16  gru               2,000     2 of 3    0.8750  0.9500  0.8000                               –  1 diverged, 1 missed      3.50s
                   32  gated-slots       3,000     1 of 3    1.0000  1.0000  1.0000                              20  1 error                   7.00s
                   32  gru               4,000     0 of 3         –       –       –                               –  2 diverged                    –

                best median accuracy 1.0000: width 32, gated-slots

                """)
        let lines = report.markdown.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "# Recall \\| 1")
        #expect(
            lines.drop { !$0.hasPrefix("|") }.joined(separator: "\n") == """
                | width | type | parameters | completed | accuracy | best | worst | steps to accuracy at least 0.9 | failures | wall time |
                | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |
                | 16 | gated-slots | 1,000 | 3 of 3 | 0.7000 | 0.9000 | 0.5000 | – | 2 missed | 1m01s |
                | 16 | gru | 2,000 | 2 of 3 | 0.8750 | 0.9500 | 0.8000 | – | 1 diverged, 1 missed | 3.50s |
                | 32 | gated-slots | 3,000 | 1 of 3 | **1.0000** | 1.0000 | 1.0000 | 20 | 1 error | 7.00s |
                | 32 | gru | 4,000 | 0 of 3 | – | – | – | – | 2 diverged | – |

                - best median accuracy 1.0000: width 32, gated-slots

                - width 32, gated-slots, seed 2 failed: disk \\| full, sorry

                ![accuracy](accuracy.svg)

                """)
        let chart = report.charts[0].chart
        #expect(report.charts.map(\.name) == ["accuracy.svg"] && chart.series.map(\.name) == ["gated-slots", "gru"])
        #expect(chart.series[0].points == [.init(16, 0.7, band: 0.5...0.9), .init(32, 1, band: 1...1)])
        #expect(chart.series[1].points == [.init(16, 0.875, band: 0.8...0.95)])
    }

    /// An accuracy is better when it is larger, a loss when it is smaller.
    @Test(arguments: [("loss", 1.0, 9.0), ("bit-errors", 1, 9), ("accuracy", 9, 1), ("macro-f1", 9, 1)])
    func everyMetricIsOrdered(metric: String, best: Double, worst: Double) throws {
        var a = RunRecord(), b = RunRecord()
        a.ending = .finished
        (a.metrics["loss"], a.metrics[metric]) = (1, 1)
        (b.ending, b.metrics["loss"], b.metrics[metric]) = (.targetReached, 9, 9)
        let plan = try SweepPlan(["metrics": [.string(metric)], "seeds": [1, 2]])
        let cells = SweepReport(plan, [SweepReport.Row(plan.combinations[0], [a, b])]).csv.split(separator: "\n")[1]
        #expect(cells.contains(",5,\(Int(best)),\(Int(worst)),"), "\(cells)")
    }

    // MARK: Failures

    @Test func failuresAreCountedAndDoNotStop() throws {
        // With the larger learning rate, every update multiplies the weights by a million.
        try scratch.write(
            "plan.yaml",
            """
            base:
              data: {type: copy, bits: 2, maximum-length: 2, evaluation-count: 4}
              model: {layers: 1, width: 8, heads: 2, states: 4}
              training:
                {steps: 30, batch: 2, clip: {type: none}, optimizer: {weight-decay: 1000}, schedule: {type: constant, warmup: 0}}
            values: {training.schedule.learning-rate: [1000, 1e-5]}
            seeds: [1, 2]
            target: {metric: loss, at-most: 0}
            """)
        func cells() throws -> [[String]] {
            try table("out/results.csv").dropFirst().map { Array($0[2...5] + [$0[$0.count - 2]]) }
        }
        let diverging = try Tool.run(["sweep", "plan.yaml", "--output", "out"], in: scratch)
        #expect(
            diverging.status == 0 && diverging.error.contains("learning-rate 1000, seed 2 diverged: step "),
            "\(diverging.error)")
        #expect(diverging.output.contains("2 diverged") && diverging.output.contains("2 missed"), "\(diverging.output)")
        #expect(try cells() == [["2", "0", "2", "0", "0"], ["2", "2", "0", "0", "2"]])
        // A diverged run is a result and is not repeated; one that failed for another reason is.
        let again = try Tool.run(["sweep", "plan.yaml", "--output", "out", "--resume"], in: scratch)
        #expect(again.status == 0 && !again.output.contains("run 1 of"), "\(again.output)")
        let run = "out/learning-rate-1e-05/seed-1"
        try FileManager.default.removeItem(at: scratch[run])
        try scratch.write(run + "/metrics.jsonl/file", "")
        for more in [[], ["--quiet"]] {
            let failed = try Tool.run(["sweep", "plan.yaml", "--output", "out", "--resume"] + more, in: scratch)
            #expect(
                failed.status == 1 && failed.error.hasSuffix("\n1 of 4 runs failed; --resume repeats them\n"), "\(failed.error)")
            #expect(failed.output.contains("1 error, 1 missed") == more.isEmpty)
        }
        #expect(try text("out/table.md").contains("seed 1 failed: "))
        try FileManager.default.removeItem(at: scratch[run])
        let fixed = try Tool.run(["sweep", "plan.yaml", "--output", "out", "--resume"], in: scratch)
        #expect(
            fixed.status == 0 && fixed.output.contains("run 2 of 4") && !fixed.output.contains("run 3 of 4"), "\(fixed.output)")
    }

    /// The whole command, killed in the middle.
    @Test func killedAndResumed() throws {
        try scratch.write(
            "c.yaml",
            """
            seed: 7
            data: {type: copy, bits: 2, maximum-length: 2, evaluation-count: 4}
            model: {layers: 1, width: 8, heads: 2, states: 4}
            training: {steps: 400, batch: 2, evaluation: {interval: 100}, checkpoint: {interval: 20}}
            """)
        let arguments = ["sweep", "c.yaml", "--values", "model.states=3,4", "--values", "model.update=null,{type: gru}"]
        #expect(try Tool.run(arguments + ["--output", "whole"], in: scratch).status == 0)
        let tool = try Tool(arguments, in: scratch)
        // The third run of four.
        #expect(eventually { scratch.listing("runs/c-sweep/states-4_update-null/seed-7").contains { $0.hasPrefix("step-") } })
        tool.signal(SIGKILL)
        _ = try tool.wait()
        let done = try Data(contentsOf: scratch["runs/c-sweep/states-3_gru/seed-7/run.json"])
        let refused = try Tool.run(arguments, in: scratch)
        #expect(refused.status == 1 && refused.error.contains("--resume"), "\(refused.error)")
        let resumed = try Tool.run(arguments + ["--resume"], in: scratch)
        #expect(resumed.status == 0 && resumed.output.contains("run 4 of 4"), "\(resumed.error)")
        #expect(!resumed.output.contains("run 1 of 4") && !resumed.output.contains("run 2 of 4"))
        #expect(try Data(contentsOf: scratch["runs/c-sweep/states-3_gru/seed-7/run.json"]) == done)
        for name in ["results.csv", "runs.csv"] { #expect(try table("whole/" + name) == table("runs/c-sweep/" + name)) }
        for name in ["states-3_update-null", "states-3_gru", "states-4_update-null", "states-4_gru"] {
            expectSame(try newest(scratch["whole/\(name)/seed-7"]), try newest(scratch["runs/c-sweep/\(name)/seed-7"]))
        }
        // The stored plan is a plan, and another one is refused by key.
        let stored = ["sweep", "runs/c-sweep/plan.json", "--output", "runs/c-sweep", "--resume"]
        #expect(try Tool.run(stored, in: scratch).status == 0)
        let other = try Tool.run(stored + ["--seeds", "2", "--set", "base.training.batch=3"], in: scratch)
        #expect(
            other.status == 1 && other.error.contains("seeds: [1,2], [7]") && other.error.contains("batch: 3, 2"),
            "\(other.error)")
    }

    // MARK: Issues

    @Test func invalidCombinationsAreNamedAtOnce() throws {
        var bad = try plan([
            "model.width": [8, 30], "model.heads": [2, 4], "training.batch": [0, 2], "model.update.type": ["gru", "gruu"],
        ])
        try bad.apply(overrides: ["base.model.statez=3"])
        let error = #expect(throws: ConfigurationError.self) { _ = try SweepPlan(bad) }
        let issues = error?.issues.map(\.description) ?? []
        #expect(issues.count == 4, "\(issues)")
        // Each is named by the values on which it depends, and once.
        for start in [
            "training.batch=0: 0 is outside", "model.width=30, model.heads=4: model.heads: 4 does not divide",
            "model.update.type=\"gruu\": unknown", "model.statez: unknown key",
        ] { #expect(issues.contains { $0.hasPrefix(start) }, "\(start): \(issues)") }

        let plans: [(ConfigurationValue.Map, [String])] = [
            (["seed": [1, 2]], ["values.seed"]), (["model.width": [8, 8]], ["values.model.width"]),
            (["model.width": []], ["values.model.width"]), (["model.width": 8], ["values.model.width"]),
            (["model": [["width": 8]], "model.width": [8]], ["values.model.width"]),
            (["": [1]], [""]), (["model.width.x": [1]], ["model.width"]),
            (["model.width": .list((1...200).map { .int($0) }), "model.states": .list((1...200).map { .int($0) })], ["values"]),
        ]
        for (values, paths) in plans {
            let error = #expect(throws: ConfigurationError.self) { _ = try SweepPlan(plan(values)) }
            #expect(error?.issues.map(\.path) == paths, "\(values): \(error?.description ?? "")")
        }
        let keys = #expect(throws: ConfigurationError.self) {
            _ = try SweepPlan([
                "base": ["seed": 3], "seeds": [1, 1], "metrics": ["loss", "lost"], "target": ["metric": "x"], "budget": 3,
                "values": 4,
            ])
        }
        #expect(Set(keys?.issues.map(\.path) ?? []) == ["base.seed", "seeds", "metrics", "target.metric", "budget", "values"])
    }

    /// What only the data can tell is known before the first run too.
    @Test func combinationsThatDoNotFitTheirDataAreNamedAtOnce() throws {
        try scratch.write(
            "plan.yaml",
            """
            base:
              data: {type: copy, bits: 2, maximum-length: 2}
              model: {type: transformer, layers: 1, width: 8, heads: 2}
              training: {steps: 2}
            values:
              model.positions: [4, 5, 40]
              data.maximum-length: [2, 8]
              training.target.metric: [loss, accuracy]
            """)
        let result = try Tool.run(["sweep", "plan.yaml"], in: scratch)
        #expect(result.status == 1 && !result.output.contains("run 1 of"), "\(result.output)")
        for part in [
            "model.positions=4, data.maximum-length=2: ", "model.positions=4, data.maximum-length=8: ",
            "model.positions=5, data.maximum-length=8: ",
            "training.target.metric=\"accuracy\": training cannot stop by 'accuracy'",
        ] { #expect(result.error.contains(part), "\(part) is not in\n\(result.error)") }
        #expect(!result.error.contains("positions=40") && !result.error.contains("positions=5, data.maximum-length=2: model"))
        #expect(!FileManager.default.fileExists(atPath: scratch["runs"].path))
        for changes in [["metrics=[accuracy]"], ["target.metric=accuracy"]] {
            var plan = Self.plan
            try plan.apply(overrides: changes)
            let error = #expect(throws: ConfigurationError.self) { try sweep("a", plan: plan).run() }
            #expect(error?.description.contains("the data has no metric 'accuracy'") == true)
        }
        #expect(!FileManager.default.fileExists(atPath: scratch["a"].path))
    }

    @Test func nothingIsWrittenForBadArguments() throws {
        try scratch.write("c.yaml", "data: {type: copy}\nmodel: {layers: 1}\ntraining: {steps: 1}\n")
        try scratch.write("list.yaml", "[1, 2]\n")
        let cases: [(arguments: [String], status: Int32, reason: String)] = [
            (["c.yaml", "--values", "model.width"], 1, "--values model.width: values have the form"),
            (["c.yaml", "--values", "=1"], 1, "--values =1: values have the form"),
            (["c.yaml", "--values", "model.width= "], 1, "--values model.width: the values are missing"),
            (["c.yaml", "--values", "model.width=8,,9"], 1, "--values model.width:1: "),
            (["c.yaml", "--values", "model.width=8],[9"], 1, "--values model.width:1: "),
            (
                ["c.yaml", "--values", "model.width=8", "--values", "model.width=16"], 1,
                "--values model.width: is given more than once"
            ),
            (["c.yaml", "--values", "model.widht=8"], 1, "model.widht: unknown key; did you mean 'width'?"),
            (["c.yaml", "--set", "model.widht=8"], 1, "model.widht: unknown key; did you mean 'width'?"),
            (["c.yaml", "--values", "model.heads", "--set", "x"], 1, "has 2 issues"),
            (["c.yaml", "--seeds", "0"], 64, "--seeds must be from 1"), (["c.yaml", "--seeds", "x"], 64, "--seeds"),
            ([], 64, "<file>"),
            (["c.yaml", "--values", "model.width=8", "--resume"], 1, "nothing"), (["list.yaml"], 1, "expected a map"),
            (["absent.yaml"], 1, "absent.yaml: cannot be read"), ([""], 64, "a path is empty"),
            (["c.yaml", "--values", "data.type=text", "--set", "data={file: absent.txt}"], 1, "not a map"),
            (["c.yaml", "--values", "data={type: text, file: absent.txt},{type: copy}"], 1, "absent.txt"),
        ]
        for (arguments, status, reason) in cases {
            let result = try Tool.run(["sweep"] + arguments, in: scratch)
            let isNamed =
                reason == "nothing" ? result.error.contains("no plan.json to resume from") : result.error.contains(reason)
            #expect(result.status == status && isNamed && result.output.isEmpty, "\(arguments): \(result.error)")
        }
        #expect(scratch.listing().filter { !$0.hasPrefix("out-") && !$0.hasPrefix("err-") } == ["c.yaml", "list.yaml"])
    }

    @Test func resultsThatCannotBeWrittenAreNamedFirst() throws {
        try scratch.write("c.yaml", "data: {type: copy}\nmodel: {layers: 1}\ntraining: {steps: 1}\n")
        try scratch.write("file", "")
        for folder in ["file", "file/a", String(repeating: "x", count: 300)] {
            let result = try Tool.run(["sweep", "c.yaml", "--output", folder], in: scratch)
            #expect(result.status == 1 && result.error.contains("/" + folder) && result.output.isEmpty, "\(result.error)")
        }
        // Another process has the folder.
        let lock = try FolderLock(scratch["locked"])
        let locked = try Tool.run(["sweep", "c.yaml", "--output", "locked"], in: scratch)
        #expect(
            locked.status == 1 && locked.error.contains("another process is writing") && locked.output.isEmpty, "\(locked.error)")
        lock.release()
        #expect(!FileManager.default.fileExists(atPath: scratch["locked"].path))
    }

    // MARK: Values

    /// A swept key has the effect of `--set`, with the same issues.
    @Test func valuesAreSetAsByTheCommandLine() throws {
        var base = Self.plan[path: "base"]!
        try base.set(path: "model.update", to: ["type": "gated-slots", "timescale": 4])
        for (key, value) in [
            ("model.update.type", "gru"), ("model.update.type", "gated-linear"), ("model.update", "null"),
            ("model.states", "[3]"),
            ("training.schedule.type", "constant"), ("model.type", "lstm"),
        ] {
            var set = base
            try set.apply(overrides: ["\(key)=\(value)"])
            let expected = Result { try Experiment(set).resolved }
            let list = try ConfigurationValue(yamlDocument: "[\(value)]", name: "values")
            let found = Result {
                let plan = try SweepPlan(["base": base, "values": .map([key: list])])
                return try Experiment(plan.combinations[0].configuration).resolved
            }
            switch (expected, found) {
            case (.success(let a), .success(let b)): #expect(a == b, "\(key)")
            case (.failure(let a), .failure(let b)): #expect("\(a)" == "\(b)", "\(key)")
            default: Issue.record("\(key)=\(value): \(expected), \(found)")
            }
        }
    }

    @Test func valuesOfAnyKind() throws {
        let mixed = try SweepPlan(
            plan([
                "model.states": [[4], 3], "model.interaction": [.null, ["type": "attention", "interval": 2]],
                "training.schedule.learning-rate": [1e-7, 0.5, 1],
            ]))
        #expect(mixed.combinations.count == 12 && Set(mixed.combinations.map(\.id)).count == 12)
        #expect(mixed.combinations[0].id == "interaction-null_states-4_learning-rate-1e-07")
        #expect(mixed.combinations[11].title == "states 3, attention interval 2, learning-rate 1")
        #expect(mixed.combinations[11].configuration[path: "model.interaction.interval"] == 2)
        // Values that folder names cannot tell apart, or that are long, have numbers.
        let long: ConfigurationValue = ["type": "adamw", "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-7, "weight-decay": 0.2]
        let numbered = try SweepPlan(plan(["training.optimizer": [["type": "sgd"], long]]))
        #expect(numbered.combinations.map(\.id) == ["optimizer-value-1", "optimizer-value-2"])
        // Without values, there are only seeds.
        #expect(try SweepPlan(plan([:])).combinations.map(\.id) == ["base"])
    }
}
