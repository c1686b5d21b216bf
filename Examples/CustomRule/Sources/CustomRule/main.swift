// An update rule of one's own, trainable by name:
//
//     swift run -c release custom-nstm train config.yaml --set model.update.rule=leaky-max
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

var registries = Registries.standard
registries.strategies.updates.register("leaky-max") { config, dimensions in
    let leak = config.double("leak", default: 3, in: -10...10)
    return { LeakyMax($0, width: dimensions.width, leak: leak) }
}
NSTMCommand.main(registries)
