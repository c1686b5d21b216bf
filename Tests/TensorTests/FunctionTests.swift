import CNSTMKernels
import Foundation
import NSTMTensor
import Testing

/// One of the further element functions and the same from libm in double.
struct FurtherFunction: Sendable, CustomTestStringConvertible {
    let name: String
    let op: nstm_unary_precise_op
    var p = 0.0
    /// Largest relative error allowed in float64.
    var tolerance = 4e-15
    let reference: @Sendable (Double) -> Double
    var testDescription: String { name }

    private static func mish(_ x: Double) -> Double {
        if x < -800 { return -0.0 }
        let e = exp(min(x, 40)), m = e * (e + 2)
        return x * (m / (m + 2))
    }
    private static func geluTanh(_ x: Double) -> Double {
        // ½x(1 + tanh u) loses the tail on the left.
        x < -60 ? -0.0 : x / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }

    static let all: [FurtherFunction] =
        [
            .init(name: "leakyReLU", op: NSTM_LEAKY_RELU, p: 0.01, reference: { $0 > 0 ? $0 : 0.01 * $0 }),
            .init(name: "elu", op: NSTM_ELU, p: 1.5, reference: { $0 > 0 ? $0 : 1.5 * expm1($0) }),
            .init(
                name: "selu", op: NSTM_SELU,
                reference: { 1.0507009873554805 * ($0 > 0 ? $0 : 1.6732632423543772 * expm1($0)) }),
            // In the tail the exponent is large, and its rounding counts.
            // The exponent reaches 700: its rounding is an error of as many units in the result.
            .init(name: "geluTanh", op: NSTM_GELU_TANH, tolerance: 1e-12, reference: { geluTanh($0) }),
            .init(name: "softsign", op: NSTM_SOFTSIGN, reference: { $0 / (1 + abs($0)) }),
            .init(name: "hardSigmoid", op: NSTM_HARD_SIGMOID, reference: { $0.isNaN ? $0 : min(max(($0 + 3) / 6, 0), 1) }),
            .init(
                name: "hardSwish", op: NSTM_HARD_SWISH,
                reference: { $0.isNaN ? $0 : ($0 <= -3 ? 0 : $0 >= 3 ? $0 : $0 * ($0 + 3) / 6) }),
            .init(name: "mish", op: NSTM_MISH, reference: { mish($0) }),
            .init(name: "erf", op: NSTM_ERF, reference: { erf($0) }),
            .init(name: "erfc", op: NSTM_ERFC, reference: { erfc($0) }),
            .init(name: "exp2", op: NSTM_EXP2, reference: { exp2($0) }),
            .init(name: "expm1", op: NSTM_EXPM1, reference: { expm1($0) }),
            .init(name: "log2", op: NSTM_LOG2, reference: { log2($0) }),
            .init(name: "log10", op: NSTM_LOG10, reference: { log10($0) }),
            .init(name: "log1p", op: NSTM_LOG1P, reference: { log1p($0) }),
            .init(name: "tan", op: NSTM_TAN, reference: { tan($0) }),
            .init(name: "sinh", op: NSTM_SINH, reference: { sinh($0) }),
            .init(name: "cosh", op: NSTM_COSH, reference: { cosh($0) }),
            .init(name: "asin", op: NSTM_ASIN, reference: { asin($0) }),
            .init(name: "acos", op: NSTM_ACOS, reference: { acos($0) }),
            .init(name: "atan", op: NSTM_ATAN, reference: { atan($0) }),
            .init(name: "asinh", op: NSTM_ASINH, reference: { asinh($0) }),
            .init(name: "acosh", op: NSTM_ACOSH, reference: { acosh($0) }),
            .init(name: "atanh", op: NSTM_ATANH, reference: { atanh($0) }),
            .init(name: "floor", op: NSTM_FLOOR, reference: { $0.rounded(.down) }),
            .init(name: "ceil", op: NSTM_CEIL, reference: { $0.rounded(.up) }),
            .init(name: "round", op: NSTM_ROUND, reference: { $0.rounded(.toNearestOrEven) }),
            .init(name: "trunc", op: NSTM_TRUNC, reference: { $0.rounded(.towardZero) }),
            .init(name: "sign", op: NSTM_SIGN, reference: { $0 > 0 ? 1 : ($0 < 0 ? -1 : $0) }),
        ]
        + [2.5, -3, 1.0 / 3, 0, 0.5, 2, -0.5, 7].map { p in
            .init(name: "pow \(p)", op: NSTM_POW, p: p, reference: { pow($0, p) })
        }
}

@Suite struct FunctionTests {
    /// Every binade of both signs, densely where the functions bend, and the special values.
    private static let inputs: [Float] = {
        var x: [Float] = []
        for bits in stride(from: UInt32(0), to: .max - 9001, by: 9001) { x.append(Float(bitPattern: bits)) }
        for i in stride(from: -110.0, to: 110.0, by: 0.0011) { x.append(Float(i)) }
        for i in stride(from: -1.5, to: 1.5, by: 0.00003) { x.append(Float(i)) }
        for i in -9...9 { x += [Float(i) / 2, (Float(i) / 2).nextUp, (Float(i) / 2).nextDown] }
        let tiny = Float.leastNonzeroMagnitude, normal = Float.leastNormalMagnitude, huge = Float.greatestFiniteMagnitude
        return x + [0, -0.0, .infinity, -.infinity, .nan, tiny, -tiny, normal, -normal, huge, -huge]
    }()

