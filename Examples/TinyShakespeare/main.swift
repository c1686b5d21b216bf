import Foundation
import NSTM
import NSTMTensor

let kind = CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : "transformer"
let steps = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2])! : 2000
func opt(_ n: String, _ d: Double) -> Double {
    for a in CommandLine.arguments { if a.hasPrefix(n + "=") { return Double(a.dropFirst(n.count + 1))! } }
    return d
}
let data = try TextDataset(contentsOf: URL(fileURLWithPath: "/work/shared/data/tinyshakespeare/input.txt"), context: 64)
var shape = ModelShape(input: .tokens(vocabulary: 65), output: .nextToken(vocabulary: 65))
let builder = ParameterBuilder(seed: UInt64(opt("seed", 1)))
let model: SequenceModel
if kind == "transformer" {
    shape.positions = 64
    model = Transformer(builder, shape)
} else {
    shape.hidden = Int(opt("h", 416))
    let k = Int(opt("k", 4)), n = Int(opt("n", 32))
    model = NSTMModel(builder, shape) { p, i, residual in
        NSTMLayer(
            p, width: 128, heads: 4, states: n,
            parts: .init(
                routing: { TopKRouting($0, width: 128, states: n, k: k) },
                update: { GatedSlots($0, width: 128, states: n, slowness: opt("c", 1)) }),
            window: opt("w", 0) > 0 ? Int(opt("w", 0)) : nil, residual: residual)
    }
}
print("parameters", model.parameters.trainableCount)
let optimizer = Optimizer(.adamW(beta1: 0.9, beta2: 0.99), decay: 0.1)
let schedule = Schedule(.cosine, peak: opt("lr", 1e-3), final: 1e-4, warmup: 100, steps: steps)
@MainActor func validate() -> Double {
    var total = 0.0, n = 0.0
    for b in data.evaluationBatches(size: 32, limit: nil) {
        let c = ForwardContext(.evaluate)
        total += model(b.inputs, c).crossEntropy(b.targets).value.item() * Double(b.tokenCount)
        n += Double(b.tokenCount)
    }
    return total / n
}
var t0 = Date(), tokens = 0
for step in 0..<steps {
    let b = data.trainingBatch(step: step, size: 12, key: RandomKey(7))
    let c = ForwardContext(.train, key: RandomKey(1).fold(step))
    let loss = model(b.inputs, c).crossEntropy(b.targets)
    let g = loss.backward()
    let norm = g.globalNorm
    optimizer.update(g, rate: schedule.rate(step), scale: norm > 1 ? 1 / norm : 1)
    tokens += 768
    if step % 100 == 99 {
        let dt = Date().timeIntervalSince(t0)
        print(step + 1, loss.value.item(), "norm", norm, Int(Double(tokens) / dt), "tokens/s", MemoryUse.current)
        if step % 500 == 499 { print("val", validate()) }
        t0 = Date()
        tokens = 0
    }
}
