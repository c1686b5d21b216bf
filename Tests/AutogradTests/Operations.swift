import NSTMAutograd
import NSTMTensor
import Testing

/// A differentiable operation with the input shapes it is checked at.
struct Operation: Sendable, CustomTestStringConvertible {
    let name: String
    /// Alternatives: the shapes of all inputs each; size-1 and empty axes among them.
    let shapes: [[[Int]]]
    /// Inputs are drawn from here.
    let range: Range<Double>
    let body: @Sendable (ForwardContext, [Variable]) -> Variable
    /// Whether it picks elements by their size: between equals it has no derivative.
    var isChoice: Bool { name.hasPrefix("topKGates") || name.hasPrefix("choice") }
    var testDescription: String { name }

    init(
        _ name: String, _ shapes: [[[Int]]], in range: Range<Double> = -2..<2,
        _ body: @escaping @Sendable (ForwardContext, [Variable]) -> Variable
    ) {
        self.name = name
        self.shapes = shapes
        self.range = range
        self.body = body
    }

    func inputs(_ shapes: [[Int]], _ layout: Layout, seed: UInt64 = 1) -> [Tensor] {
        var random = TestRandom(name.utf8.reduce(seed) { $0 &* 31 &+ UInt64($1) })
        return shapes.map { layout.tensor($0) { random.tensor($0, range) } }
    }

    static let elementShapes: [[[Int]]] = [[[3, 4]], [[2, 1, 3]], [[]], [[1]], [[0, 3]]]
    static let pairShapes: [[[Int]]] = [
        [[3, 4], [3, 4]], [[3, 4], [4]], [[3, 1], [1, 4]], [[], [2, 3]], [[2, 3], []], [[2, 1, 3], [4, 1]], [[1, 1], [1]],
        [[0, 3], [1, 3]], [[2, 3, 4], [2, 1, 4]],
    ]

    static let arithmetic: [Operation] = [
        .init("add", pairShapes) { $1[0] + $1[1] },
        .init("subtract", pairShapes) { $1[0] - $1[1] },
        .init("multiply", pairShapes) { $1[0] * $1[1] },
        .init("divide", pairShapes, in: 0.5..<2) { $1[0] / $1[1] },
        .init("square by multiply", elementShapes) { $1[0] * $1[0] },
        .init("affine", elementShapes) { $1[0].affine(-1.7, 0.3) },
        .init("number operators", elementShapes) { ((2 - $1[0]) * 3 + 1 - 0.5) / 4 * 1 + -(0.5 * $1[0]) },
        .init("exp", elementShapes) { $1[0].exp() },
        .init("log", elementShapes, in: 0.3..<3) { $1[0].log() },
        .init("sqrt", elementShapes, in: 0.3..<3) { $1[0].sqrt() },
        .init("reciprocal", elementShapes, in: 0.5..<2) { $1[0].reciprocal() },
        .init("squared", elementShapes) { $1[0].squared() },
        .init("absolute", elementShapes) { $1[0].absolute() },
        .init("tanh", elementShapes) { $1[0].tanh() },
        .init("sigmoid", elementShapes) { $1[0].sigmoid() },
        .init("logSigmoid", elementShapes) { $1[0].logSigmoid() },
        .init("softplus", elementShapes) { $1[0].softplus() },
        .init("silu", elementShapes) { $1[0].silu() },
        .init("gelu", elementShapes) { $1[0].gelu() },
        .init("relu", elementShapes) { $1[0].relu() },
        .init("sin", elementShapes) { $1[0].sin() },
        .init("cos", elementShapes) { $1[0].cos() },
        .init("clamped", elementShapes) { $1[0].clamped(min: -0.6, max: 0.9) },
        .init("dropout", elementShapes) { c, x in x[0].dropout(0.25, c) },
    ]

