import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// An exchange of information among the states of a layer, run at multiples of an interval of tokens.
public protocol StateInteraction: AnyObject {
    /// The states after an interaction. Inactive states must have no influence and must not be changed.
    func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank
}

// MARK: Configuration

/// The configuration of an interaction among states, which creates it.
public protocol InteractionConfiguration: Configurable where Scope == LayerDimensions {
    /// The interaction for a layer, whose number of states may be smaller than that of the layer for which the settings were
    /// read.
    func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateInteraction
}

extension Registry where Value == any InteractionConfiguration, Scope == LayerDimensions {
    public init() { self.init("state interaction", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds the settings of a state interaction under the name of their type.
    public mutating func register<Settings: InteractionConfiguration>(_ type: Settings.Type) { register(type.init()) }
}
