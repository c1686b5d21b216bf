import NSTMAutograd
import NSTMLayers
import NSTMMemory
import NSTMModules
import NSTMTensor

/// A strategy under test and the layers in which it is checked.
struct Subject {
    let name: String
    let harnesses: [Harness]
    init(_ name: String, _ harnesses: [Harness]) {
        self.name = name
        self.harnesses = harnesses
    }

    var isCausal: Bool { harnesses.allSatisfy { $0.fixture(Subject.smallDimensions, .float32).mixer.isCausal } }

    /// The default dimensions.
    ///
    /// The number of states differs from all other sizes; with `Fixture.flags`, 8 of them are active.
    static let dimensions = LayerDimensions(width: 8, heads: 2, states: 11)
    /// `dimensions` without the inactive states.
    static let activeDimensions = LayerDimensions(width: 8, heads: 2, states: 8)
    /// The dimensions for checks with many passes or tokens.
    static let smallDimensions = LayerDimensions(width: 4, heads: 2, states: 6)
    static let allDimensions = [dimensions, activeDimensions, smallDimensions]
    /// Number of tokens between state interactions.
    static let interval = 4
}

/// A layer of standard parts and the strategy under test.
struct Harness {
    let name: String
    let make: (ParameterBuilder, LayerDimensions) -> any SequenceMixer
    /// Creates the same layer and parameters, with an update rule that runs step by step instead of as a scan.
    var stepwise: ((ParameterBuilder, LayerDimensions) -> any SequenceMixer)?
    /// Creates the same layer with nonzero routing weights only for the states with `isReached`.
    var partial: ((ParameterBuilder, LayerDimensions) -> any SequenceMixer)?
    static func isReached(_ state: Int) -> Bool { state % 3 != 2 }
    /// Whether the layer has inactive states by default.
    let masked: Bool

    func fixture(_ dimensions: LayerDimensions, _ dtype: DType, masked: Bool? = nil, seed: UInt64 = 1) -> Fixture {
        Fixture(make, dimensions, dtype, masked: masked ?? self.masked, seed: seed)
    }

    // MARK: Standard parts

    private typealias Make<Product> = Conformance.Make<Product>
    private static func sparse(_ p: ParameterBuilder, _ dimensions: LayerDimensions) -> any RoutingPolicy {
        TopKRouting(p, width: dimensions.width, states: dimensions.states, k: 2)
    }
    private static func dense(_ p: ParameterBuilder, _ dimensions: LayerDimensions) -> any RoutingPolicy {
        TopKRouting(p, width: dimensions.width, states: dimensions.states, k: nil)
    }
    private static func slots(_ p: ParameterBuilder, _ dimensions: LayerDimensions) -> any StateUpdateRule {
        GatedSlotsRule(p, width: dimensions.width, states: dimensions.states, secondGate: true)
    }
    private static func gru(_ p: ParameterBuilder, _ dimensions: LayerDimensions) -> any StateUpdateRule {
        GRURule(p, width: dimensions.width)
    }
    private static func attention(_ p: ParameterBuilder, _ dimensions: LayerDimensions) -> any StateInteraction {
        StateAttentionInteraction(p, width: dimensions.width, states: dimensions.states, heads: dimensions.heads)
    }
    private static func content(_ p: ParameterBuilder, _ dimensions: LayerDimensions) -> any StateReadout { ContentReadout() }

