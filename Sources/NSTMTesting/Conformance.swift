import NSTMConfiguration
import NSTMLayers
import NSTMModules
import NSTMTensor

/// Runs the rules that hold for every strategy on anybody's, and reports each with numbers:
///
/// ```swift
/// let report = Conformance.check(updateRule: { MyRule($0, width: $1.width) })
/// #expect(report.passed, "\(report)")
/// ```
///
/// A strategy is put into layers of standard parts, once where the rest is fused and sparse and once where the rest runs step by
/// step, states talk, a window is read and some states are switched off. The sizes are the kit's: the closure gets them, as a
/// factory in `Strategies` does. A shape error in a strategy stops the program, as it would in training.
public enum Conformance {
    /// What a check may leave out or make shorter.
    public struct Options: Sendable {
        /// Tokens of the long stream; the rule asks for 10⁵.
        public var tokens = 100_000
        /// Rules that are not checked, because the strategy says that it does not keep them.
        public var excluding: Set<Invariant> = []
        public init(tokens: Int = 100_000, excluding: Set<Invariant> = []) {
            self.tokens = tokens
            self.excluding = excluding
        }
    }
    public typealias Make<Product> = (ParameterBuilder, LayerDimensions) -> Product

    /// - Parameter readout: the one that the rule is fused with; nil: `ContentReadout`.
    public static func check(
        updateRule make: @escaping Make<any StateUpdateRule>, readout: Make<any StateReadout>? = nil,
        _ options: Options = Options()
    ) -> ConformanceReport {
        run(Subject("update rule \(kind(make))", Harness.around(update: make, readout: readout)), options)
    }
    /// - Parameter readout: the one that the policy is used with; nil: `ContentReadout`.
    public static func check(
        routing make: @escaping Make<any RoutingPolicy>, readout: Make<any StateReadout>? = nil, _ options: Options = Options()
    ) -> ConformanceReport {
        run(Subject("routing policy \(kind(make))", Harness.around(routing: make, readout: readout)), options)
    }
    public static func check(interaction make: @escaping Make<any StateInteraction>, _ options: Options = Options())
        -> ConformanceReport
    {
        run(Subject("state interaction \(kind(make))", Harness.around(interaction: make)), options)
    }
    public static func check(readout make: @escaping Make<any StateReadout>, _ options: Options = Options()) -> ConformanceReport
    {
        run(Subject("readout \(kind(make))", Harness.around(readout: make)), options)
    }
    /// Any layer that lets tokens of a sequence influence later ones, or with `isCausal` false all others. What concerns inactive states is checked of an `NSTMLayer`.
    public static func check(layer make: @escaping Make<any SequenceMixer>, _ options: Options = Options()) -> ConformanceReport {
        run(Subject("layer \(kind(make))", Harness.of(layer: make)), options)
    }

    // MARK: By name

    /// - Parameter settings: what stands beside the name in a configuration.
    /// - Throws: `ConfigurationError` with all issues of the name and the settings; so do the functions below.
    public static func check(
        updateRule name: String, in strategies: Strategies, settings: ConfigurationMap = [:], _ options: Options = Options()
    ) throws -> ConformanceReport {
        let make = try factory(name, in: strategies.updates, settings)
        let read = try factory(strategies.usualReadout(routing: nil, update: name), in: strategies.readouts, [:])
        return run(Subject("update rule '\(name)'", Harness.around(update: make, readout: read)), options)
    }
    public static func check(
        routing name: String, in strategies: Strategies, settings: ConfigurationMap = [:], _ options: Options = Options()
    ) throws -> ConformanceReport {
        let make = try factory(name, in: strategies.routings, settings)
        let read = try factory(strategies.usualReadout(routing: name, update: nil), in: strategies.readouts, [:])
        return run(Subject("routing policy '\(name)'", Harness.around(routing: make, readout: read)), options)
    }
    public static func check(
        interaction name: String, in strategies: Strategies, settings: ConfigurationMap = [:], _ options: Options = Options()
    ) throws -> ConformanceReport {
        let make = try factory(name, in: strategies.interactions, settings)
        return run(Subject("state interaction '\(name)'", Harness.around(interaction: make)), options)
    }
    public static func check(
        readout name: String, in strategies: Strategies, settings: ConfigurationMap = [:], _ options: Options = Options()
    ) throws -> ConformanceReport {
        let make = try factory(name, in: strategies.readouts, settings)
        return run(Subject("readout '\(name)'", Harness.around(readout: make)), options)
    }
    /// A whole layer as a configuration says it, below `model`; `states` is the kit's.
    public static func check(
        layer settings: ConfigurationMap, in strategies: Strategies, _ options: Options = Options()
    ) throws -> ConformanceReport {
        func plan(_ dimensions: LayerDimensions) -> (NSTMLayerConfiguration, ConfigurationReader) {
            var settings = settings
            settings["states"] = .int(dimensions.states)
            let reader = ConfigurationReader(.map(settings))
            let plan = NSTMLayerConfiguration(reader, width: dimensions.width, heads: dimensions.heads, strategies: strategies)
            reader.finish()
            return (plan, reader)
        }
        for dimensions in Subject.sites { try plan(dimensions).1.throwIfInvalid() }
        return run(Subject("layer", Harness.of { plan($1).0.layer($0, residual: .fanIn) }), options)
    }

    /// What builds a registered strategy at any of the kit's sizes.
    private static func factory<Product>(
        _ name: String, in registry: Registry<Strategies.Factory<Product>>, _ settings: ConfigurationMap
    ) throws -> Make<Product> {
        func resolved(_ dimensions: LayerDimensions) -> ((ParameterBuilder) -> Product, ConfigurationReader)? {
            var map = settings
            map["name"] = .string(name)
            let reader = ConfigurationReader(.map(map))
            guard let make = reader.factory("name", in: registry)?(reader, dimensions) else { return nil }
            reader.finish()
            return (make, reader)
        }
        for dimensions in Subject.sites {
            guard let (_, reader) = resolved(dimensions) else {
                // Says which names there are.
                _ = try registry.resolve(name)
                continue
            }
            try reader.throwIfInvalid()
        }
        return { resolved($1)!.0($0) }
    }
    private static func kind<Product>(_ make: Make<Product>) -> String {
        "\(type(of: make(ParameterBuilder(seed: 1), Subject.dimensions)))"
    }
    private static func run(_ subject: Subject, _ options: Options) -> ConformanceReport {
        var report = ConformanceReport(subject.name)
        func wants(_ invariants: Invariant...) -> Bool { invariants.contains { !options.excluding.contains($0) } }
        let isCausal = subject.isCausal
        if !isCausal { report.note("the layer says that it is not causal: it has no state, and what needs one is not checked") }
        if wants(.splits), isCausal { subject.checkSplits(&report) }
        if wants(.causality) { subject.checkCausality(&report) }
        if wants(.gradients) { subject.checkGradients(&report) }
        if wants(.inactivity), isCausal { subject.checkInactivity(&report) }
        if wants(.boundedness, .memory), isCausal { subject.checkStream(&report, tokens: options.tokens) }
        if wants(.checkpoints), isCausal { subject.checkCheckpoints(&report) }
        if wants(.costs) { subject.checkCosts(&report) }
        report.measurements.removeAll { options.excluding.contains($0.invariant) }
        for invariant in Invariant.allCases where options.excluding.contains(invariant) {
            report.note("\(invariant.rawValue) \(invariant.title): excluded")
        }
        return report
    }
}
