import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// An update rule: how one routed token changes the states.
///
/// `step` is the only requirement without a default. A rule must leave a state with weight 0 exactly unchanged, and must keep
/// states bounded.
public protocol StateUpdateRule: AnyObject {
    /// The states after a token. It must be a pure function of its arguments and the parameters.
    /// - Parameters:
    ///   - states: the states before the token; inactive ones are zeros.
    ///   - token: features, query, key and value [B, D] and write weights [B, N].
    func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank
    /// The states as the token itself reads them; by default those after its own update.
    func view(before: StateBank, after: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank
    /// The results of `step` and `view` for one token, for rules that compute something once for both.
    func stepAndView(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> (next: StateBank, seen: StateBank)
    /// All steps and reads of a segment at once, for readouts with which the rule is fused; nil, the default, for others, which
    /// are run step by step.
    /// - Returns: the reads of the tokens, [B, T, D], and the states after the last one, both equal to the results of the steps.
    func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
    /// Whether `step` treats states independently with shared parameters; false by default.
    ///
    /// If true, only the states that a token reaches are stepped, together with padding, so that a state may be at another index.
    var stepsStatesAlone: Bool { get }
    /// Initial `StateBank.usage` of every state; nil, the default, for rules without counts.
    var initialUsage: Double? { get }
}

extension StateUpdateRule {
    public func view(before: StateBank, after: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank { after }
    public func stepAndView(
        _ states: StateBank, _ token: RoutedToken, _ context: ForwardContext
    ) -> (next: StateBank, seen: StateBank) {
        let next = step(states, token, context)
        return (next, view(before: states, after: next, token, context))
    }
    public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
    { nil }
    public var stepsStatesAlone: Bool { false }
    public var initialUsage: Double? { nil }
}

/// A rule whose gates depend only on tokens: it returns the update of a segment of tokens as a value of an `UpdateFamily`, from
/// which `step` and a fused, differentiable scan are derived.
public protocol TokenDrivenUpdateRule: StateUpdateRule {
    /// The family of the updates: `ConvexUpdate`, `ConvexUpdate.Gated`, `MatrixUpdate`, `SelectiveUpdate` or one of its own.
    associatedtype Update: UpdateFamily
    /// The update of a segment of tokens.
    /// - Parameters:
    ///   - tokens: features [B, T, D].
    ///   - routing: write weights [B, T, N].
    ///   - usage: usage counts before the first token, [B, N]; nil for rules without counts.
    func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> Update
}

extension TokenDrivenUpdateRule {
    private func update(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> Update {
        update(token.features.unsqueezed(axis: 1), token.weights.unsqueezed(axis: 1), usage: states.usage, context)
    }
    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        update(token, states, context).step(states, token)
    }
    public func view(before: StateBank, after: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        update(token, before, context).view(before: before, after: after, token)
    }
    public func stepAndView(
        _ states: StateBank, _ token: RoutedToken, _ context: ForwardContext
    ) -> (next: StateBank, seen: StateBank) {
        let update = update(token, states, context), next = update.step(states, token)
        return (next, update.view(before: states, after: next, token))
    }
    public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
    {
        guard Update.canFuse(with: readout, states: states.count) else { return nil }
        return update(tokens.features, tokens.weights, usage: states.usage, context).scan(tokens, states, readout, context)
    }
}

// MARK: Configuration

/// The configuration of an update rule, which creates it.
public protocol UpdateRuleConfiguration: Configurable where Scope == LayerDimensions {
    /// The rule for a layer, whose number of states may be smaller than that of the layer for which the settings were read.
    func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule
    /// The readout of a layer whose configuration names none; `content` by default.
    var defaultReadout: any ReadoutConfiguration { get }
}

extension UpdateRuleConfiguration {
    public var defaultReadout: any ReadoutConfiguration { .content }
}

extension Registry where Value == any UpdateRuleConfiguration, Scope == LayerDimensions {
    public init() { self.init("update rule", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds the settings of an update rule under the name of their type.
    public mutating func register<Settings: UpdateRuleConfiguration>(_ type: Settings.Type) { register(type.init()) }
}
