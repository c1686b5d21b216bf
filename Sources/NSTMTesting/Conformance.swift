import NSTMConfiguration
import NSTMLayers
import NSTMMemory
import NSTMMemory
import NSTMModules
import NSTMTensor

/// Checks of the invariants that every strategy must satisfy, for strategies of this package and of users. The report has a
/// number for each:
///
/// ```swift
/// let report = Conformance.check(updateRule: { MyRule($0, width: $1.width) })
/// #expect(report.passed, "\(report)")
/// ```
///
/// A strategy is checked in two layers of standard parts: a plain one with sparse routing and fused scans, and one with a
/// step-by-step update rule, a state interaction, a window and inactive states. The closure receives the sizes of the layer, as a
/// factory in `Strategies` does. A shape error in a strategy stops the program, as it would in training.
public enum Conformance {
    /// Options that shorten a check or skip parts of it.
    public struct Options: Sendable {
        /// Number of tokens of the long stream; the invariant requires 10⁵.
        public var tokens = 100_000
        /// Invariants that are not checked, because the strategy is documented not to satisfy them.
        public var excluding: Set<Invariant> = []
        public init(tokens: Int = 100_000, excluding: Set<Invariant> = []) {
            self.tokens = tokens
            self.excluding = excluding
        }
    }
    /// A function that creates a strategy for given layer dimensions.
    public typealias Make<Product> = (ParameterBuilder, LayerDimensions) -> Product

    /// The report on an update rule.
    /// - Parameter readout: the readout that the rule is fused with; nil for `ContentReadout`.
    public static func check(
        updateRule make: @escaping Make<any StateUpdateRule>, readout: Make<any StateReadout>? = nil,
        _ options: Options = Options()
    ) -> ConformanceReport {
        run(Subject("update rule \(kind(make))", Harness.around(update: make, readout: readout)), options)
    }
    /// The report on a routing policy.
    /// - Parameter readout: the readout that the policy is used with; nil for `ContentReadout`.
    public static func check(
        routing make: @escaping Make<any RoutingPolicy>, readout: Make<any StateReadout>? = nil, _ options: Options = Options()
    ) -> ConformanceReport {
        run(Subject("routing policy \(kind(make))", Harness.around(routing: make, readout: readout)), options)
    }
    /// The report on a state interaction.
    public static func check(interaction make: @escaping Make<any StateInteraction>, _ options: Options = Options())
        -> ConformanceReport
    {
        run(Subject("state interaction \(kind(make))", Harness.around(interaction: make)), options)
    }
    /// The report on a readout.
    public static func check(readout make: @escaping Make<any StateReadout>, _ options: Options = Options()) -> ConformanceReport
    {
        run(Subject("readout \(kind(make))", Harness.around(readout: make)), options)
    }
    /// The report on a layer of any kind.
    ///
    /// Inactive states are checked only if it is an `NSTMLayer`; a non-causal layer is not checked for streaming.
    public static func check(layer make: @escaping Make<any SequenceMixer>, _ options: Options = Options()) -> ConformanceReport {
        run(Subject("layer \(kind(make))", Harness.of(layer: make)), options)
    }

    // MARK: By name

