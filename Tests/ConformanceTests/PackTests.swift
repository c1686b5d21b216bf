import AssociativePack
import Foundation
import NSTM
import NSTMConfiguration
import NSTMTesting
import ReservoirPack
import Testing

/// Strategies that use only the public API pass the checks and can be trained by name.
@Suite struct PackTests {
    static var registries: Registries {
        var registries = Registries.standard
        registries.strategies.registerAssociativePack()
        registries.strategies.registerReservoirPack()
        return registries
    }
    private static func added(_ names: (Strategies) -> [String]) -> [String] {
        names(registries.strategies).filter { !names(.standard).contains($0) }
    }
    static let rules = added { $0.updates.names }
    static let policies = added { $0.routings.names }

    @Test(arguments: rules) func rulesConform(_ name: String) throws {
        let report = try Conformance.check(
            updateRule: name, in: PackTests.registries.strategies, Conformance.Options(tokens: 10_000))
        #expect(report.passed, "\(report)")
    }
    @Test(arguments: policies) func policiesConform(_ name: String) throws {
        let report = try Conformance.check(
            routing: name, in: PackTests.registries.strategies, Conformance.Options(tokens: 10_000))
        #expect(report.passed, "\(report)")
    }
    @Test(arguments: rules.enumerated().map { ($1, policies[$0 % policies.count]) }) func trainsByName(
        _ rule: String, _ policy: String
    ) throws {
        let config: ConfigurationValue = [
            "data": ["type": "copy", "bits": 3, "maximum-length": 2],
            "model": [
                "layers": 1, "width": 8, "heads": 2, "states": 4, "update": ["type": .string(rule)],
                "router": ["type": .string(policy)],
            ],
            "training": ["steps": 60, "batch": 8, "schedule": ["learning-rate": 1e-2, "warmup": 5]],
        ]
        let experiment = try Experiment(config, registries: PackTests.registries)
        let trainer = try experiment.trainer(try experiment.openDataset())
        var losses: [Double] = []
        trainer.onEvent = { if case .step(let report) = $0 { losses.append(report.loss) } }
        _ = try trainer.run()
        #expect(losses.count == 60 && losses.suffix(10).reduce(0, +) < 0.8 * losses.prefix(10).reduce(0, +))
    }
}
