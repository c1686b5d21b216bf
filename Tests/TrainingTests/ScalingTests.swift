import Foundation
import NSTMConfiguration
import NSTMModules
import NSTMTensor
import Testing

import NSTMTraining

struct PowerLawTests {
    /// Five sizes, three seeds each, with relative errors of a given standardDeviation.
    private func sample(_ law: PowerLaw, noise: Double, seed: Int, from: Double = 1e4) -> (x: [Double], y: [Double]) {
        let x = (0..<5).flatMap { i in [Double](repeating: from * pow(4, Double(i)), count: 3) }
        let errors = Tensor.normal([15], standardDeviation: noise, key: RandomKey(5).fold(seed), dtype: .float64).doubles()
        return (x, zip(x, errors).map { law($0) * exp($1) })
    }

    @Test(arguments: [0.05, 0.3, 1.2]) func exactLawsAreFound(exponent: Double) throws {
        let pure = PowerLaw(scale: 3 * pow(1e5, exponent), exponent: exponent), (x, y) = sample(pure, noise: 0, seed: 0)
        let found = try #require(PowerLaw.fit(x, y))
        #expect(abs(found.exponent - exponent) < 1e-9 && abs(found.scale / pure.scale - 1) < 1e-8 && found.floor == 0)
        let bent = PowerLaw(floor: 1.5, scale: pure.scale, exponent: exponent), (u, v) = sample(bent, noise: 0, seed: 0)
        let again = try #require(PowerLaw.fit(u, v, irreducible: true))
        #expect(abs(again.exponent / exponent - 1) < 1e-3 && abs(again.floor - 1.5) < 1e-2, "\(again)")
        // Without an irreducible loss in the data, its fit is 0.
        let none = try #require(PowerLaw.fit(x, y, irreducible: true))
        #expect(abs(none.exponent / exponent - 1) < 1e-3 && none.floor < 1e-3, "\(none)")
    }

    /// Sizes in other units change only the scale.
    @Test func unitsDoNotMatter() throws {
        let law = PowerLaw(floor: 1, scale: 50, exponent: 0.3), (x, y) = sample(law, noise: 0.01, seed: 3)
        for irreducible in [false, true] {
            let a = try #require(PowerLaw.fit(x, y, irreducible: irreducible))
            let b = try #require(PowerLaw.fit(x.map { $0 * 1e9 }, y, irreducible: irreducible))
            #expect(abs(a.exponent - b.exponent) < 1e-6 && abs(a.floor - b.floor) < 1e-6)
            #expect(abs(a(x[4]) - b(x[4] * 1e9)) < 1e-6)
        }
    }

    /// The interval has the true exponent in it about as often as it says: 95 % of 200 samples are 190, a standard deviation is
    /// 3.1.
    ///
    /// A bootstrap of 15 points is a little too sure of itself.
    @Test func intervalsCoverTheTruth() {
        let law = PowerLaw(scale: 40, exponent: 0.25)
        var hits = 0
        for seed in 0..<200 {
            let (x, y) = sample(law, noise: 0.03, seed: seed)
            let found = PowerLaw.estimate(x, y, resamples: 300, key: RandomKey(7).fold(seed))
            if let range = found?.exponent, range.contains(0.25), range.upperBound - range.lowerBound < 0.06 { hits += 1 }
        }
        #expect((176...199).contains(hits), "\(hits)")
    }

    @Test func estimatesAreAFunctionOfTheKey() throws {
        let (x, y) = sample(PowerLaw(floor: 1, scale: 30, exponent: 0.4), noise: 0.01, seed: 1)
        let a = try #require(PowerLaw.estimate(x, y, irreducible: true, resamples: 50))
        #expect(a == PowerLaw.estimate(x, y, irreducible: true, resamples: 50))
        #expect(a.floor != nil && a.points == 15 && a.error < 0.03)
        #expect(a.exponent?.contains(a.law.exponent) == true)
    }

    @Test func whatCannotBeFittedIsNot() {
        #expect(PowerLaw.fit([], []) == nil)
        #expect(PowerLaw.fit([2, 2], [1, 3]) == nil)
        #expect(
            PowerLaw.fit([1, 2], [1, -1]) == nil && PowerLaw.fit([0, 2], [1, 1]) == nil
                && PowerLaw.fit([1, 2], [1, .nan]) == nil)
        #expect(PowerLaw.fit([1, 2], [3, 2], irreducible: true) == nil)
        // Two points determine the law without residuals, so that there are no intervals.
        let two = PowerLaw.estimate([1, 4], [4, 2])
        #expect(two?.exponent == nil && abs((two?.law.exponent ?? 0) - 0.5) < 1e-12)
    }
}

