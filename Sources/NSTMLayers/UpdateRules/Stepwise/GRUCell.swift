import NSTMAutograd
import NSTMModules
import NSTMTensor

/// The change of h by a gated recurrent unit (Cho et al., 2014): z ⊙ (tanh(a₃ + r ⊙ b₃) − h), r = σ(a₁ + b₁), z = σ(a₂ + b₂).
/// - Parameters:
///   - state: h [..., D].
///   - input: a = W x + c, [..., 3·D]: reset, update, candidate.
///   - recurrent: b = U h + d, [..., 3·D], in the same order.
func gatedRecurrentChange(_ state: Variable, input: Variable, recurrent: Variable) -> Variable {
    let axis = state.shape.rank - 1, a = input.split(axis: axis, into: 3), b = recurrent.split(axis: axis, into: 3)
    let reset = (a[0] + b[0]).sigmoid(), update = (a[1] + b[1]).sigmoid()
    return update * ((a[2] + reset * b[2]).tanh() - state)
}
