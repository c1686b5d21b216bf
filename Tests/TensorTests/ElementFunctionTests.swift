import CNSTMKernels
import Foundation
import NSTMTensor
import Testing

/// An element function: the kernel, the same function in double from libm, and how far float32 may be off.
struct ElementFunction: Sendable, CustomTestStringConvertible {
    let name: String
    let op: nstm_unary_fast_op
    let reference: @Sendable (Double) -> Double
    let derivative: @Sendable (Double) -> Double
    /// Largest relative error allowed where the result is a normal number.
    let tolerance: Double
    /// Where the relative error is looked at; outside, values are so small that only |error| < 1e-35 is asked for.
    var low = -Double.infinity
    var high = Double.infinity
    var testDescription: String { name }

    private static func logistic(_ x: Double) -> Double {
        let e = exp(-abs(x))
        return x >= 0 ? 1 / (1 + e) : e / (1 + e)
    }
    private static func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
    private static func normalCDF(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }

    static let all: [ElementFunction] = [
        .init(name: "negate", op: NSTM_NEG, reference: { -$0 }, derivative: { _ in -1 }, tolerance: 0),
        .init(
            name: "absolute", op: NSTM_ABS, reference: { abs($0) }, derivative: { $0 > 0 ? 1 : ($0 < 0 ? -1 : 0) }, tolerance: 0),
        .init(name: "exp", op: NSTM_EXP, reference: { exp($0) }, derivative: { exp($0) }, tolerance: 2e-7, low: -87.3),
        .init(name: "log", op: NSTM_LOG, reference: { log($0) }, derivative: { 1 / $0 }, tolerance: 2e-7),
        .init(name: "sqrt", op: NSTM_SQRT, reference: { sqrt($0) }, derivative: { 0.5 / sqrt($0) }, tolerance: 6e-8),
        .init(
            name: "rsqrt", op: NSTM_RSQRT, reference: { 1 / sqrt($0) }, derivative: { -0.5 / (sqrt($0) * $0) }, tolerance: 1.3e-7),
        .init(name: "square", op: NSTM_SQUARE, reference: { $0 * $0 }, derivative: { 2 * $0 }, tolerance: 6e-8),
        .init(name: "reciprocal", op: NSTM_RECIPROCAL, reference: { 1 / $0 }, derivative: { -1 / ($0 * $0) }, tolerance: 6e-8),
        .init(name: "tanh", op: NSTM_TANH, reference: { tanh($0) }, derivative: { 1 - tanh($0) * tanh($0) }, tolerance: 3e-7),
        .init(
            name: "sigmoid", op: NSTM_SIGMOID, reference: { logistic($0) }, derivative: { logistic($0) * logistic(-$0) },
            tolerance: 3e-7, low: -87.3),
        .init(
            name: "silu", op: NSTM_SILU, reference: { $0 == -.infinity ? .nan : $0 * logistic($0) },
            derivative: { logistic($0) * (1 + $0 * logistic(-$0)) }, tolerance: 4e-7, low: -87.3),
        .init(
            name: "gelu", op: NSTM_GELU, reference: { $0 == -.infinity ? .nan : $0 * normalCDF($0) },
            derivative: { normalCDF($0) + $0 * exp(-0.5 * $0 * $0) / (2 * Double.pi).squareRoot() }, tolerance: 1e-6, low: -12.9),
        .init(name: "relu", op: NSTM_RELU, reference: { $0 < 0 ? 0 : $0 }, derivative: { $0 > 0 ? 1 : 0 }, tolerance: 0),
        .init(
            name: "relu2", op: NSTM_RELU2, reference: { $0 < 0 ? 0 : $0 * $0 }, derivative: { $0 > 0 ? 2 * $0 : 0 },
            tolerance: 6e-8),
        .init(
            name: "softplus", op: NSTM_SOFTPLUS, reference: { softplus($0) }, derivative: { logistic($0) }, tolerance: 3e-7,
            low: -87.3),
        .init(
            name: "logSigmoid", op: NSTM_LOGSIGMOID, reference: { -softplus(-$0) }, derivative: { logistic(-$0) },
            tolerance: 3e-7,
            high: 87.3),
        .init(name: "sin", op: NSTM_SIN, reference: { sin($0) }, derivative: { cos($0) }, tolerance: 2e-7),
        .init(name: "cos", op: NSTM_COS, reference: { cos($0) }, derivative: { -sin($0) }, tolerance: 2e-7),
    ]
}

