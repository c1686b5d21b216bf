import NSTMAutograd
import NSTMModules
import NSTMTensor

/// A gated residual that keeps an interaction bounded and close to the identity at initialization: V ← γ ⊙ V + (1 − γ) ⊙
/// RMSNorm(message), γ = σ(b), b starts at 2.
///
/// Inactive states are unchanged.
final class GatedChange {
    private let outputNorm: RMSNorm
    private let balance: Parameter

    init(_ parameters: ParameterBuilder, width: Int) {
        outputNorm = RMSNorm(parameters.child("outputNorm"), width: width)
        balance = parameters("balance", [width], .constant(2))
    }
    func callAsFunction(_ states: StateBank, message: Variable, _ context: ForwardContext) -> StateBank {
        var change = (1 - context[balance].sigmoid()) * (outputNorm(message, context) - states.values)
        if let mask = states.activity.mask { change = change * context.constant(mask.unsqueezed(axis: mask.rank)) }
        var next = states
        next.values = states.values + change
        return next
    }
}