    static let products: [Operation] =
        [(false, false), (true, false), (false, true), (true, true)].map { ta, tb in
            let base: [(lead: ([Int], [Int]), m: Int, k: Int, n: Int)] = [
                (([], []), 3, 4, 2), (([2], [2]), 2, 3, 2), (([2], []), 2, 3, 2), (([], [2]), 2, 3, 2), (([2, 1], [3]), 2, 2, 3),
                (([2], [1]), 1, 3, 1), (([], []), 1, 1, 1), (([], []), 2, 0, 3), (([], []), 0, 2, 3), (([0], [0]), 2, 2, 2),
            ]
            let shapes = base.map { b in
                [b.lead.0 + (ta ? [b.k, b.m] : [b.m, b.k]), b.lead.1 + (tb ? [b.n, b.k] : [b.k, b.n])]
            }
            return .init("matmul \(ta ? "T" : "N")\(tb ? "T" : "N")", shapes) {
                $1[0].matmul($1[1], transposeSelf: ta, transposeOther: tb)
            }
        }
        + Activation.allCases.flatMap { activation -> [Operation] in
            let shapes: [[[Int]]] = [
                [[5, 3], [4, 3], [4]], [[2, 3, 3], [2, 3], [2]], [[3], [4, 3], [4]], [[1, 1], [1, 1], [1]],
                [[0, 3], [4, 3], [4]],
                [[5, 0], [4, 0], [4]], [[20, 3], [2, 3], [2]],
            ]
            return [
                .init("linear with bias, \(activation)", shapes) { $1[0].linear($1[1], bias: $1[2], activation: activation) },
                .init("linear, \(activation)", shapes.map { [$0[0], $0[1]] }) { $1[0].linear($1[1], activation: activation) },
            ]
        }

    static let shaping: [Operation] = [
        .init("reshaped", [[[2, 6]], [[3, 4, 1]], [[0, 4]]]) { $1[0].reshaped([-1, 2]) },
        .init("transposed", [[[3, 4]], [[2, 3, 1]], [[0, 4]]]) { $1[0].transposed() },
        .init("transposed 0, -1", [[[2, 3, 4]], [[1, 3]]]) { $1[0].transposed(0, -1) },
        .init("permuted", [[[2, 3, 4]], [[1, 3, 1]], [[2, 0, 3]]]) { $1[0].permuted([2, 0, -2]) },
        .init("slice", [[[3, 5]], [[2, 1, 5]], [[0, 5]]]) { $1[0].slice(axis: -1, 1..<4) },
        .init("slice of everything", [[[3, 5]]]) { $1[0].slice(axis: -1, 0..<5) },
        .init("empty slice", [[[3, 5]]]) { $1[0].slice(axis: 1, 2..<2) },
        .init("select", [[[3, 5]], [[2, 3, 1]], [[3, 0]]]) { $1[0].select(axis: -2, 2) },
        .init("split, all pieces used", [[[3, 6]], [[1, 2, 6]], [[0, 6]]]) { _, x in
            let p = x[0].split(axis: -1, [1, 3, 2])
            return Variable.concatenate([p[2] * p[2], p[0], p[1].exp()], axis: -1)
        },
        .init("split, one piece used", [[[3, 6]], [[1, 2, 6]]]) { _, x in x[0].split(axis: -1, [1, 3, 2])[1] },
        .init("split, last piece used", [[[3, 6]], [[1, 2, 6]]]) { _, x in x[0].split(axis: -1, [1, 5, 0])[1] },
        .init("squeezed", [[[3, 1, 2]], [[1, 1, 1]], [[0, 1, 3]]]) { $1[0].squeezed(axis: 1) },
        .init("expanded", [[[3, 2]], [[1]], [[0, 3]]]) { $1[0].unsqueezed(axis: -1) },
        .init("expanded 0", [[[3, 2]], [[1]], [[0, 3]]]) { $1[0].unsqueezed(axis: 0) },
        .init("broadcast", [[[3, 1]], [[1, 4]], [[4]], [[1]], [[]]]) { $1[0].broadcast(to: [2, 3, 4]) },
        .init("concatenate", [[[2, 3], [2, 1], [2, 2]], [[1, 1], [1, 0], [1, 3]]]) { Variable.concatenate($1, axis: -1) },
        .init("concatenate of six", [[[1, 2], [2, 2], [1, 2], [1, 2], [0, 2], [3, 2]]]) { Variable.concatenate($1, axis: 0) },
        .init("concatenate with itself", [[[2, 3]]]) { Variable.concatenate([$1[0], $1[0].exp(), $1[0]], axis: 0) },
        .init("stack", [[[2, 3], [2, 3]], [[1], [1]]]) { Variable.stack($1, axis: -1) },
        .init("stack 0", [[[2, 3], [2, 3]], [[0], [0]]]) { Variable.stack($1, axis: 0) },
        .init("sum", elementShapes) { $1[0].sum() },
        .init("sum over some axes", [[[2, 3, 4]], [[1, 3, 1]], [[2, 0, 3]]]) { $1[0].sum(axes: [0, -1]) },
        .init("sum keeping axes", [[[2, 3, 4]], [[1, 3, 1]], [[2, 0, 3]]]) { $1[0].sum(axes: [1], keepDims: true) },
        .init("mean", elementShapes) { $1[0].mean() },
        .init("mean over some axes", [[[2, 3, 4]], [[1, 3, 1]]]) { $1[0].mean(axes: [0, -1]) },
        .init("rows", [[[4, 3]], [[4, 2, 1]], [[4]]]) { $1[0].rows(Tensor([3, 0, 3, 1, 1, 3] as [Int32], [2, 3])) },
        .init("no rows", [[[4, 3]]]) { $1[0].rows(Tensor([] as [Int32], [0])) },
    ]

