import NSTMAutograd
import NSTMTensor
import Testing

/// Values made by PyTorch in float64; see `Tests/Golden/make_numeric_golden.py`.
extension GoldenTests {
    /// One input "x" and its gradient.
    private func compareFunctions(_ file: String, _ functions: [String: (Variable) -> Variable]) throws {
        let cases = try load(file)
        #expect(Set(cases.keys) == Set(functions.keys))
        for (name, c) in cases { compare(c, inputs: ["x"], gradients: ["grad_x"], name) { functions[name]!($1[0]) } }
    }

    @Test func functions() throws {
        try compareFunctions(
            "functions",
            [
                "gelu_tanh": { $0.geluTanh() }, "mish": { $0.mish() }, "elu": { $0.elu() }, "selu": { $0.selu() },
                "leaky_relu": { $0.leakyReLU() }, "hardswish": { $0.hardSwish() }, "hardsigmoid": { $0.hardSigmoid() },
                "softsign": { $0.softsign() }, "erf": { $0.erf() }, "round": { $0.round() }, "sign": { $0.sign() },
                "floor": { $0.floor() }, "pow": { $0.pow(-1.3) }, "log1p": { $0.log1p() },
            ])
    }
    @Test func reductions() throws {
        let axes = [0, 2]
        try compareFunctions(
            "reductions",
            [
                "variance": { $0.variance(axes: axes) }, "variance_population": { $0.variance(axes: axes, correction: 0) },
                "deviation": { $0.standardDeviation(axes: axes) }, "maximum": { $0.maximum(axes: axes) },
                "minimum": { $0.minimum(axes: axes) },
                "product": { $0.product(axes: [1]) }, "norm_1": { $0.norm(axes: axes, order: 1) },
                "norm_2": { $0.norm(axes: axes) },
                "norm_3.5": { $0.norm(axes: axes, order: 3.5) }, "norm_infinite": { $0.norm(axes: axes, order: .infinity) },
                "norm_2_of_zeros": { $0.norm(axes: axes) }, "log_sum_exp": { $0.logSumExp(axes: axes) },
            ])
    }
    @Test func contractions() throws {
        for (subscripts, c) in try load("einsum") {
            let n = c.operandCount, names = (0..<n).map { "x\($0)" }
            compare(c, inputs: names, gradients: names.map { "grad_" + $0 }, subscripts) { _, x in
                switch n {
                case 1: einsum(subscripts, x[0])
                case 2: einsum(subscripts, x[0], x[1])
                default: einsum(subscripts, x[0], x[1], x[2])
                }
            }
        }
    }
    @Test func channelNorms() throws {
        for (name, c) in try load("channel_norms") {
            compare(c, inputs: ["x", "gain", "bias"], gradients: ["grad_x", "grad_gain", "grad_bias"], name) { c, x in
                if name.hasPrefix("group") { return x[0].groupNorm(groups: Int(c.settings["groups"]!), gain: x[1], bias: x[2]) }
                if name.hasPrefix("train") { return x[0].batchNorm(gain: x[1], bias: x[2]).output }
                return x[0].batchNorm(mean: c["mean"], variance: c["variance"], gain: x[1], bias: x[2])
            }
        }
    }
    @Test func furtherLosses() throws {
        let cases = try load("losses")
        for name in ["smoothed", "ignoring", "classes", "everything"] {
            compare(cases[name]!, inputs: ["x0"], gradients: ["grad_x0"], name) { c, x in
                x[0].crossEntropy(
                    c["targets"].cast(to: .int32), classWeights: c.has("weights") ? c["weights"] : nil,
                    labelSmoothing: c.settings["smoothing"] ?? 0, ignoring: c.settings["ignoring"].map { Int($0) })
            }
        }
        compare(cases["kl"]!, inputs: ["x0", "x1"], gradients: ["grad_x0", "grad_x1"], "kl") { $1[0].klDivergence($1[1]) }
        compare(cases["binary"]!, inputs: ["x0"], gradients: ["grad_x0"], "binary") { $1[0].binaryCrossEntropy($0["targets"]) }
        compare(cases["l1"]!, inputs: ["x0"], gradients: ["grad_x0"], "l1") { $1[0].meanAbsoluteError($0["targets"]) }
        compare(cases["huber"]!, inputs: ["x0"], gradients: ["grad_x0"], "huber") {
            $1[0].huberLoss($0["targets"], delta: $0.settings["delta"]!)
        }
    }
}
