import NSTMAutograd
import NSTMModules
import NSTMTensor

/// What keeps an interaction bounded and near the identity at the start: V ← γ ⊙ V + (1 − γ) ⊙ RMSNorm(heard), γ = σ(b), b starts
/// at 2. Inactive states stay as they are.
final class GatedChange {
    private let outputNorm: RMSNorm
    private let balance: Parameter

    init(_ parameters: ParameterBuilder, width: Int) {
        outputNorm = RMSNorm(parameters.child("outputNorm"), width: width)
        balance = parameters("balance", [width], .constant(2))
    }
    func callAsFunction(_ states: StateBank, heard: Variable, _ context: ForwardContext) -> StateBank {
        var change = (1 - context[balance].sigmoid()) * (outputNorm(heard, context) - states.values)
        if let mask = states.activity.mask { change = change * context.constant(mask.expanded(mask.rank)) }
        var next = states
        next.values = states.values + change
        return next
    }
}

/// Gated attention among states: Δ = MHA(norm(V + identity)), V ← γ ⊙ V + (1 − γ) ⊙ RMSNorm(Δ), γ = σ(b).
///
/// b starts at 2, so that the layer starts near the identity; the norm keeps states bounded. Learned identities tell states
/// with equal contents apart (Hutchins et al. 2022, "Block-recurrent transformers"), weakly at the scale at which they start.
public final class GatedStateAttention: StateInteraction {
    private let identity: Parameter
    private let norm: RMSNorm
    private let attention: MultiHeadAttention
    private let change: GatedChange

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, heads: Int) {
        identity = parameters("identity", [states, width], .normal(deviation: 0.02), stateAxis: 0)
        norm = RMSNorm(parameters.child("norm"), width: width)
        attention = MultiHeadAttention(parameters.child("attention"), width: width, heads: heads)
        change = GatedChange(parameters, width: width)
    }
    public func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank {
        let seen = norm(states.values + context[identity], context)
        return change(states, heard: attention(seen, keyBias: states.activity.readBias, context), context)
    }
}
