// An update rule of one's own, trainable by name:
//
//     swift run -c release custom-nstm train config.yaml --set model.update.type=leaky-max
import NSTM
import NSTMCommand

/// A leaky maximum: a state fades, and keeps the strongest of what reaches it, feature by feature.
///
/// `step` is all there is to write; gradients, training, checkpoints and the command line come with the framework. The leak is
/// learned, one number for each feature.
final class LeakyMax: StateUpdateRule {
    private let leak: Parameter

    init(_ parameters: ParameterBuilder, width: Int, leak: Double) {
        self.leak = parameters("leak", [width], .constant(leak))
    }

    func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        let keep = context[leak].sigmoid()
        let weight = token.weights.unsqueezed(axis: 2)
        func mix(_ state: Variable, _ offered: Variable) -> Variable {
            let faded = state * keep
            let maximum = faded + (offered.unsqueezed(axis: 1) - faded).relu()
            return state + weight * (maximum - state)
        }
        var next = states
        next.keys = mix(states.keys, token.key)
        next.values = mix(states.values, token.value)
        return next
    }
}

extension LeakyMax {
    struct Configuration: UpdateRuleConfiguration {
        static let type = "leaky-max"
        static let summary = "a fading maximum of what reaches a state"
        /// Log-odds of what a state keeps from token to token, before training.
        var leak = 3.0

        mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            leak = reader.double("leak", default: leak, in: -10...10)
        }
        func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            LeakyMax(parameters, width: layer.width, leak: leak)
        }
    }
}

var registries = Registries.standard
registries.strategies.updates.register(LeakyMax.Configuration.self)
NSTMCommand.main(registries)
