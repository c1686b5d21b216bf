import Extensions
import Foundation
import NSTM
import NSTMCommand
import NSTMTesting
import Testing

@Suite struct ExtensionsTests {
    static var registries: Registries {
        var registries = Registries.standard
        registries.registerExtensions()
        return registries
    }

    @Test(arguments: ["liquid-states", "gated-recurrence"]) func rulesConform(_ name: String) throws {
        let report = try Conformance.check(
            updateRule: name, in: Self.registries.strategies, Conformance.Options(tokens: 10_000))
        #expect(report.passed, "\(report)")
    }
    @Test func routingConforms() throws {
        let report = try Conformance.check(
            routing: "sparsemax", in: Self.registries.strategies, Conformance.Options(tokens: 10_000))
        #expect(report.passed, "\(report)")
    }

    @Test func pruningConforms() throws {
        let report = try Conformance.check(pruning: "least-frequently-used", in: Self.registries.strategies)
        #expect(report.passed, "\(report)")
    }

    @Test func sparsemaxHasTheDerivativeOfItsValue() {
        let check = gradientCheck([.normal([5, 7], key: RandomKey(1), dtype: .float64)]) { _, x in sparsemax(x[0]) }
        #expect(check.error < 1e-7, "\(check)")
    }
    /// By hand: the largest entries of (1, 0.5, −1) less τ = 0.25; equal entries share; −∞ is never reached.
    @Test func sparsemaxIsTheProjection() {
        let x = Tensor([1, 0.5, -1, 3, 3, -.infinity], [2, 3])
        let p = sparsemax(Variable(x)).value
        #expect(p.doubles() == [0.75, 0.25, 0, 0.5, 0.5, 0])
    }

    @Test func readsOfFlipFlopReturnTheLastWrite() throws {
        let task = try FlipFlopTask(instructions: 9, ignore: 0.5, evaluationCount: 5)
        let batches = Array(task.evaluationBatches(size: 2)) + [task.trainingBatch(step: 3, size: 4, key: RandomKey(7))]
        #expect(batches.map(\.sequenceCount) == [2, 2, 1, 4])
        for batch in batches {
            let inputs = batch.inputs.doubles().map { Int($0) }, targets = batch.targets.doubles().map { Int($0) }
            let mask = batch.mask!.doubles()
            for sequence in stride(from: 0, to: inputs.count, by: 18) {
                #expect(inputs[sequence] == 2 && inputs[sequence + 16] == 4)
                var stored = -1
                for i in stride(from: sequence, to: sequence + 18, by: 2) {
                    if inputs[i] == 2 { stored = inputs[i + 1] }
                    let reads = inputs[i] == 4
                    #expect(targets[i] == (reads ? stored : -1) && mask[i] == (reads ? 1 : 0))
                    #expect(targets[i + 1] == -1 && mask[i + 1] == 0 && (!reads || inputs[i + 1] == stored))
                }
            }
        }
        #expect(throws: DatasetError.self) { try FlipFlopTask(instructions: 1, ignore: 2, evaluationCount: 0) }
    }

    /// Two updates of one element by the equations of the paper: g = 2, m = 0, then g = −1, m = 0.02.
    @Test func lionFollowsThePaper() {
        var value = Tensor([1.0]), moments = [Tensor([0.0])]
        func step(_ gradient: Double, _ number: Int) {
            Lion().update(
                &value, gradient: Tensor([gradient]), moments: &moments,
                OptimizerStep(number: number, learningRate: 0.1, weightDecay: 0.5, gradientScale: 1))
        }
        step(2, 1)
        #expect(abs(value.item() - 0.85) < 1e-12 && abs(moments[0].item() - 0.02) < 1e-12)
        step(-1, 2)
        #expect(abs(value.item() - (0.85 - 0.1 * (-1 + 0.425))) < 1e-12 && abs(moments[0].item() - 0.0098) < 1e-12)
    }

    @Test func pruningCountsByIdentity() {
        var policy = LeastFrequentlyUsedPruning()
        policy.keep = 1
        func view(_ writes: [Int: Double]) -> StateView {
            let states = writes.sorted { $0.key < $1.key }.enumerated()
            return StateView(step: 0, states: states.map { .init(index: $0, identity: $1.key, write: $1.value) })
        }
        func pruned(_ view: StateView) -> [Int] {
            policy.candidates(policy.scores(view, RandomKey(1)), view).map { view.states[$0.index].identity }
        }
        // Loads 3/2 and 1/2, then 2/3 and 4/3: the aged counts are 17/12 and 19/12.
        #expect(pruned(view([3: 0.6, 5: 0.2])) == [5])
        #expect(pruned(view([3: 0.2, 5: 0.4])) == [3])
        #expect(pruned(view([5: 0.4])) == [] && policy.memory.keys.sorted() == [5])
    }

    /// The configuration of the package, for fewer steps; pruning removes four states.
    @Test(arguments: ["liquid-states", "gated-recurrence"]) func trainsFromYAML(_ rule: String) throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Configurations/extensions.yaml")
        var configuration = try ConfigurationValue(yamlFile: file.standardized)
        try configuration.set(path: "model.update", to: ["type": .string(rule)])
        let experiment = try Experiment(configuration, registries: Self.registries)
        let trainer = try experiment.trainer(try experiment.openDataset())
        var losses: [Double] = [], pruned = 0
        trainer.onEvent = {
            switch $0 {
            case .step(let report): losses.append(report.loss)
            case .lifecycle: pruned += 1
            default: break
            }
        }
        try trainer.run()
        let first: Double = losses.prefix(20).reduce(0, +), last: Double = losses.suffix(20).reduce(0, +)
        #expect(last < first / 2)
        #expect(pruned == 4)
    }
}
