import NSTMTensor

/// Result of comparing a gradient with finite differences.
public struct GradientCheck: CustomStringConvertible {
    /// Largest |analytic − numeric| / max(1, |analytic|, |numeric|) over all elements of all inputs.
    public var error = 0.0
    /// Input and element with the largest error.
    public var worst: (input: Int, element: Int, analytic: Double, numeric: Double)?
    /// Number of checked elements.
    public var elements = 0
    public var description: String {
        guard let w = worst else { return "error \(error) over \(elements) elements" }
        return
            "error \(error) over \(elements) elements, worst at input \(w.input) element \(w.element): \(w.analytic) against \(w.numeric)"
    }
}

/// Compares the gradients of a function with central differences, in float64.
///
/// - Parameters:
///   - inputs: float64 tensors at which to check; every element of every input is varied.
///   - step: the difference; 1e-5 balances truncation (∝ step²) and rounding.
///   - body: builds the result; anything but a scalar is summed with fixed, unequal weights, so that no error can cancel.
/// - Returns: the largest error; a correct derivative gives about 1e-9.
public func gradientCheck(
    _ inputs: [Tensor], step: Double = 1e-5, context: (Bool) -> ForwardContext = { ForwardContext(.train, recording: $0) },
    _ body: (ForwardContext, [Variable]) -> Variable
) -> GradientCheck {
    for x in inputs { guard x.dtype == .float64 else { nstmFatal(.dtype(op: "gradientCheck", got: x.dtype, want: "float64")) } }
    func weighted(_ y: Variable) -> Variable {
        let n = y.shape.count
        let w = Tensor((0..<n).map { 0.5 + 0.5 * RandomKey(17).uniform($0) }, y.shape)
        return (y * Variable(w)).sum()
    }
    let c = context(true)
    let variables = inputs.map { c.input($0) }
    let analytic = weighted(body(c, variables)).gradients(of: variables)
    var result = GradientCheck()
    for (i, x) in inputs.enumerated() {
        let gradient = analytic[i]?.elements(Double.self) ?? Array(repeating: 0, count: x.count)
        let values = x.elements(Double.self)
        for e in 0..<x.count {
            func loss(_ delta: Double) -> Double {
                var moved = values
                moved[e] += delta
                let c = context(false)
                // The varied input keeps the layout of the original, so that code for strided tensors is checked.
                return weighted(body(c, inputs.enumerated().map { c.constant($0 == i ? x.replacingElements(moved) : $1) })).value
                    .item()
            }
            let numeric = (loss(step) - loss(-step)) / (2 * step)
            let error = abs(gradient[e] - numeric) / max(1, abs(gradient[e]), abs(numeric))
            result.elements += 1
            // NaN is kept.
            if !(error <= result.error) && !result.error.isNaN {
                result.error = error
                result.worst = (i, e, gradient[e], numeric)
            }
        }
    }
    return result
}