@Suite struct ElementFunctionTests {
    /// Every binade of both signs, and densely where the functions bend.
    private static let inputs: [Float] = {
        var x: [Float] = []
        for bits in stride(from: UInt32(0), to: .max - 9001, by: 9001) {
            let v = Float(bitPattern: bits)
            if v.isFinite { x.append(v) }
        }
        for i in stride(from: -100.0, to: 100.0, by: 0.0007) { x.append(Float(i)) }
        for i in stride(from: -1.5, to: 1.5, by: 0.00003) { x.append(Float(i)) }
        // Just inside and outside of where float32 overflows.
        for e in [88.6, 88.7, 88.71, 88.72, 88.7228, 88.7229, 88.73, 89] as [Float] { x += [e, -e] }
        return x
    }()
    private static let special: [Float] = [
        0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .leastNormalMagnitude,
        -.leastNormalMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1, -1, Float(1).nextUp, Float(1).nextDown,
    ]

    @Test(arguments: ElementFunction.all) func float32AgainstLibm(_ f: ElementFunction) {
        let x = Self.inputs + Self.special
        let y = Tensor(x).map(f.op).elements(Float.self)
        var worst = 0.0, at: Float = 0, wrong: [(Float, Float, Double)] = []
        for (x, y) in zip(x, y) {
            let exact = f.reference(Double(x))
            if exact.isNaN {
                if !y.isNaN { wrong.append((x, y, exact)) }
            } else if abs(exact) >= 3.4028235e38 {
                // Beyond the largest float: infinity, or at its very edge the largest float.
                if y != (exact < 0 ? -.infinity : .infinity) && abs(Double(y) / exact - 1) > 1e-6 { wrong.append((x, y, exact)) }
            } else if abs(exact) < 1.2e-38 || Double(x) < f.low || Double(x) > f.high {
                if !(abs(Double(y) - exact) < 1e-35) { wrong.append((x, y, exact)) }
            } else {
                let error = abs(Double(y) - exact) / abs(exact)
                if !(error <= worst) { (worst, at) = (error, x) }
            }
        }
        #expect(wrong.isEmpty, "\(f.name): \(wrong.count) wrong, first \(wrong.prefix(5))")
        #expect(worst <= max(f.tolerance, 0), "\(f.name): relative error \(worst) at \(at)")
        if ProcessInfo.processInfo.environment["NSTM_PRINT_ERRORS"] != nil {
            print("float32 \(f.name): largest relative error \(worst) = \(worst / 0x1p-24) half ulp, at \(at)")
        }
    }

    @Test(arguments: ElementFunction.all) func float64AgainstLibm(_ f: ElementFunction) {
        let x = Self.inputs.filter { abs($0) < 600 }.map(Double.init)
        for (x, y) in zip(x, Tensor(x).map(f.op).elements(Double.self)) {
            let exact = f.reference(x)
            if exact.isNaN || !exact.isFinite {
                #expect(y.isNaN == exact.isNaN)
            } else if !(abs(y - exact) <= 4e-15 * (1 + x * x) * abs(exact) + 1e-300) {
                Issue.record("\(f.name)(\(x)) = \(y), not \(exact)")
                return
            }
        }
    }