    /// Largest distance allowed, in units in the last place of the float32 result.
    private static let tolerance = 0.51

    @Test(arguments: FurtherFunction.all) func float32AgainstLibm(_ f: FurtherFunction) {
        var worst = 0.0, at: Float = 0, wrong: [(Float, Float, Double)] = []
        for (x, y) in zip(Self.inputs, Tensor(Self.inputs).apply(f.op, f.p).elements(Float.self)) {
            let exact = f.reference(Double(x)), rounded = Float(exact)
            if rounded.isNaN || rounded.isInfinite || rounded == 0 {
                // Zeros keep their sign.
                let same = rounded.isNaN ? y.isNaN : (y == rounded && y.sign == rounded.sign)
                if !same { wrong.append((x, y, exact)) }
            } else {
                let error = abs(Double(y) - exact) / Double(rounded.ulp)
                if !(error <= worst) { (worst, at) = (error, x) }
            }
        }
        #expect(wrong.isEmpty, "\(f.name): \(wrong.count) wrong, first \(wrong.prefix(5))")
        #expect(worst <= Self.tolerance, "\(f.name): \(worst) ulp at \(at)")
        if ProcessInfo.processInfo.environment["NSTM_PRINT_ERRORS"] != nil { print("float32 \(f.name): \(worst) ulp at \(at)") }
    }
    @Test(arguments: FurtherFunction.all) func float64AgainstLibm(_ f: FurtherFunction) {
        let x = Self.inputs.map(Double.init)
        for (x, y) in zip(x, Tensor(x).apply(f.op, f.p).elements(Double.self)) {
            let exact = f.reference(x)
            if exact.isNaN ? !y.isNaN : !(y == exact || abs(y - exact) <= f.tolerance * abs(exact)) {
                Issue.record("\(f.name)(\(x)) = \(y), not \(exact)")
                return
            }
        }
    }
    /// Derivatives against central differences of the reference, in both types.
    @Test(arguments: FurtherFunction.all) func derivatives(_ f: FurtherFunction) {
        let grid: [Float] = (0..<2000).map { Float($0) * 0.0131 - 13.0553 }
        let x = grid.filter { (v: Float) -> Bool in abs(v) > 0.02 && abs(abs(v) - 3) > 1e-3 }
        for type in [DType.float32, .float64] {
            let t = Tensor(x).cast(to: type), g = Tensor(repeating: 2, t.shape, dtype: type)
            for (x, d) in zip(x, Tensor.applyBackward(f.op, f.p, dy: g, x: t).doubles()) {
                let h = 1e-5, at = Double(x), derivative: Double = (f.reference(at + h) - f.reference(at - h)) / h
                // Near a pole or a jump there is nothing to compare.
                if !derivative.isFinite || abs(derivative) > 10 || abs(f.reference(at)) > 1e6 { continue }
                if !(abs(d - derivative) <= 3e-6 * max(1, abs(derivative))) {
                    Issue.record("\(f.name) \(type) at \(x): \(d), not \(derivative)")
                    return
                }
            }
        }
    }
    @Test(arguments: FurtherFunction.all) func positionDoesNotMatter(_ f: FurtherFunction) {
        let x = (0..<67).map { Float($0) * 0.37 - 11 }, whole = bits(Tensor(x).apply(f.op, f.p))
        for n in [1, 3, 7, 15, 16, 17, 31, 33] {
            let part = bits(Tensor(Array(x.prefix(n))).apply(f.op, f.p))
            #expect(zip(part, whole).allSatisfy { $0 == $1 || Float(bitPattern: UInt32($0)).isNaN }, "\(f.name) \(n)")
        }
    }

    @Test func powerOfTensors() {
        let values: [Float] = [
            0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, .infinity, -.infinity, .nan, .leastNormalMagnitude / 64, 1e30, -1e30,
        ]
        let base = Tensor(values, [values.count, 1]), exponent = Tensor(values)
        for (i, y) in base.pow(exponent).elements(Float.self).enumerated() {
            let a = Double(values[i / values.count]), b = Double(values[i % values.count])
            let exact = Float(Foundation.pow(a, b))
            #expect(exact.isNaN ? y.isNaN : (y == exact && y.sign == exact.sign), "pow(\(a), \(b)) = \(y), not \(exact)")
        }
        var random = TestRandom(4)
        let x = random.doubles(20_000, 0..<50), e = random.doubles(20_000, -9..<9)
        let y = Tensor(x).cast(to: .float32).pow(Tensor(e).cast(to: .float32)).elements(Float.self)
        for i in 0..<x.count {
            let exact = Foundation.pow(Double(Float(x[i])), Double(Float(e[i])))
            if Float(exact).isNormal { #expect(abs(Double(y[i]) - exact) <= 0.51 * Double(Float(exact).ulp)) }
        }
    }

    @Test func publicNames() {
        let x = Tensor([0.3, 0.7])
        #expect(x.exp().log().doubles().map { ($0 * 1e12).rounded() } == [3e11, 7e11])
        #expect(x.leakyReLU().doubles() == x.doubles() && (-x).leakyReLU(0.5).doubles() == [-0.15, -0.35])
        #expect(x.clamped(min: Tensor([0.4, 0.4]), max: Tensor([0.6])).doubles() == [0.4, 0.6])
    }
}
