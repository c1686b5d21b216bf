import NSTMAutograd
import NSTMBaselines
import NSTMIO
import NSTMModules
import NSTMTensor
import NSTMTraining
import Testing

/// The same weights give the results of PyTorch's modules (Tests/Golden/make_baselines_golden.py).
@Suite struct PyTorchTests {
    private struct ModelGolden: Decodable {
        let tokens: GoldenTensor, targets: GoldenTensor, logits: GoldenTensor, loss: Double, gradients: [String: GoldenTensor]
    }
    private func shape(width: Int) -> ModelConfiguration {
        var s = ModelConfiguration(input: .tokens(vocabulary: 7), output: .nextToken(vocabulary: 7))
        s.width = width
        s.layers = 2
        s.heads = 2
        s.hidden = 12
        s.positions = 6
        return s
    }
    private func model(_ name: String, _ dtype: DType = .float64) -> any PublishedWeights {
        let builder = ParameterBuilder(seed: 1, dtype: dtype)
        var recurrent = shape(width: 4)
        recurrent.positions = nil
        switch name {
        case "lstm": return LSTM(builder, recurrent)
        case "gru": return GRU(builder, recurrent)
        default: return Transformer(builder, shape(width: 8))
        }
    }

    /// A `state_dict` is read by name; outputs and gradients are PyTorch's.
    @Test(arguments: ["lstm", "gru", "transformer"]) func models(_ name: String) throws {
        let g = try golden("\(name).json", in: .module, as: ModelGolden.self), m = model(name)
        try m.load(SafetensorsFile.read(goldenURL("\(name).safetensors")))
        let context = ForwardContext(.train), logits = m(g.tokens.indices, context)
        #expect(difference(logits.value, g.logits.tensor) <= 1e-10)
        let loss = logits.crossEntropy(g.targets.indices)
        #expect(abs(loss.value.item() - g.loss) <= 1e-10)
        let gradients = loss.backward()
        #expect(gradients.paths.map(m.publishedName).sorted() == g.gradients.keys.sorted())
        for path in gradients.paths {
            #expect(difference(gradients[path]!, try #require(g.gradients[m.publishedName(of: path)]).tensor) <= 1e-10, "\(path)")
        }
    }
    /// In float32 the kernels are others.
    @Test(arguments: ["lstm", "gru", "transformer"]) func modelsInFloat32(_ name: String) throws {
        let g = try golden("\(name).json", in: .module, as: ModelGolden.self), m = model(name, .float32)
        try m.load(SafetensorsFile.read(goldenURL("\(name).safetensors")))
        let logits = m(g.tokens.indices, ForwardContext(.train))
        #expect(difference(logits.value, g.logits.tensor) <= 1e-5)
        let gradients = logits.crossEntropy(g.targets.indices).backward()
        for path in gradients.paths {
            #expect(difference(gradients[path]!, try #require(g.gradients[m.publishedName(of: path)]).tensor) <= 1e-5, "\(path)")
        }
    }
    /// Every tensor that does not match is reported by its name in the file, and the model is unchanged.
    @Test func weightsThatDoNotFit() throws {
        let m = model("lstm"), before = m.parameters.all.map(\.value)
        var file = try SafetensorsFile.read(goldenURL("gru.safetensors"))
        file.tensors.append(("extra", .zeros([2])))
        file.tensors.removeAll { $0.path == "decoder.bias" }
        do {
            try m.load(file)
            Issue.record("must not load")
        } catch {
            let text = "\(error)"
            for name in ["rnn.weight_ih_l0", "rnn.bias_hh_l1", "extra", "decoder.bias"] { #expect(text.contains(name)) }
            #expect(!text.contains("encoder.weight"))
        }
        #expect(zip(m.parameters.all, before).allSatisfy { same($0.value, $1) })
    }
    /// Copies of tied weights and masks are no parameters.
    @Test func redundantTensors() throws {
        let m = model("transformer")
        var file = try SafetensorsFile.read(goldenURL("transformer.safetensors"))
        file.tensors.append(("lm_head.weight", .zeros([7, 8])))
        file.tensors.append(("transformer.h.0.attn.bias", .zeros([1, 1, 6, 6])))
        try m.load(file)
    }

    private struct ModuleGolden: Decodable {
        struct Module: Decodable {
            let x: GoldenTensor, y: GoldenTensor, weights: GoldenTensor, dx: GoldenTensor
            let parameters: [String: GoldenTensor], gradients: [String: GoldenTensor]
        }
        let modules: [String: Module]
    }
    /// Compares a module, with PyTorch's name of each of its parameters.
    private func compare(
        _ name: String, _ store: ParameterStore, _ names: [String: String], _ run: (Variable, ForwardContext) -> Variable
    ) throws {
        let all = try golden("modules.json", in: .module, as: ModuleGolden.self).modules, g = try #require(all[name])
        #expect(names.values.sorted() == g.parameters.keys.sorted())
        for p in store.all {
            let theirs = try #require(names[p.path])
            p.value = try #require(g.parameters[theirs]).tensor
        }
        func pass() -> (ForwardContext, Variable, Variable) {
            let context = ForwardContext(.train), x = context.input(g.x.tensor)
            return (context, x, run(x, context))
        }
        let (_, x, y) = pass(), (_, _, again) = pass()
        #expect(difference(y.value, g.y.tensor) <= 1e-10)
        let dx = (y * Variable(g.weights.tensor)).sum().gradients(of: [x])[0]
        #expect(difference(try #require(dx), g.dx.tensor) <= 1e-10)
        let gradients = (again * Variable(g.weights.tensor)).sum().backward()
        for p in store.all {
            let expected = try #require(g.gradients[names[p.path]!]).tensor
            #expect(difference(try #require(gradients[p]), expected) <= 1e-10, "\(p.path)")
        }
    }
    @Test func modules() throws {
        func builder() -> ParameterBuilder { ParameterBuilder(seed: 1, dtype: .float64) }
        var b = builder()
        let norm = LayerNorm(b, width: 6)
        try compare("layer-norm", b.store, ["gain": "weight", "bias": "bias"]) { norm($0, $1) }
        b = builder()
        let attention = MultiHeadAttention(b, width: 8, heads: 2)
        try compare("attention", b.store, ["projection.weight": "in_proj_weight", "output.weight": "out_proj.weight"]) {
            attention($0, $1)
        }
        b = builder()
        let convolution = Conv1d(b, in: 4, out: 6, kernel: 3, stride: 2, padding: 1, groups: 2)
        try compare("conv1d", b.store, ["weight": "weight", "bias": "bias"]) { convolution($0, $1) }
        b = builder()
        let norm1 = LayerNorm(b.child("norm1"), width: 8, bias: false), norm2 = LayerNorm(b.child("norm2"), width: 8, bias: false)
        let mixer = CausalSelfAttention(b.child("mixer"), width: 8, heads: 2)
        let feedForward = FeedForward(b.child("feedForward"), width: 8, hidden: 12)
        let names = [
            "norm1.gain": "norm1.weight", "norm2.gain": "norm2.weight", "mixer.projection.weight": "self_attn.in_proj_weight",
            "mixer.output.weight": "self_attn.out_proj.weight", "feedForward.up.weight": "linear1.weight",
            "feedForward.down.weight": "linear2.weight",
        ]
        try compare("block", b.store, names) { x, context in
            var none: MixerCache?
            let y = x + mixer(norm1(x, context), &none, context)
            return y + feedForward(norm2(y, context), context)
        }
    }
}
