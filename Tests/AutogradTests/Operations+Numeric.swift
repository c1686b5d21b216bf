import NSTMAutograd
import NSTMTensor

extension Operation {
    /// Reductions, element functions, contractions, channel norms and losses.
    static let numeric: [Operation] = elementFunctions + reductions + contractions + channelNorms + furtherLosses

    private static let elementFunctions: [Operation] = [
        .init("exp2", elementShapes) { $1[0].exp2() },
        .init("expm1", elementShapes) { $1[0].expm1() },
        .init("log2", elementShapes, in: 0.3..<3) { $1[0].log2() },
        .init("log10", elementShapes, in: 0.3..<3) { $1[0].log10() },
        .init("log1p", elementShapes, in: -0.7..<3) { $1[0].log1p() },
        .init("rsqrt", elementShapes, in: 0.3..<3) { $1[0].rsqrt() },
        .init("tan", elementShapes, in: -1..<1) { $1[0].tan() },
        .init("asin", elementShapes, in: -0.9..<0.9) { $1[0].asin() },
        .init("acos", elementShapes, in: -0.9..<0.9) { $1[0].acos() },
        .init("atan", elementShapes) { $1[0].atan() },
        .init("sinh", elementShapes) { $1[0].sinh() },
        .init("cosh", elementShapes) { $1[0].cosh() },
        .init("asinh", elementShapes) { $1[0].asinh() },
        .init("acosh", elementShapes, in: 1.2..<3) { $1[0].acosh() },
        .init("atanh", elementShapes, in: -0.9..<0.9) { $1[0].atanh() },
        .init("erf", elementShapes) { $1[0].erf() },
        .init("erfc", elementShapes) { $1[0].erfc() },
        .init("squaredReLU", elementShapes) { $1[0].squaredReLU() },
        .init("leakyReLU", elementShapes) { $1[0].leakyReLU(0.1) },
        .init("elu", elementShapes) { $1[0].elu(alpha: 0.7) },
        .init("selu", elementShapes) { $1[0].selu() },
        .init("geluTanh", elementShapes) { $1[0].geluTanh() },
        .init("mish", elementShapes) { $1[0].mish() },
        .init("softsign", elementShapes) { $1[0].softsign() },
        .init("hardSigmoid", elementShapes, in: -4..<4) { $1[0].hardSigmoid() },
        .init("hardSwish", elementShapes, in: -4..<4) { $1[0].hardSwish() },
        .init("pow, number", elementShapes, in: 0.3..<3) { $1[0].pow(-1.7) },
        .init("pow, whole number", elementShapes) { $1[0].pow(3) },
        .init("pow, exponents", pairShapes, in: 0.3..<2) { $1[0].pow($1[1]) },
        .init("maximum of two", pairShapes) { Variable.maximum($1[0], $1[1]) },
        .init("minimum of two", pairShapes) { Variable.minimum($1[0], $1[1]) },
        .init("clamped by variables", [[[3, 4], [4], [1]]]) { $1[0].clamped(min: $1[1] * 0.1 - 0.5, max: $1[2] * 0.1 + 0.5) },
    ]

    private static let axesShapes: [[[Int]]] = [[[2, 3, 4]], [[3, 1, 2]], [[2, 3, 2, 2]], [[2, 0, 3]]]
    /// A reduction over everything, over neighboring axes, over axes apart (which are rearranged), and keeping them.
    ///
    /// Selections have no derivative at ties of repeated elements, and are undefined for an empty axis.
    private static func reduction(
        _ name: String, empty: Bool = true, in range: Range<Double> = -2..<2,
        _ body: @escaping @Sendable (Variable, [Int]?, Bool) -> Variable
    ) -> [Operation] {
        func kept(_ shapes: [[[Int]]]) -> [[[Int]]] { empty ? shapes : shapes.filter { !$0[0].contains(0) } }
        return [
            .init(name, kept(elementShapes), in: range) { body($1[0], nil, false) },
            .init(name + " over the last axis", kept(axesShapes), in: range) { body($1[0], [-1], false) },
            .init(name + " over the first axes", kept(axesShapes), in: range) { body($1[0], [1, 0], true) },
            .init(name + " over axes apart", kept(axesShapes), in: range) { body($1[0], [0, 2], false) },
            .init(name + " over the middle", kept(axesShapes), in: range) { body($1[0], [1], true) },
            .init(name + " over no axis", kept(axesShapes), in: range) { body($1[0], [], false) },
        ]
    }
    private static let reductions: [Operation] =
        reduction("variance, population", empty: false) { $0.variance(axes: $1, correction: 0, keepDims: $2) }
        + [
            .init("variance", axesShapes.prefix(3) + []) { $1[0].variance(axes: [0, 2]) },
            // Away from a standard deviation of 0, where it has no derivative.
            .init("standardDeviation", [[[3, 4]], [[2, 5, 2]]]) { ($1[0] + ramp(like: $1[0])).standardDeviation(axes: [-2]) },
        ]
        + reduction("choice of the maximum", empty: false) { $0.maximum(axes: $1, keepDims: $2) }
        + reduction("choice of the minimum", empty: false) { $0.minimum(axes: $1, keepDims: $2) }
        + reduction("product") { $0.product(axes: $1, keepDims: $2) }
        + reduction("L1 norm") { $0.norm(axes: $1, order: 1, keepDims: $2) }
        + reduction("L2 norm", in: 0.3..<2) { $0.norm(axes: $1, keepDims: $2) }
        + reduction("L3 norm", in: 0.3..<2) { $0.norm(axes: $1, order: 3, keepDims: $2) }
        + reduction("choice of the infinite norm", empty: false) { $0.norm(axes: $1, order: .infinity, keepDims: $2) }
        + reduction("logSumExp", empty: false) { $0.logSumExp(axes: $1, keepDims: $2) }

