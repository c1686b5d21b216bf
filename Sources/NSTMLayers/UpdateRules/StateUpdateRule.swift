import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// How one routed token changes the states.
///
/// `step` is the only thing a new rule must write.
///
/// A rule must leave a state with weight 0 exactly as it was, and must keep states bounded.
public protocol StateUpdateRule: AnyObject {
    func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank
    /// The states as the token itself reads them; by default those after its own update.
    func view(before: StateBank, after: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank
    /// Many steps and reads at once, for the readouts that a rule is fused with; nil, the default, for all others, which go step
    /// by step.
    /// - Returns: what the tokens read, [B, T, D], and the states after the last one, as the steps would give them.
    func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
    /// Whether the step of a state looks at that state and the token alone, with weights that all states share; false by default.
    /// Only the states that a token reaches are stepped then, a few of them at the indices of others.
    var stepsStatesAlone: Bool { get }
    /// What `StateBank.usage` begins with for every state; nil, the default, for a rule that counts nothing.
    var initialUsage: Double? { get }
}

extension StateUpdateRule {
    public func view(before: StateBank, after: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank { after }
    public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
    { nil }
    public var stepsStatesAlone: Bool { false }
    public var initialUsage: Double? { nil }
}

/// A rule whose gates depend on tokens only: it gives the update of a whole segment of tokens as one of the families
/// `ConvexUpdate`, `MatrixUpdate` and `SelectiveUpdate`, and has from it `step` and a fused, differentiable scan.
public protocol TokenDrivenUpdateRule: StateUpdateRule {
    /// - Parameters:
    ///   - tokens: features [B, T, D].
    ///   - routing: weights [B, T, N].
    ///   - usage: what was counted before the first token, [B, N]; nil for a rule that counts nothing.
    func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> any UpdateFamily
}

extension TokenDrivenUpdateRule {
    private func update(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> any UpdateFamily {
        update(token.features.unsqueezed(axis: 1), token.weights.unsqueezed(axis: 1), usage: states.usage, context)
    }
    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        update(token, states, context).step(states, token)
    }
    public func view(before: StateBank, after: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        update(token, before, context).view(before: before, after: after, token)
    }
    public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
    {
        update(tokens.features, tokens.weights, usage: states.usage, context).scan(tokens, states, readout, context)
    }
}

// MARK: Configuration

/// The settings of an update rule, which make it.
public protocol UpdateRuleConfiguration: Configurable where Scope == LayerDimensions {
    /// The strategy for a layer, of settings that have been read for this layer or a larger one.
    func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule
    /// The readout of a layer whose configuration names none; `content` by default.
    var defaultReadout: any ReadoutConfiguration { get }
}

extension UpdateRuleConfiguration {
    public var defaultReadout: any ReadoutConfiguration { .content }
}

extension Registry where Value == any UpdateRuleConfiguration, Scope == LayerDimensions {
    public init() { self.init("update rule", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds the settings of a update rule under the name of their type.
    public mutating func register<Settings: UpdateRuleConfiguration>(_ type: Settings.Type) { register(type.init()) }
}
