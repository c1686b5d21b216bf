import NSTM

/// Seconds of a function of rows of numbers, forward and backward.
func differentiated(_ x: Tensor, _ body: @escaping (Variable) -> Variable) -> Double {
    let ones = Tensor.ones(x.shape)
    return median {
        let context = ForwardContext(.train)
        let v = context.input(x), y = body(v)
        _ = y.gradients(of: [v], seed: y.shape == ones.shape ? ones : nil)
    }
}

/// Element functions, rows and the optimizer: "elementwise NAME ROWSxCOLUMNS".
func elementwise(_ name: String, _ rows: Int, _ columns: Int) -> Double? {
    let x = random([rows, columns], "x")
    switch name {
    case "exp": return differentiated(x) { $0.exp() }
    case "tanh": return differentiated(x) { $0.tanh() }
    case "sigmoid": return differentiated(x) { $0.sigmoid() }
    case "silu": return differentiated(x) { $0.silu() }
    case "gelu": return differentiated(x) { $0.gelu() }
    case "softmax": return differentiated(x) { $0.softmax() }
    case "layernorm", "rmsnorm":
        let builder = ParameterBuilder(seed: 1)
        let ones = Tensor.ones(x.shape), gain = builder("gain", [columns], .ones), bias = builder("bias", [columns], .zeros)
        return median {
            let context = ForwardContext(.train)
            let v = context.input(x)
            let y =
                name == "rmsnorm" ? v.rmsNorm(gain: context[gain]) : v.layerNorm(gain: context[gain], bias: context[bias])
            _ = y.gradients(of: [v], seed: ones)
        }
    case "crossentropy":
        let key = RandomKey(3)
        let targets = Tensor((0..<rows).map { Int32(key.integer($0, below: columns)) }, [rows])
        return differentiated(x) { $0.crossEntropy(targets) }
    case "adamw":
        let builder = ParameterBuilder(seed: 1)
        let weights = builder("weights", [rows, columns], .zeros), context = ForwardContext(.train)
        let gradients = (context[weights] * context.constant(x)).sum().backward()
        let optimizer = ParameterUpdater(AdamW(beta2: 0.99), weightDecay: 0.1)
        return median { optimizer.update(gradients, learningRate: 1e-3) }
    default: return nil
    }
}