    private static func ramp(like x: Variable) -> Variable {
        Variable(Tensor((0..<x.shape.count).map { Double($0) }, x.shape).cast(to: x.dtype))
    }

    private static func contraction(_ subscripts: String, _ shapes: [[Int]]...) -> Operation {
        .init("einsum \(subscripts)", shapes) { _, x in
            switch x.count {
            case 1: einsum(subscripts, x[0])
            case 2: einsum(subscripts, x[0], x[1])
            default: einsum(subscripts, x[0], x[1], x[2])
            }
        }
    }
    private static let contractions: [Operation] = [
        contraction("bqd,bkd->bqk", [[2, 3, 4], [2, 5, 4]], [[1, 1, 2], [1, 3, 2]], [[2, 3, 0], [2, 2, 0]]),
        contraction("bthd,bshd->bhts", [[2, 3, 2, 4], [2, 5, 2, 4]]),
        contraction("ij,jk", [[2, 3], [3, 4]], [[0, 3], [3, 2]]),
        contraction("ij,kj,kl->li", [[2, 3], [4, 3], [4, 2]]),
        contraction("ijk,kji->", [[2, 3, 4], [4, 3, 2]]),
        contraction("abcd,dbef->caef", [[2, 3, 2, 4], [4, 3, 2, 2]]),
        contraction("i,j->ij", [[3], [2]]),
        contraction("bi,bi->b", [[2, 3], [2, 3]]),
        contraction("bi,bi->bi", [[2, 3], [2, 3]]),
        contraction("ii", [[3, 3]], [[1, 1]]),
        contraction("ii->i", [[3, 3]]),
        contraction("iij->ji", [[3, 3, 2]]),
        contraction("bii,i->b", [[2, 3, 3], [3]]),
        contraction("ba", [[2, 3]]),
        contraction("...ij,...jk->...ik", [[2, 3, 4], [4, 2]], [[2, 1, 2, 3], [3, 3, 2]]),
        contraction("...i->...", [[2, 3, 4]]),
        contraction("ij,k->i", [[2, 3], [4]]),
        .init("diagonal", [[[3, 4]], [[4, 2, 3]], [[1, 1]], [[0, 3]]]) { $1[0].diagonal(0, -1) },
        .init("diagonal, backwards", [[[3, 4]], [[4, 2, 3]]]) { $1[0].diagonal(-1, 0) },
        .init("trace", [[[2, 3, 3]], [[3, 2]]]) { $1[0].trace() },
        .init("outer", [[[3], [4]], [[1], [0]]]) { .outer($1[0], $1[1]) },
    ]

    private static let channelShapes: [[[Int]]] = [
        [[3, 4, 5], [4], [4]], [[4, 2], [2], [2]], [[2, 4, 2, 3], [4], [4]], [[3, 2, 1], [2], [2]],
    ]
    private static let channelNorms: [Operation] = [
        .init("batchNorm", channelShapes) { $1[0].batchNorm(gain: $1[1], bias: $1[2], epsilon: 1e-2).output },
        .init("batchNorm, plain", channelShapes.map { [$0[0]] }) { $1[0].batchNorm(epsilon: 1e-2).output },
        .init("batchNorm, bias", channelShapes.map { [$0[0], $0[2]] }) { $1[0].batchNorm(bias: $1[1], epsilon: 1e-2).output },
        .init("batchNorm, evaluation", channelShapes + [[[0, 2, 3], [2], [2]]]) { _, x in
            let c = x[0].shape[1], mean = Tensor((0..<c).map { 0.3 * Double($0) - 0.2 })
            return x[0].batchNorm(mean: mean, variance: Tensor((0..<c).map { 0.5 + Double($0) }), gain: x[1], bias: x[2])
        },
        .init("groupNorm", channelShapes) { $1[0].groupNorm(groups: 2, gain: $1[1], bias: $1[2], epsilon: 1e-2) },
        .init("groupNorm, one group", channelShapes.map { [$0[0]] }) { $1[0].groupNorm(groups: 1, epsilon: 1e-2) },
    ]

    private static func targets(_ shape: Shape, _ classes: Int) -> Tensor {
        Tensor((0..<shape.count).map { Int32($0 % 4 == 2 ? -1 : $0 * 7 % classes) }, shape)
    }
    private static func constants(_ shape: Shape, _ range: Range<Double>) -> Tensor {
        var random = TestRandom(13)
        return random.tensor(shape.dims, range)
    }
    private static let furtherLosses: [Operation] = [
        .init("crossEntropy, smoothed", rowShapes) {
            $1[0].crossEntropy(targets($1[0].shape.dropLast(), $1[0].shape[-1]), labelSmoothing: 0.2)
        },
        .init("crossEntropy, classes", rowShapes) {
            let n = $1[0].shape[-1]
            return $1[0].crossEntropy(targets($1[0].shape.dropLast(), n), classWeights: constants([n], 0.3..<2), ignoring: 0)
        },
        .init("crossEntropy, everything", rowShapes) {
            let n = $1[0].shape[-1], lead = $1[0].shape.dropLast()
            return $1[0].crossEntropy(
                targets(lead, n), weights: constants(lead, 0..<2), classWeights: constants([n], 0.3..<2), labelSmoothing: 0.1)
        },
        .init("meanAbsoluteError", elementShapes) { $1[0].meanAbsoluteError(constants($1[0].shape, 3..<4)) },
        .init("huberLoss", elementShapes) { $1[0].huberLoss(constants($1[0].shape, -3..<3), delta: 0.7) },
        .init("klDivergence", rowShapes.map { [$0[0], $0[0]] }) { $1[0].logSoftmax().klDivergence($1[1].logSoftmax()) },
    ]
}