    /// dy·f'(x), in both types.
    @Test(arguments: ElementFunction.all) func derivatives(_ f: ElementFunction) {
        let x = Self.inputs.filter { abs($0) < 30 && abs($0) > 1e-3 }
        for type in [DType.float32, .float64] {
            let t = Tensor(x).cast(to: type), y = t.map(f.op)
            let g = Tensor(repeating: 2, t.shape, dtype: type)
            let dx = Tensor.mapBackward(f.op, dy: g, x: t, y: y).doubles()
            if f.op == NSTM_SILU || f.op == NSTM_GELU {
                let both = t.mapWithDerivative(f.op)
                #expect(bits(both.y) == bits(y) && (g * both.derivative).doubles() == dx)
            }
            let tolerance = type == .float32 ? 2e-6 : 1e-13
            var worst = 0.0, at: Float = 0
            for (x, d) in zip(x, dx) {
                let exact = 2 * f.derivative(Double(x))
                if exact.isNaN { continue }
                // The derivative of a saturated function is a difference of nearly equal numbers: relative to 1 there.
                let error = abs(d - exact) / max(1, abs(exact))
                if !(error <= worst) { (worst, at) = (error, x) }
            }
            #expect(worst <= tolerance, "\(f.name) \(type): \(worst) at \(at)")
        }
    }

    /// Kernels run over whole vectors and a remainder: the result of an element must not depend on where it lies.
    @Test(arguments: ElementFunction.all) func positionDoesNotMatter(_ f: ElementFunction) {
        let x = (0..<67).map { Float($0) * 0.37 - 11 }
        let whole = bits(Tensor(x).map(f.op))
        for n in [1, 3, 7, 15, 16, 17, 31, 33] {
            #expect(bits(Tensor(Array(x.prefix(n))).map(f.op)) == Array(whole.prefix(n)), "\(f.name) \(n)")
        }
    }

    @Test func mapOfViewsAndEmptyTensors() {
        let v = Viewed([3, 4]).tensor.transposed().slice(axis: 0, 0..<4, step: 2)
        #expect(v.map(NSTM_SQUARE).doubles() == v.doubles().map { $0 * $0 })
        #expect(Tensor.zeros([0, 3]).map(NSTM_EXP).shape == [0, 3])
        #expect(Tensor.scalar(2).map(NSTM_SQUARE).item() == 4)
    }
}

@Suite struct ArithmeticTests {
    private static let operations: [(String, @Sendable (Tensor, Tensor) -> Tensor, @Sendable (Double, Double) -> Double)] = [
        ("+", { $0 + $1 }, { $0 + $1 }), ("-", { $0 - $1 }, { $0 - $1 }), ("*", { $0 * $1 }, { $0 * $1 }),
        ("/", { $0 / $1 }, { $0 / $1 }), ("max", { Tensor.maximum($0, $1) }, { max($0, $1) }),
        ("min", { Tensor.minimum($0, $1) }, { min($0, $1) }),
    ]

    @Test func broadcastingAgainstALoop() {
        for seed in 0..<600 {
            var random = TestRandom(UInt64(seed))
            let rank = random.int(0..<5)
            let target = seed % 5 == 0 ? random.dims(rank: rank) : random.positiveDims(rank: rank)
            func operand() -> Tensor {
                let d = Array(target.map { random.int(0..<3) == 0 ? 1 : $0 }.dropFirst(random.int(0..<3)))
                let order = Array(0..<d.count).shuffled(using: &random)
                var inverse = order
                for (i, a) in order.enumerated() { inverse[a] = i }
                return Tensor(random.doubles(d.reduce(1, *)), Shape(order.map { d[$0] })).permuted(inverse)
            }
            let a = operand(), b = operand(), shape = Shape.broadcast(a.shape, b.shape)!
            let ma = Model(a).broadcast(to: shape.dims).values, mb = Model(b).broadcast(to: shape.dims).values
            let (name, run, scalar) = Self.operations[seed % 6]
            let y = run(a, b)
            #expect(y.shape == shape && y.doubles() == zip(ma, mb).map(scalar), "\(a.shape) \(name) \(b.shape)")
            let y32 = run(a.cast(to: .float32), b.cast(to: .float32))
            #expect(zip(y32.doubles(), y.doubles()).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($1)) || abs($1) > 100 })
        }
    }