@Suite(.serialized) struct ScalingTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    private func study(_ name: String, _ changes: String...) throws -> ScalingStudy {
        var plan: ConfigurationValue = [
            "base": [
                "data": ["type": "copy", "bits": 2, "minimum-length": 2, "maximum-length": 2, "evaluation-count": 4],
                "training": ["batch": 2, "evaluation": ["interval": 100]],
            ],
            "models": [
                ["name": "nstm", "model": ["heads": 2, "states": 3]],
                ["name": "transformer", "model": ["type": "transformer", "heads": 2, "positions": 8]],
            ],
            "sizes": [["width": 8, "layers": 1], ["width": 16, "layers": 2]],
            "tokens": [20, 40],
        ]
        try plan.apply(overrides: changes)
        return ScalingStudy(try ScalingPlan(plan), in: scratch[name])
    }

    @Test func everySizeOnEveryAmountOfData() throws {
        let cells = try study("a").cells()
        #expect(
            cells.count == 8 && cells.map(\.steps) == [2, 4, 2, 4, 2, 4, 2, 4]
                && cells.map(\.tokens) == cells.map { $0.steps * 10 })
        #expect(Set(cells.map(\.id)).count == 8 && cells[0].id == "nstm/width-8-layers-1/tokens-20")
        let whole = try study("whole")
        #expect(try whole.run())
        let parts = try study("parts")
        var steps = 0
        parts.onEvent = { if case .training(.step) = $0 { steps += 1 } }
        parts.shouldStop = { steps >= 7 }
        #expect(try !parts.run())
        #expect(throws: SeriesError.self) { try study("parts", "tokens=[20]").run(resume: true) }
        #expect(try study("parts").run(resume: true))
        func losses(_ name: String) throws -> [ConfigurationValue] {
            let value = try ConfigurationValue(json: String(contentsOf: scratch[name + "/results.json"], encoding: .utf8))
            guard case .list(let runs)? = value[path: "runs"] else { return [] }
            return runs.map { $0[path: "losses"] ?? .null }
        }
        #expect(try losses("whole").count == 8 && losses("whole") == losses("parts"))
        let table = try String(contentsOf: scratch["whole/table.md"], encoding: .utf8)
        for part in ["| nstm | parameters |", "| transformer | compute |", "| nstm | width 16 layers 2 |", "loss-tokens.svg"] {
            #expect(table.contains(part), "\(part)")
        }
        for name in ["loss-parameters", "loss-tokens", "loss-compute"] {
            #expect(scratch.listing("whole").contains(name + ".svg"))
        }
    }

    /// Which runs a fit is made of, with losses that a law gave.
    @Test func fitsTakeTheRunsTheyShould() throws {
        let study = try study("a"), cells = try study.cells()
        let law = PowerLaw(scale: 9, exponent: 0.3)
        func records(_ loss: Double) -> [RunRecord?] {
            var record = RunRecord()
            record.ending = .finished
            record.metrics = ["loss": loss]
            return [record]
        }
        // By parameters alone: more data is no help, so the frontier against compute is the runs with little of it.
        let measured = cells.map { ScalingReport.Measured(cell: $0, records: records(law(Double($0.parameters)))) }
        let report = ScalingReport(study.plan, measured, command: "")
        #expect(report.fits.count == 6)
        for fit in report.fits {
            #expect(fit.points.count == 2, "\(fit)")
            switch fit.axis {
            case .parameters: #expect(abs((fit.estimate?.law.exponent ?? 0) - 0.3) < 1e-9)
            case .tokens: #expect(abs(fit.estimate?.law.exponent ?? 1) < 1e-9)
            case .compute: #expect(fit.points.map(\.y) == fit.points.map(\.y).sorted(by: >))
            }
        }
        // A run that failed is no point.
        var failed = RunRecord()
        failed.ending = .failed
        failed.error = "no | luck"
        let less = ScalingReport(
            study.plan, [.init(cell: cells[0], records: [failed])] + measured.dropFirst(), command: "")
        #expect(less.markdown().contains("seed 1 failed: no \\| luck"))
    }

    @Test func faultsOfAPlanComeTogether() {
        let error = #expect(throws: ConfigurationError.self) {
            try study(
                "a", "tokens=[]", "seeds=[2, 2]", "base.training.time-limit=1", "sizes=3", "base.data.bitz=3", "wat=1")
        }
        let text = error?.description ?? ""
        for part in ["tokens: ", "seeds: ", "base.training.time-limit: ", "sizes: expected a list", "wat: unknown key"] {
            #expect(text.contains(part), "\(part) is not in\n\(text)")
        }
        let twice = #expect(throws: ConfigurationError.self) {
            _ = try ScalingPlan(["tokens": [10], "sizes": [["width": 8], ["width": 8]], "models": [["name": "a"]]])
        }
        #expect(twice?.description.contains("have the same folder") == true)
    }
}