    static let rowShapes: [[[Int]]] = [[[3, 5]], [[2, 2, 3]], [[4]], [[3, 1]], [[0, 3]]]
    static let normalization: [Operation] = [
        .init("softmax", rowShapes) { $1[0].softmax() },
        .init("logSoftmax", rowShapes) { $1[0].logSoftmax() },
        .init("layerNorm", rowShapes) { $1[0].layerNorm(gain: nil, epsilon: 1e-3) },
        .init("layerNorm with gain", rowShapes.map { $0 + [[$0[0].last!]] }) { $1[0].layerNorm(gain: $1[1], epsilon: 1e-3) },
        .init("layerNorm with bias", rowShapes.map { $0 + [[$0[0].last!]] }) {
            $1[0].layerNorm(gain: nil, bias: $1[1], epsilon: 1e-3)
        },
        .init("layerNorm with both", rowShapes.map { $0 + [[$0[0].last!], [$0[0].last!]] }) {
            $1[0].layerNorm(gain: $1[1], bias: $1[2], epsilon: 1e-3)
        },
        .init("rmsNorm", rowShapes) { $1[0].rmsNorm(gain: nil) },
        .init("rmsNorm with gain", rowShapes.map { $0 + [[$0[0].last!]] }) { $1[0].rmsNorm(gain: $1[1]) },
        .init("gatedRMSNorm", rowShapes.map { $0 + [[$0[0].last!], $0[0]] }) { $1[0].gatedRMSNorm(gain: $1[1], gate: $1[2]) },
        .init("l2Normalized", rowShapes) { $1[0].l2Normalized(scale: 1.5, epsilon: 1e-4) },
        .init("topKGates", rowShapes) { $1[0].topKGates(2) },
        .init("topKGates, all", rowShapes) { $1[0].topKGates(9) },
        .init("topKGates, none", rowShapes) { $1[0].topKGates(0) },
    ]

    private static func targets(_ dims: Shape, _ classes: Int, ignoring: Bool) -> Tensor {
        var random = TestRandom(7)
        let t = (0..<dims.count).map { i in ignoring && i % 3 == 1 ? Int32(-1) : Int32(random.int(0..<classes)) }
        return Tensor(t, dims)
    }
    static let losses: [Operation] = [
        .init("crossEntropy", rowShapes) {
            $1[0].crossEntropy(targets($1[0].shape.dropLast(), $1[0].shape[-1], ignoring: false))
        },
        .init("crossEntropy, ignored targets", rowShapes) {
            $1[0].crossEntropy(targets($1[0].shape.dropLast(), $1[0].shape[-1], ignoring: true))
        },
        .init("crossEntropy, weights", rowShapes) { _, x in
            var random = TestRandom(3)
            let shape = x[0].shape.dropLast()
            return x[0].crossEntropy(
                targets(shape, x[0].shape[-1], ignoring: true), weights: random.tensor(shape.dims, 0..<2))
        },
        .init("binaryCrossEntropy", elementShapes) { _, x in
            var random = TestRandom(3)
            return x[0].binaryCrossEntropy(random.tensor(x[0].shape.dims, 0..<1))
        },
        .init("binaryCrossEntropy, weights", [[[3, 4]]]) { _, x in
            var random = TestRandom(3)
            return x[0].binaryCrossEntropy(random.tensor([3, 4], 0..<1), weights: random.tensor([4], 0..<2))
        },
        .init("meanSquaredError", elementShapes) { _, x in
            var random = TestRandom(3)
            return x[0].meanSquaredError(random.tensor(x[0].shape.dims))
        },
        .init("meanSquaredError, weights", [[[3, 4]]]) { _, x in
            var random = TestRandom(3)
            return x[0].meanSquaredError(random.tensor([3, 4]), weights: random.tensor([4], 0..<2))
        },
    ]