    /// The report on a registered update rule.
    /// - Parameter settings: the settings of the rule in a configuration, without its name.
    /// - Throws: `ConfigurationError` for an unknown name, or with all issues of the settings.
    public static func check(
        updateRule name: String, in strategies: Strategies, settings: ConfigurationValue.Map = [:], _ options: Options = Options()
    ) throws -> ConformanceReport {
        let rule = try configured(name, in: strategies.updates, settings)
        return run(
            Subject(
                "update rule '\(name)'",
                Harness.around(update: { rule($1).make($0, $1) }, readout: { rule($1).defaultReadout.make($0, $1) })), options)
    }
    /// The report on a registered routing policy.
    /// - Parameter settings: the settings of the policy in a configuration, without its name.
    /// - Throws: `ConfigurationError` for an unknown name, or with all issues of the settings.
    public static func check(
        routing name: String, in strategies: Strategies, settings: ConfigurationValue.Map = [:], _ options: Options = Options()
    ) throws -> ConformanceReport {
        let policy = try configured(name, in: strategies.routings, settings)
        let read: Make<any StateReadout> = { (policy($1).defaultReadout ?? .content).make($0, $1) }
        return run(
            Subject("routing policy '\(name)'", Harness.around(routing: { policy($1).make($0, $1) }, readout: read)), options)
    }
    /// The report on a registered state interaction.
    /// - Parameter settings: the settings of the interaction in a configuration, without its name.
    /// - Throws: `ConfigurationError` for an unknown name, or with all issues of the settings.
    public static func check(
        interaction name: String, in strategies: Strategies, settings: ConfigurationValue.Map = [:],
        _ options: Options = Options()
    ) throws -> ConformanceReport {
        let interaction = try configured(name, in: strategies.interactions, settings)
        return run(
            Subject("state interaction '\(name)'", Harness.around(interaction: { interaction($1).make($0, $1) })), options)
    }
    /// The report on a registered readout.
    /// - Parameter settings: the settings of the readout in a configuration, without its name.
    /// - Throws: `ConfigurationError` for an unknown name, or with all issues of the settings.
    public static func check(
        readout name: String, in strategies: Strategies, settings: ConfigurationValue.Map = [:], _ options: Options = Options()
    ) throws -> ConformanceReport {
        let readout = try configured(name, in: strategies.readouts, settings)
        return run(Subject("readout '\(name)'", Harness.around(readout: { readout($1).make($0, $1) })), options)
    }
    /// The report on a layer with the configuration of `model`; `states` is replaced by that of the check.
    /// - Throws: `ConfigurationError` with all issues of the configuration.
    public static func check(
        layer settings: ConfigurationValue.Map, in strategies: Strategies, _ options: Options = Options()
    ) throws -> ConformanceReport {
        func plan(_ dimensions: LayerDimensions) -> (NSTMLayer.Configuration, ConfigurationReader) {
            var settings = settings
            settings["states"] = .int(dimensions.states)
            let reader = ConfigurationReader(.map(settings))
            let plan = NSTMLayer.Configuration(reader, width: dimensions.width, heads: dimensions.heads, strategies: strategies)
            reader.finish()
            return (plan, reader)
        }
        for dimensions in Subject.allDimensions { try plan(dimensions).1.throwIfInvalid() }
        return run(Subject("layer", Harness.of { plan($1).0.layer($0, residual: .fanIn) }), options)
    }

    /// The report on an external memory, which a feed-forward controller drives.
    ///
    /// Besides the invariants of a layer, the weights of an `AddressedMemory` are checked to be 0 or more with a sum of at most 1.
    public static func check(
        memory make: @escaping (ParameterBuilder) -> any ExternalMemory, _ options: Options = Options()
    ) -> ConformanceReport {
        run(Subject("memory \(type(of: make(ParameterBuilder(seed: 1))))", Harness.around(memory: make)), options)
    }
    /// The report on a registered memory.
    /// - Parameter settings: the settings of the memory in a configuration, without its name.
    /// - Throws: `ConfigurationError` for an unknown name, and with all issues of the settings.
    public static func check(
        memory name: String, in strategies: MemoryStrategies, settings: ConfigurationValue.Map = [:],
        _ options: Options = Options()
    ) throws -> ConformanceReport {
        let reader = ConfigurationReader(.map(settings))
        let memory = strategies.memories.reading(try strategies.memories.value(name), reader, strategies)
        reader.finish()
        try reader.throwIfInvalid()
        return run(Subject("memory '\(name)'", Harness.around(memory: { memory.make($0) })), options)
    }

    /// The settings of a registered strategy at any of the kit's sizes.
    static func configured<Value>(
        _ name: String, in registry: Registry<Value, LayerDimensions>, _ settings: ConfigurationValue.Map
    ) throws -> (LayerDimensions) -> Value {
        let value = try registry.value(name)
        for dimensions in Subject.allDimensions {
            let reader = ConfigurationReader(.map(settings))
            _ = registry.reading(value, reader, dimensions)
            reader.finish()
            try reader.throwIfInvalid()
        }
        return { registry.reading(value, ConfigurationReader(.map(settings)), $0) }
    }
    private static func kind<Product>(_ make: Make<Product>) -> String {
        "\(type(of: make(ParameterBuilder(seed: 1), Subject.dimensions)))"
    }
    private static func run(_ subject: Subject, _ options: Options) -> ConformanceReport {
        var report = ConformanceReport(subject.name)
        func includes(_ invariants: Invariant...) -> Bool { invariants.contains { !options.excluding.contains($0) } }
        let isCausal = subject.isCausal
        if !isCausal { report.note("the layer is not causal, so that checks of streaming are skipped") }
        if includes(.splits), isCausal { subject.checkSplits(&report) }
        if includes(.causality) { subject.checkCausality(&report) }
        if includes(.gradients) { subject.checkGradients(&report) }
        if includes(.inactivity), isCausal { subject.checkInactivity(&report) }
        if includes(.boundedness, .memory), isCausal { subject.checkStream(&report, tokens: options.tokens) }
        if includes(.checkpoints), isCausal { subject.checkCheckpoints(&report) }
        if includes(.costs) { subject.checkCosts(&report) }
        report.measurements.removeAll { options.excluding.contains($0.invariant) }
        for invariant in Invariant.allCases where options.excluding.contains(invariant) {
            report.note("\(invariant.rawValue) \(invariant.title): excluded")
        }
        return report
    }
}
