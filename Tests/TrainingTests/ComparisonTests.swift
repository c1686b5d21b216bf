import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules
import Testing

import NSTMTraining

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite(.serialized) struct ComparisonTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    /// Three models, two seeds, four steps each.
    private static let plan: ConfigurationValue = [
        "title": "Small & <odd>",
        "base": [
            "data": ["type": "copy", "bits": 2, "maximum-length": 2, "evaluation-count": 4],
            "model": ["layers": 1, "width": 8, "heads": 2],
            "training": ["batch": 2, "evaluation": ["interval": 2], "checkpoint": ["interval": 1]],
        ],
        "models": [
            ["name": "transformer", "model": ["type": "transformer", "layers": 1, "width": 8, "heads": 2, "positions": 8]],
            ["name": "nstm", "model": ["states": 4], "sweep": ["model.update.type": ["gated-slots", "gru"]]],
        ],
        "seeds": [1, 2],
        "budget": ["steps": 4],
        "parameters": ["count": 2000, "multiple": 1],
    ]
    private func comparison(_ name: String, _ changes: String..., plan: ConfigurationValue = plan) throws -> Comparison {
        var plan = plan
        try plan.apply(overrides: changes)
        return Comparison(try ComparisonPlan(plan), in: scratch[name])
    }
    private func results(_ name: String) throws -> ConfigurationValue {
        func withoutClock(_ value: ConfigurationValue) -> ConfigurationValue {
            switch value {
            case .map(let map):
                let kept = map.pairs.filter { !["tokens-per-second", "seconds", "provenance"].contains($0.key) }
                return .map(ConfigurationValue.Map(kept.map { ($0.key, withoutClock($0.value)) }))
            case .list(let list): return .list(list.map(withoutClock))
            default: return value
            }
        }
        return withoutClock(try ConfigurationValue(json: String(contentsOf: scratch[name + "/results.json"], encoding: .utf8)))
    }

    @Test func parametersAreBroughtNear() throws {
        let candidates = try comparison("a").candidates()
        #expect(candidates.map(\.model) == ["transformer", "nstm, gated-slots", "nstm, gru"])
        for candidate in candidates {
            #expect(abs(candidate.parameters - 2000) <= 40, "\(candidate)")
            // Counted by themselves, in a model that is built from the configuration.
            let experiment = try Experiment(candidate.configuration)
            let all = try experiment.model(for: try experiment.openDataset().dataset).parameters.all
            #expect(all.filter(\.isTrainable).reduce(0) { $0 + $1.value.count } == candidate.parameters)
            #expect(candidate.configuration[path: "model.hidden"] == .int(candidate.adjusted!.value))
            #expect(candidate.configuration[path: "training.steps"] == 4)
        }
        #expect(Set(candidates.map { $0.adjusted!.value }).count == 3)
        // By another key, for one model.
        let wide = try comparison("b", "parameters.key=width", "parameters.multiple=2", "parameters.tolerance=0.3")
        #expect(try wide.candidates().allSatisfy { abs($0.parameters - 2000) <= 600 && $0.adjusted!.key == "width" })
    }

    @Test func sizesThatAreThereAlreadyAreChecked() throws {
        var plan = Self.plan
        let size = try comparison("a").candidates()[0].parameters
        let own: ConfigurationValue = ["type": "transformer", "positions": 8]
        try plan.set(path: "models", to: [["name": "own", "model": own, "adjust": "none"]])
        let found = try comparison("b", "parameters.tolerance=1", plan: plan).candidates()[0]
        #expect(found.adjusted == nil && found.parameters != size && found.configuration[path: "model.hidden"] == nil)
        let error = #expect(throws: ConfigurationError.self) {
            try comparison("c", "parameters.count=\(found.parameters + 1)", "parameters.tolerance=0", plan: plan).run()
        }
        #expect(error?.issues.map(\.path) == ["models[0]"] && "\(error!)".contains("\(found.parameters) parameters"), "\(error!)")
        // A plan that cannot begin leaves the folder as it was.
        #expect(!FileManager.default.fileExists(atPath: scratch["c"].path))
    }

    @Test func theNearestValueIsFound() throws {
        let target = ParameterTarget(count: 1000, tolerance: 0.02, multiple: 4)
        // 7 + 33 h: of the multiples of 4, 28 gives 931 and 32 gives 1063; neither is near enough, 30 would be.
        #expect(throws: ParameterTarget.Issue.self) { try target.fit { 7 + 33 * $0 } }
        let fine = ParameterTarget(count: 1000, tolerance: 0.02, multiple: 2)
        #expect(try fine.fit { 7 + 33 * $0 } == (30, 997))
        for count in stride(from: 40, through: 4000, by: 37) {
            let target = ParameterTarget(count: count, tolerance: 1, multiple: 1)
            let (value, found) = try target.fit { 7 + 33 * $0 }
            #expect(found == 7 + 33 * value)
            #expect((1...200).allSatisfy { abs(found - count) <= abs(7 + 33 * $0 - count) })
        }
        #expect(throws: ParameterTarget.Issue.self) { try target.fit { _ in 10 } }
    }

    @Test func impossibleCountsAreNamedForEveryModel() throws {
        let error = #expect(throws: ConfigurationError.self) { try comparison("a", "parameters.count=100").run() }
        #expect(
            error?.issues.count == 3 && error?.issues.allSatisfy { $0.message.contains("with the smallest") } == true, "\(error!)"
        )
        #expect(error?.issues.map(\.path) == ["models[0]", "models[1]", "models[1]"])
    }

    @Test func faultsOfAPlanComeTogether() {
        var plan = Self.plan
        let error = #expect(throws: ConfigurationError.self) {
            try plan.apply(overrides: [
                "seeds=[1, 1]", "budget.tokens=10", "base.seed=3", "base.data.bitz=1", "base.training.time-limit=1", "wat=1",
            ])
            try plan.set(
                path: "models",
                to: [
                    ["name": "a", "model": ["widht": 3], "training": ["steps": 3]],
                    ["name": "b", "sweep": ["data.bits": [1], "model.states": 3]], ["name": "B"],
                ])
            _ = try ComparisonPlan(plan)
        }
        let text = error?.description ?? ""
        for part in [
            "seeds: duplicate seeds", "budget.steps: only one of steps, tokens and minutes", "base.seed: ",
            "base.data.bitz: unknown key", "base.training.time-limit: ", "wat: unknown key", "models[0].model.widht: unknown key",
            "models[0].training.steps: ", "models[1].sweep.data.bits: ", "models[1].sweep.model.states: expected a list",
        ] { #expect(text.contains(part), "\(part) is not in\n\(text)") }
        #expect(text.components(separatedBy: "base.data.bitz").count == 2)
        let twice = #expect(throws: ConfigurationError.self) {
            _ = try ComparisonPlan(["models": [["name": "A b"], ["name": "a-b"]]])
        }
        #expect(twice?.description.contains("have the same folder") == true)
    }

    @Test func aStoppedComparisonGoesOn() throws {
        #expect(try comparison("whole").run())
        let parts = try comparison("parts")
        var steps = 0
        parts.onEvent = { if case .training(.step) = $0 { steps += 1 } }
        parts.shouldStop = { steps >= 10 }
        #expect(try !parts.run())
        #expect(steps == 10)
        let first = try Data(contentsOf: scratch["parts/transformer/seed-1/run.json"])
        #expect(throws: SeriesError.folderInUse(folder: scratch["parts"].path)) { try comparison("parts").run() }
        let rest = try comparison("parts")
        var begun: [String] = []
        rest.onEvent = { event in
            if case .training(.step) = event { steps += 1 }
            if case .began(let run, let number, let count, let seconds) = event {
                begun.append("\(number)/\(count) \(run.id)")
                #expect(seconds != nil)
            }
        }
        #expect(try rest.run(resume: true))
        // Seeds are the outer loop: a comparison that stopped in the third run of the first seed resumes there.
        #expect(begun.first == "3/6 nstm-gru/seed-1" && begun.count == 4 && steps == 24, "\(begun)")
        #expect(try Data(contentsOf: scratch["parts/transformer/seed-1/run.json"]) == first)
        #expect(try results("whole") == results("parts"))
        for run in ["transformer/seed-1", "nstm-gru/seed-1", "nstm-gru/seed-2"] {
            expectSame(try newest(scratch["whole/" + run]), try newest(scratch["parts/" + run]))
            #expect(try metricLines(scratch["whole/" + run]) == metricLines(scratch["parts/" + run]))
        }
        // All runs are complete, so that nothing changes.
        let again = try comparison("parts")
        again.onEvent = { if case .began = $0 { Issue.record("a run was repeated") } }
        #expect(try again.run(resume: true))
        #expect(try results("whole") == results("parts"))
    }

    @Test func anotherPlanIsRefusedByKey() throws {
        #expect(try comparison("a").run())
        let before = try results("a")
        let error = #expect(throws: SeriesError.self) {
            try comparison("a", "seeds=[1]", "base.training.batch=3").run(resume: true)
        }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("seeds: [1], [1,2]") && text.contains("base.training.batch: 3, 2"), "\(text)")
        #expect(!text.contains("models"))
        #expect(try results("a") == before)
        #expect(throws: SeriesError.nothingToResume(folder: scratch["b"].path)) { try comparison("b").run(resume: true) }
        #expect(!FileManager.default.fileExists(atPath: scratch["b"].path))
        // The stored plan is a plan.
        let stored = try ConfigurationValue(json: String(contentsOf: scratch["a/plan.json"], encoding: .utf8))
        #expect(try comparison("a", plan: stored).run(resume: true))
    }

    @Test func oneFailureDoesNotLoseTheOthers() throws {
        // A folder is where the run's log should be: known only once the run begins.
        var plan = Self.plan
        let short: ConfigurationValue = ["name": "short|er", "model": ["type": "transformer", "positions": 8, "width": 8]]
        try FileManager.default.createDirectory(
            at: scratch["b/short-er/seed-4/metrics.jsonl"], withIntermediateDirectories: true)
        if case .list(let all)? = plan[path: "models"] { try plan.set(path: "models", to: .list([short] + all)) }
        try plan.set(path: "parameters", to: .null)
        let mixed = try comparison("b", "seeds=[4]", "budget.steps=3", plan: plan)
        #expect(try mixed.run())
        let table = try String(contentsOf: scratch["b/table.md"], encoding: .utf8)
        let lines = table.split(separator: "\n").filter { $0.hasPrefix("| ") }
        #expect(lines.count == 6 && lines[2].hasPrefix("| short\\|er |"), "\(table)")
        #expect(lines[2].contains("seed 4 failed") && !lines[3].contains("failed"))
        // Repeated when the comparison is resumed.
        var begun = 0
        let again = try comparison("b", "seeds=[4]", "budget.steps=3", plan: plan)
        again.onEvent = { if case .began = $0 { begun += 1 } }
        #expect(try again.run(resume: true) && begun == 1)
    }

    @Test func theReportIsRight() throws {
        #expect(try comparison("a", "curves.y=log").run())
        let table = try String(contentsOf: scratch["a/table.md"], encoding: .utf8)
        #expect(table.hasPrefix("# Small & \\<odd\\>\n"))
        // Mean and standard deviation by hand, from the logs of the runs.
        let losses = try (1...2).map { seed -> Double in
            let lines = try metricLines(scratch["a/transformer/seed-\(seed)"])
            let value = try ConfigurationValue(json: try #require(lines.last { $0.contains("validation-loss") }))
            guard case .double(let loss)? = value[path: "validation-loss"] else { return .nan }
            return loss
        }
        let mean = (losses[0] + losses[1]) / 2, deviation = abs(losses[0] - losses[1]) / 2.0.squareRoot()
        #expect(table.contains(String(format: "%.4f ± %.4f", mean, deviation)), "\(table)")
        #expect(table.contains("hidden ") && table.contains("![Learning curves](curves.svg)"))
        for name in ["curves.svg", "curves-bit-errors.svg"] {
            let svg = try Data(contentsOf: scratch["a/" + name])
            #expect(XMLParser(data: svg).parse())
            for model in ["transformer", "nstm, gated-slots", "nstm, gru"] {
                #expect(String(decoding: svg, as: UTF8.self).contains(">\(model)</text>"))
            }
        }
    }

    @Test func budgetsOfTokensAndMinutes() throws {
        // 2 sequences of at most 5 positions per step.
        let tokens = try comparison("a", "budget.steps=null", "budget.tokens=100")
        #expect(try tokens.candidates().map(\.steps) == [10, 10, 10])
        // Measured numbers of steps are stored, so that a resumed comparison has the same runs.
        let first = try comparison("b", "budget.steps=null", "budget.minutes=0.001").candidates().map(\.steps)
        #expect(first.allSatisfy { $0 >= 1 } && scratch.listing("b") == ["steps.json"])
        #expect(try comparison("b", "budget.steps=null", "budget.minutes=0.001").candidates().map(\.steps) == first)
    }

    @Test func severalDatasetsHaveTablesOfTheirOwn() throws {
        var plan = Self.plan
        try plan.set(
            path: "datasets",
            to: [
                ["name": "short", "data": ["maximum-length": 1]],
                ["name": "recall", "data": ["type": "recall", "length": 16, "pairs": 2]],
            ]
        )
        try plan.set(path: "models", to: [["name": "nstm", "model": ["states": 4], "sweep": ["training.batch": [2, 3]]]])
        try plan.set(path: "parameters", to: .null)
        #expect(try comparison("a", "seeds=[1]", "budget.steps=2", plan: plan).run())
        let table = try String(contentsOf: scratch["a/table.md"], encoding: .utf8)
        #expect(table.contains("\n## short\n") && table.contains("\n## recall\n") && table.contains("| nstm, batch 3 |"))
        let files = scratch.listing("a")
        let pictures = ["curves-recall-accuracy.svg", "curves-recall.svg", "curves-short-bit-errors.svg", "curves-short.svg"]
        #expect(files == pictures + ["plan.json", "recall", "results.json", "short", "table.md"])
    }

    /// The status says that a run failed, whatever else the command did.
    @Test(arguments: ["compare", "scale"]) func failedRunsShowInTheStatus(command: String) throws {
        // Every update multiplies the weights by a million.
        let wild = "{schedule: {type: constant, learning-rate: 1000, warmup: 0}, optimizer: {weight-decay: 1000}}"
        let base = """
            base:
              data: {type: copy, bits: 2, maximum-length: 2, evaluation-count: 4}
              model: {layers: 1, width: 8, heads: 2, states: 4}
              training: {batch: 2, clip: {type: none}}
            """
        let models = "models: [{name: good}, {name: bad, training: \(wild)}]"
        let rest = command == "compare" ? "budget: {steps: 30}" : "sizes: [{width: 8}, {width: 16}]\ntokens: [300]"
        try scratch.write("plan.yaml", [base, models, rest].joined(separator: "\n") + "\n")
        let count = command == "compare" ? "1 of 2" : "2 of 4"
        for more in [[], ["--resume"], ["--resume", "--quiet"]] {
            let result = try Tool.run([command, "plan.yaml", "--output", "out"] + more, in: scratch)
            #expect(result.status == 1, "\(result.output)")
            #expect(result.error.hasSuffix("\n\(count) runs failed; --resume repeats them\n"), "\(result.error)")
            #expect(FileManager.default.fileExists(atPath: scratch["out/table.md"].path))
        }
    }

    /// The whole command, killed in the middle.
    @Test func killedAndResumed() throws {
        let plan = """
            base:
              data: {type: copy, bits: 2, maximum-length: 2, evaluation-count: 4}
              model: {layers: 1, width: 8, heads: 2, states: 4}
              training: {steps: 400, batch: 2, evaluation: {interval: 100}, checkpoint: {interval: 20}}
            models: [{name: a}, {name: b, model: {states: 3}}]
            """
        try scratch.write("plan.yaml", plan)
        #expect(try Tool.run(["compare", "plan.yaml", "--output", "whole"], in: scratch).status == 0)
        let tool = try Tool(["compare", "plan.yaml"], in: scratch)
        #expect(eventually { scratch.listing("runs/plan/b/seed-1").contains { $0.hasPrefix("step-") } })
        tool.signal(SIGKILL)
        _ = try tool.wait()
        #expect(try Tool.run(["compare", "plan.yaml"], in: scratch).status == 1)
        let resumed = try Tool.run(["compare", "plan.yaml", "--resume"], in: scratch)
        #expect(resumed.status == 0 && resumed.output.contains("| model |"), "\(resumed.error)")
        #expect(!resumed.output.contains("run 1 of 2"))
        #expect(try results("whole") == results("runs/plan"))
    }
}
