import NSTMAutograd
import NSTMTensor
@_exported import TestSupport

/// Unequal weights, so that no error can cancel in a sum.
func seed(_ shape: Shape, _ type: DType) -> Tensor {
    var random = TestRandom(99)
    return random.tensor(shape.dims, 0.4..<1.4).cast(to: type)
}

struct Evaluation {
    let value: Tensor
    let gradients: [Tensor]
}

/// Value of a function, and its gradients weighted by `seed`.
func evaluate(_ inputs: [Tensor], _ body: (ForwardContext, [Variable]) -> Variable) -> Evaluation {
    let c = ForwardContext(.train, key: RandomKey(3))
    let variables = inputs.map { c.input($0) }
    let y = body(c, variables)
    let gradients = y.gradients(of: variables, seed: seed(y.shape, y.dtype))
    return Evaluation(value: y.value, gradients: zip(gradients, inputs).map { $0 ?? .zeros($1.shape, dtype: $1.dtype) })
}

/// The larger of the differences of values and of each gradient.
func difference(_ a: Evaluation, _ b: Evaluation) -> Double {
    zip(a.gradients, b.gradients).reduce(difference(a.value, b.value)) { max($0, difference($1.0, $1.1)) }
}
