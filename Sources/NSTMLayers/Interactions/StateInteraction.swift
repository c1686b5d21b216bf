import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Exchange of information among the states of a layer, after every interval of tokens.
public protocol StateInteraction: AnyObject {
    func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank
}

// MARK: Configuration

/// The settings of an interaction among states, which make it.
public protocol InteractionConfiguration: Configurable where Scope == LayerDimensions {
    /// The strategy for a layer, of settings that have been read for this layer or a larger one.
    func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateInteraction
}

extension Registry where Value == any InteractionConfiguration, Scope == LayerDimensions {
    public init() { self.init("state interaction", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds the settings of a state interaction under the name of their type.
    public mutating func register<Settings: InteractionConfiguration>(_ type: Settings.Type) { register(type.init()) }
}