    /// The plain layer, whose update rule and readout can be fused.
    private static func plain(
        _ routing: @escaping Make<any RoutingPolicy> = sparse, _ update: @escaping Make<any StateUpdateRule> = slots,
        _ interaction: Make<any StateInteraction>? = nil, _ readout: @escaping Make<any StateReadout> = content
    ) -> Make<any SequenceMixer> {
        { parameters, dimensions in
            let parts = NSTMLayer.Parts(
                routing: { routing($0, dimensions) }, update: { update($0, dimensions) },
                interaction: interaction.map { make in { make($0, dimensions) } }, readout: { readout($0, dimensions) })
            return NSTMLayer(
                parameters, width: dimensions.width, heads: dimensions.heads, states: dimensions.states, parts: parts,
                interval: Subject.interval,
                convolutionWidth: 3)
        }
    }
    /// The layer with all optional parts and an update rule that runs step by step.
    private static func rich(
        _ routing: @escaping Make<any RoutingPolicy> = dense, _ update: @escaping Make<any StateUpdateRule> = gru,
        _ interaction: @escaping Make<any StateInteraction> = attention, _ readout: @escaping Make<any StateReadout> = content
    ) -> Make<any SequenceMixer> {
        { parameters, dimensions in
            let parts = NSTMLayer.Parts(
                routing: { routing($0, dimensions) }, update: { update($0, dimensions) },
                interaction: { interaction($0, dimensions) },
                readout: { readout($0, dimensions) })
            return NSTMLayer(
                parameters, width: dimensions.width, heads: dimensions.heads, states: dimensions.states, parts: parts,
                interval: Subject.interval,
                window: 3, convolutionWidth: 3, l0Penalty: 0.1)
        }
    }
    private static func both(
        _ plain: @escaping Make<any SequenceMixer>, _ rich: @escaping Make<any SequenceMixer>
    ) -> [Harness] {
        [
            Harness(name: "plain layer", make: plain, masked: false),
            Harness(name: "layer with interaction, window, L0 gates and inactive states", make: rich, masked: true),
        ]
    }

    // MARK: The strategy under test

    /// - Parameter readout: the readout that the rule is fused with; nil for `ContentReadout`.
    static func around(
        update: @escaping Conformance.Make<any StateUpdateRule>, readout: Conformance.Make<any StateReadout>? = nil
    ) -> [Harness] {
        let stepwise: Make<any StateUpdateRule> = { Stepwise(update($0, $1)) }, read = readout ?? content
        var all = both(plain(sparse, update, nil, read), rich(dense, update, attention, read))
        all[0].stepwise = plain(sparse, stepwise, nil, read)
        all[1].stepwise = rich(dense, stepwise, attention, read)
        all[0].partial = plain({ PartialRouting(dense($0, $1)) }, update, nil, read)
        return all
    }
    /// - Parameter readout: the readout that the policy is used with; nil for `ContentReadout`.
    static func around(
        routing: @escaping Conformance.Make<any RoutingPolicy>, readout: Conformance.Make<any StateReadout>? = nil
    ) -> [Harness] {
        let read = readout ?? content
        return both(plain(routing, slots, nil, read), rich(routing, gru, attention, read))
    }
    static func around(interaction: @escaping Conformance.Make<any StateInteraction>) -> [Harness] {
        both(plain(sparse, slots, interaction), rich(dense, gru, interaction))
    }
    static func around(readout: @escaping Conformance.Make<any StateReadout>) -> [Harness] {
        both(plain(sparse, slots, nil, readout), rich(dense, gru, attention, readout))
    }
    static func around(memory: @escaping (ParameterBuilder) -> any ExternalMemory) -> [Harness] {
        func layer(segment: Int?) -> Conformance.Make<any SequenceMixer> {
            { parameters, dimensions in
                MemoryMixer(
                    parameters, width: dimensions.width, memory: memory(parameters.child("memory")), segment: segment
                ) { MemoryMixer.FeedForwardController($0, inputs: $1, reads: $2, width: dimensions.width) }
            }
        }
        return [
            Harness(name: "layer with the memory", make: layer(segment: nil), masked: false),
            Harness(name: "layer with the memory, recomputed in segments", make: layer(segment: 3), masked: false),
        ]
    }
    static func of(layer: @escaping Conformance.Make<any SequenceMixer>) -> [Harness] {
        [
            Harness(name: "layer", make: layer, masked: false),
            Harness(name: "layer with inactive states", make: layer, masked: true),
        ]
    }
}

/// A policy with weight 0 for some of the states.
private final class PartialRouting: RoutingPolicy {
    let policy: any RoutingPolicy
    init(_ policy: any RoutingPolicy) { self.policy = policy }
    func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext) -> Variable {
        let weights = policy(tokens, activity, position: position, context)
        let reached = (0..<weights.shape[2]).map { Harness.isReached($0) ? 1.0 : 0 }
        return weights * context.constant(Tensor(reached, [reached.count]).cast(to: weights.dtype))
    }
}

/// A wrapper that hides that a rule can run as a scan.
private final class Stepwise: StateUpdateRule {
    let rule: any StateUpdateRule
    init(_ rule: any StateUpdateRule) { self.rule = rule }
    func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        rule.step(states, token, context)
    }
    func view(before: StateBank, after: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        rule.view(before: before, after: after, token, context)
    }
    var initialUsage: Double? { rule.initialUsage }
}
