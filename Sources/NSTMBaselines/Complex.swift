import NSTMAutograd
import NSTMModules
import NSTMTensor

extension ComplexVariable {
    static func * (a: ComplexVariable, b: ComplexVariable) -> ComplexVariable {
        ComplexVariable(
            real: a.real * b.real - a.imaginary * b.imaginary, imaginary: a.real * b.imaginary + a.imaginary * b.real)
    }
    /// e^a and e^a − 1, the latter without cancellation near 0: Re(e^{x+iy} − 1) = (eˣ − 1) cos y − 2 sin²(y/2).
    static func exponential(_ a: ComplexVariable) -> (value: ComplexVariable, minusOne: ComplexVariable) {
        let size = a.real.exp(), cosine = a.imaginary.cos(), imaginary = size * a.imaginary.sin()
        let real = a.real.expm1() * cosine - 2 * (0.5 * a.imaginary).sin().squared()
        return (
            ComplexVariable(real: size * cosine, imaginary: imaginary), ComplexVariable(real: real, imaginary: imaginary)
        )
    }
    /// a / b.
    static func / (a: ComplexVariable, b: ComplexVariable) -> ComplexVariable {
        let square = b.real.squared() + b.imaginary.squared()
        let product = a * ComplexVariable(real: b.real, imaginary: -b.imaginary)
        return ComplexVariable(real: product.real / square, imaginary: product.imaginary / square)
    }
    func reshaped(_ dims: [Int]) -> ComplexVariable {
        ComplexVariable(real: real.reshaped(dims), imaginary: imaginary.reshaped(dims))
    }
}

extension MixerCache {
    /// A complex variable by name, stored as two real ones.
    subscript(complex name: String) -> ComplexVariable? {
        get {
            guard let real = self[name + ".real"], let imaginary = self[name + ".imaginary"] else { return nil }
            return ComplexVariable(real: real, imaginary: imaginary)
        }
        set {
            self[name + ".real"] = newValue?.real
            self[name + ".imaginary"] = newValue?.imaginary
        }
    }
}

/// The output layer of S4D, S5 and LRU, [B, T, width] → [B, T, width]: a ⊙ σ(b) with a, b = GELU(x) W + c.
final class GLUOutput {
    private let map: Linear
    init(_ parameters: ParameterBuilder, width: Int) { map = Linear(parameters, in: width, out: 2 * width) }
    func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable {
        let parts = map(x.gelu(), context).split(axis: 2, into: 2)
        return parts[0] * parts[1].sigmoid()
    }
}

extension GLUOutput {
    func multiplyAdds(_ pass: PassSize) -> Int { map.multiplyAdds(pass) }
}