    /// Pieces of a larger tensor are read where they lie.
    @Test func piecesOfALargerTensor() {
        var random = TestRandom(12)
        let whole = Tensor(random.doubles(30 * 20 * 24), [30, 20, 24])
        let operands = [
            whole.slice(axis: 2, 8..<16), whole.slice(axis: 1, 4..<5).slice(axis: 2, 0..<8),
            whole.slice(axis: 0, 2..<3).slice(axis: 2, 16..<24),
            whole.slice(axis: 1, 0..<20, step: -1).slice(axis: 2, 1..<9), whole.slice(axis: 2, 0..<24, step: 3),
            whole.slice(axis: 2, 5..<6),
        ]
        for a in operands {
            for b in operands {
                let shape = Shape.broadcast(a.shape, b.shape)!
                let ma = Model(a).broadcast(to: shape.dims).values, mb = Model(b).broadcast(to: shape.dims).values
                for (name, run, scalar) in Self.operations {
                    #expect(run(a, b).doubles() == zip(ma, mb).map(scalar), "\(a.shape) \(name) \(b.shape)")
                }
            }
        }
    }

    /// Longer than a block of work, for each pattern: same shape, scalar, repeated by rows, by columns, mixed.
    @Test(arguments: [
        ([200, 300], [200, 300]), ([200, 300], []), ([], [70_000]), ([200, 300], [300]), ([200, 1], [200, 300]),
        ([40, 1, 50], [40, 30, 50]), ([40, 30, 1], [30, 50]), ([2, 40_000], [2, 1]), ([40_000, 2], [40_000, 1]),
    ])
    func longOperands(da: [Int], db: [Int]) {
        var random = TestRandom(8)
        let a = Tensor(random.doubles(da.reduce(1, *)), Shape(da)), b = Tensor(random.doubles(db.reduce(1, *)), Shape(db))
        let shape = Shape.broadcast(a.shape, b.shape)!
        let ma = Model(a).broadcast(to: shape.dims).values, mb = Model(b).broadcast(to: shape.dims).values
        for (_, run, scalar) in Self.operations {
            #expect(run(a, b).doubles() == zip(ma, mb).map(scalar))
            #expect(run(b, a).doubles() == zip(mb, ma).map(scalar))
        }
    }

    /// A NaN must not disappear in a comparison, whichever operand has it.
    @Test func comparisonsKeepNaN() {
        let nan = Tensor([.nan, 1, .nan] as [Float]), other = Tensor([1, .nan, .nan] as [Float])
        #expect(Tensor.maximum(nan, other).elements(Float.self).allSatisfy { $0.isNaN })
        #expect(Tensor.minimum(nan, other).elements(Float.self).allSatisfy { $0.isNaN })
        #expect(nan.clamped(min: -1, max: 1).elements(Float.self)[0].isNaN)
    }

    @Test func affineAndClamp() {
        var random = TestRandom(2)
        let x = Tensor(random.doubles(70_001, -3..<3)), v = x.doubles()
        #expect(x.affine(2, 1).doubles() == v.map { Double.addProduct(1, 2, $0) })
        #expect((-x).doubles() == v.map { -$0 })
        #expect(x.clamped(min: -1, max: 0.5).doubles() == v.map { min(max($0, -1), 0.5) })
        let g = Tensor.ones(x.shape, dtype: .float64)
        #expect(g.masked(whereClamped: x, -1, 0.5).doubles() == v.map { $0 >= -1 && $0 <= 0.5 ? 1 : 0 })
    }
}

extension Double {
    fileprivate static func addProduct(_ c: Double, _ a: Double, _ b: Double) -> Double { c.addingProduct(a, b) }
}