    static let attention: [Operation] = {
        let shapes: [[[Int]]] = [[[2, 4, 12], [2, 4]], [[1, 1, 6], [1, 1]], [[0, 3, 6], [0, 3]], [[2, 0, 6], [2, 0]]]
        let plain = shapes.map { [$0[0]] }
        return [
            .init("attention", plain) { $1[0].attention(heads: 2, mask: .full) },
            .init("attention, causal", plain) { $1[0].attention(heads: 2, mask: .causal) },
            .init("attention, window", plain) { $1[0].attention(heads: 2, mask: AttentionMask(causal: true, window: 2)) },
            .init("attention, bias", shapes) { $1[0].attention(heads: 1, mask: .causal, keyBias: $1[1]) },
            .init("attention, last queries", shapes) {
                $1[0].attention(heads: 2, mask: .causal, queries: ($1[0].shape[1] + 1) / 2, keyBias: $1[1])
            },
        ]
    }()

    static let convolution: [Operation] = [false, true].flatMap { silu -> [Operation] in
        let shapes: [[[Int]]] = [
            [[2, 6, 3], [4, 3], [3]], [[1, 2, 3], [4, 3], [3]], [[1, 5, 1], [1, 1], [1]], [[2, 3, 2], [3, 2], [2]],
            [[0, 3, 2], [3, 2], [2]],
        ]
        let name = silu ? "causalConvolution, silu" : "causalConvolution"
        return [
            .init(name + ", bias", shapes) { $1[0].causalConvolution($1[1], bias: $1[2], silu: silu) },
            .init(name, shapes.map { Array($0.prefix(2)) }) { $1[0].causalConvolution($1[1], silu: silu) },
            .init(name + ", history", shapes.map { Array($0.prefix(2)) }) {
                $1[0].causalConvolution($1[1], silu: silu, history: min($1[0].shape[1], $1[1].shape[0] - 1))
            },
            .init(name + ", short history", shapes) { $1[0].causalConvolution($1[1], bias: $1[2], silu: silu, history: 1) },
        ]
    }

    static let slots: [Operation] = {
        // qkv, write, keys, values, bias; write weights are sigmoids, so that they are in 0 ... 1.
        let shapes: [[[Int]]] = [
            [[2, 3, 12], [2, 3, 3], [2, 3, 4], [2, 3, 4], [2, 3]], [[1, 1, 6], [1, 1, 1], [1, 1, 2], [1, 1, 2], [1, 1]],
            [[2, 0, 6], [2, 0, 2], [2, 2, 2], [2, 2, 2], [2, 2]],
        ]
        let reads: [[[Int]]] = [
            [[2, 3, 4], [2, 3, 4], [2, 3, 4], [2, 3]], [[1, 1, 2], [1, 1, 2], [1, 1, 2], [1, 1]],
            [[2, 0, 2], [2, 2, 2], [2, 2, 2], [2, 2]],
        ]
        @Sendable func scan(_ x: [Variable], bias: Bool = true) -> (
            output: Variable, keys: Variable, values: Variable, readWeights: Tensor
        ) {
            x[0].gatedSlotScan(write: x[1].sigmoid(), keys: x[2], values: x[3], bias: bias ? x[4] : nil, heads: 2, chunk: 2)
        }
        return [
            .init("gatedSlotScan, output", shapes) { scan($1).output },
            .init("gatedSlotScan, no bias", shapes.map { Array($0.prefix(4)) }) { scan($1, bias: false).output },
            .init("gatedSlotScan, keys", shapes) { scan($1).keys },
            .init("gatedSlotScan, values", shapes) { scan($1).values },
            .init("gatedSlotScan, everything", shapes) { _, x in
                let s = scan(x)
                return Variable.concatenate([s.output, s.keys, s.values], axis: 1)
            },
            .init("gatedSlotScan, shared states", shapes.map { [$0[0], $0[1]] + $0[2...3].map { Array($0.dropFirst()) } }) {
                scan($1, bias: false).output
            },
            .init("slotRead", reads) { $1[0].slotRead(keys: $1[1], values: $1[2], bias: $1[3], heads: 2).output },
            .init("slotRead, twice", reads.map { Array($0.prefix(3)) }) {
                // The second read adds to the gradients of the first.
                let once = $1[0].slotRead(keys: $1[1], values: $1[2], heads: 2).output
                return once.slotRead(keys: $1[1], values: $1[2], heads: 2).output
            },
        ]
    }()
    static let batchRows: [Operation] = [
        .init("batchRows", [[[2, 3, 4]], [[2, 3]], [[2, 3, 0]]]) {
            $1[0].batchRows(indices) + $1[0].batchRows(indices).squared()
        },
        .init("replacingBatchRows", [[[2, 3, 4], [2, 2, 4]], [[2, 3], [2, 2]], [[2, 3, 0], [2, 2, 0]]]) {
            $1[0].replacingBatchRows(indices, with: $1[1]) * $1[0]
        },
    ]
    private static let indices = Tensor([2, 0, 1, 2] as [Int32], [2, 2])

