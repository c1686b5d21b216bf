import Foundation
import NSTMAutograd
import NSTMTensor
import Testing

/// Values made by PyTorch in float64; see `Tests/Golden/make_golden.py`.
@Suite struct GoldenTests {
    struct Array: Decodable {
        let shape: [Int]
        let values: [Double]
        var tensor: Tensor { Tensor(values, Shape(shape)) }
    }
    /// One case: settings and arrays by name.
    struct Case: Decodable {
        private let arrays: [String: Array]
        let settings: [String: Double]
        private struct Key: CodingKey {
            let stringValue: String
            let intValue: Int? = nil
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            settings = try container.decode([String: Double].self, forKey: Key(stringValue: "settings"))
            var all: [String: Array] = [:]
            for key in container.allKeys where key.stringValue != "settings" {
                all[key.stringValue] = try container.decode(Array.self, forKey: key)
            }
            arrays = all
        }
        subscript(_ name: String) -> Tensor { arrays[name]!.tensor }
        func has(_ name: String) -> Bool { arrays[name] != nil }
        /// How many of the inputs x0, x1, … there are.
        var operandCount: Int { (0..<9).prefix { has("x\($0)") }.count }
    }

    func load(_ name: String) throws -> [String: Case] {
        let url = try #require(Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Golden"))
        return try JSONDecoder().decode([String: Case].self, from: Data(contentsOf: url))
    }
    /// Compares value and gradients, and says how far the worst is off.
    func compare(
        _ c: Case, inputs: [String], gradients: [String], _ name: String, _ body: (Case, [Variable]) -> Variable
    ) {
        let context = ForwardContext(.train), x = inputs.map { context.input(c[$0]) }
        let y = body(c, x)
        let seed = gradients.first == "grad" && inputs.first == "x" ? Tensor.ones(y.shape, dtype: .float64) : c["seed"]
        #expect(difference(y.value, c["output"]) < 1e-10, "\(name)")
        for (g, key) in zip(y.gradients(of: x, seed: seed), gradients) {
            #expect(difference(g!, c[key]) < 1e-10, "\(name) \(key)")
        }
    }

    @Test func attention() throws {
        for (name, c) in try load("attention") {
            compare(c, inputs: ["qkv"], gradients: ["grad"], name) { c, x in
                x[0].attention(heads: Int(c.settings["heads"]!), mask: .causal)
            }
        }
    }
    @Test func norms() throws {
        let cases = try load("norms")
        compare(
            cases["layer_norm"]!, inputs: ["x", "gain", "bias"], gradients: ["grad_x", "grad_gain", "grad_bias"], "layer_norm"
        ) {
            $1[0].layerNorm(gain: $1[1], bias: $1[2], epsilon: $0.settings["epsilon"]!)
        }
        compare(cases["rms_norm"]!, inputs: ["x", "gain"], gradients: ["grad_x", "grad_gain"], "rms_norm") {
            $1[0].rmsNorm(gain: $1[1], epsilon: $0.settings["epsilon"]!)
        }
    }
    @Test func crossEntropy() throws {
        compare(try load("cross_entropy")["ignored"]!, inputs: ["x"], gradients: ["grad"], "cross_entropy") {
            $1[0].crossEntropy($0["targets"].cast(to: .int32))
        }
    }
    @Test func activations() throws {
        let functions: [String: (Variable) -> Variable] = [
            "gelu": { $0.gelu() }, "silu": { $0.silu() }, "softplus": { $0.softplus() }, "log_sigmoid": { $0.logSigmoid() },
            "tanh": { $0.tanh() },
        ]
        let cases = try load("activations")
        #expect(Set(cases.keys) == Set(functions.keys))
        for (name, c) in cases { compare(c, inputs: ["x"], gradients: ["grad"], name) { functions[name]!($1[0]) } }
    }
    @Test func convolution() throws {
        compare(
            try load("convolution")["depthwise_silu"]!, inputs: ["x", "weight", "bias"],
            gradients: ["grad_x", "grad_weight", "grad_bias"], "convolution"
        ) { $1[0].causalConvolution($1[1], bias: $1[2], silu: true) }
    }
    private func size(_ c: Case, _ name: String) -> Variable.PlaneSize {
        Variable.PlaneSize(Int(c.settings[name + "_rows"]!), Int(c.settings[name + "_columns"]!))
    }
    @Test func convolutions() throws {
        for (name, c) in try load("convolutions") {
            compare(
                c, inputs: ["x", "weight", "bias"], gradients: ["grad_x", "grad_weight", "grad_bias"], "convolution \(name)"
            ) { c, x in
                let stride = size(c, "stride"), padding = size(c, "padding"), dilation = size(c, "dilation")
                let groups = Int(c.settings["groups"]!)
                return x[0].shape.rank == 3
                    ? x[0].conv1d(
                        x[1], bias: x[2], stride: stride.columns, padding: .symmetric(padding.columns),
                        dilation: dilation.columns, groups: groups)
                    : x[0].conv2d(x[1], bias: x[2], stride: stride, padding: padding, dilation: dilation, groups: groups)
            }
        }
    }
    @Test func pooling() throws {
        for (name, c) in try load("pooling") {
            compare(c, inputs: ["x"], gradients: ["grad_x"], "pooling \(name)") { c, x in
                if name == "adaptive" { return x[0].adaptiveAveragePool2d(size(c, "outputs")) }
                let kernel = size(c, "kernel"), stride = size(c, "stride"), padding = size(c, "padding")
                if name.hasPrefix("max") {
                    let (values, indices) = x[0].maxPool2dWithIndices(kernel, stride: stride, padding: padding)
                    #expect(indices.doubles() == c["indices"].doubles(), "\(name)")
                    return values
                }
                return x[0].averagePool2d(
                    kernel, stride: stride, padding: padding, countsPadding: !name.hasPrefix("average_own"))
            }
        }
    }
}