    static let all =
        arithmetic + products + shaping + normalization + losses + attention + convolution + slots + batchRows + indexing
        + numeric
        + recurrences + memory
        + convolutions + pooling + longConvolution
}

@Suite struct OperationTests {
    /// Every operation at every shape in every layout against central differences, in float64.
    @Test(arguments: Operation.all) func gradientsAgainstDifferences(_ operation: Operation) {
        for shapes in operation.shapes {
            // Repeated elements are ties, at which a choice of the largest has no derivative.
            for layout in Layout.allCases where !(layout == .broadcast && operation.isChoice) {
                let inputs = operation.inputs(shapes, layout)
                let check = gradientCheck(inputs, context: { ForwardContext(.train, key: RandomKey(3), recording: $0) }) {
                    operation.body($0, $1)
                }
                #expect(check.error < 1e-7, "\(operation.name) \(shapes) \(layout): \(check)")
                #expect(check.elements == inputs.reduce(0) { $0 + $1.count })
            }
        }
    }

    /// Values and gradients do not depend on the layout of the inputs (but for the order of sums in a product).
    @Test(arguments: Operation.all) func layoutDoesNotMatter(_ operation: Operation) {
        for shapes in operation.shapes {
            for layout in Layout.allCases where layout != .contiguous {
                let inputs = operation.inputs(shapes, layout)
                let strided = evaluate(inputs) { operation.body($0, $1) }
                let dense = evaluate(inputs.map { Tensor($0.doubles(), $0.shape) }) { operation.body($0, $1) }
                #expect(difference(strided, dense) < 1e-13, "\(operation.name) \(shapes) \(layout)")
            }
        }
    }

    /// float32 against float64: what is trained against what is checked.
    @Test(arguments: Operation.all) func float32AgainstFloat64(_ operation: Operation) {
        for shapes in operation.shapes {
            for layout in [Layout.contiguous, .transposed] {
                // Numbers that float32 holds exactly, so that both types start from the same point.
                let inputs = operation.inputs(shapes, layout, seed: 5).map { $0.cast(to: .float32) }
                let single = evaluate(inputs) { operation.body($0, $1) }
                let double = evaluate(inputs.map { $0.cast(to: .float64) }) { operation.body($0, $1) }
                #expect(single.value.dtype == .float32)
                for g in single.gradients { #expect(g.dtype == .float32) }
                #expect(difference(single, double) < 2e-5, "\(operation.name) \(shapes) \(layout)")
            }
        }
    }

    /// Nothing keeps a tape alive: neither its own closures nor a gradient.
    @Test(arguments: Operation.all) func tapesAreFreed(_ operation: Operation) {
        weak var tape: Tape?
        do {
            let c = ForwardContext(.train, key: RandomKey(3))
            tape = c.tape
            let variables = operation.inputs(operation.shapes[0], .contiguous).map { c.input($0) }
            let y = operation.body(c, variables)
            #expect(tape != nil && (y.isRecorded || y.shape.isEmpty))
        }
        #expect(tape == nil, "\(operation.name)")
    }

    /// Without a tape, or with one that does not record, values are the same and no operation is recorded.
    @Test(arguments: Operation.all) func constantsRecordNothing(_ operation: Operation) {
        let inputs = operation.inputs(operation.shapes[0], .contiguous)
        let recorded = evaluate(inputs) { operation.body($0, $1) }.value
        let train = ForwardContext(.train, key: RandomKey(3))
        let silent = ForwardContext(.train, key: RandomKey(3), recording: false)
        let a = operation.body(train, inputs.map { Variable($0) })
        let b = operation.body(train, inputs.map { train.constant($0) })
        let c = operation.body(silent, inputs.map { silent.input($0) })
        #expect(train.tape.count == 0 && silent.tape.count == 0)
        for y in [a, b, c] { #expect(!y.isRecorded && bits(y.value) == bits(recorded)) }
        #expect(a.gradients(of: [a])[0] == nil)
    }
}
