import Foundation
import NSTM

/// One training step, ready to be taken: forward, backward, clipping by norm, AdamW. Returns the number of recorded operations.
func trainingStep(_ kind: String, _ batch: Int, _ length: Int) -> () -> Int {
    let model = model(kind, positions: length)
    let optimizer = ParameterUpdater(AdamW(beta2: 0.99), weightDecay: 0.1)
    let x = tokens(batch, length, "inputs"), y = tokens(batch, length, "targets")
    return {
        let context = ForwardContext(.train), loss = model(x, context).crossEntropy(y), operations = context.tape.count
        let gradients = loss.backward()
        let norm = gradients.globalNorm
        optimizer.update(gradients, learningRate: 1e-3, scale: norm > 1 ? 1 / norm : 1)
        return operations
    }
}

/// Baselines with the sizes that `model.type` has by default; `Benchmarks/PyTorch/recurrent.py` has the other side.
func recurrentModel(_ kind: String, _ builder: ParameterBuilder, _ shape: ModelConfiguration) -> SequenceModel? {
    var shape = shape
    switch kind {
    case "lstm", "gru":
        shape.layers = 2
        return kind == "lstm" ? LSTM(builder, shape) : GRU(builder, shape)
    case "mamba": return Mamba(builder, shape)
    case "s4d": return S4D(builder, shape)
    default: return nil
    }
}

/// A number of kilobytes from what the system says of this process.
private func status(_ field: String) -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(field) } ?? ""
    return line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0
}

/// "memory train …": the largest resident size after five steps and that before the model was built, in kilobytes. "mallocs train …":
/// calls of malloc in a step in steady state, with `mallocs.c` loaded, and operations recorded.
func memory(_ row: String) -> String? {
    let parts = row.split(separator: " ").map(String.init)
    guard ["memory", "mallocs"].contains(parts[0]), parts.count == 4 else { return nil }
    let sizes = parts[3].split(separator: "x").compactMap { Int($0) }
    let before = status("VmRSS"), step = trainingStep(parts[2], sizes[0], sizes[1])
    for _ in 0..<5 { _ = step() }
    if parts[0] == "memory" { return "\(status("VmHWM")) \(before)" }
    guard let found = dlsym(nil, "nstm_malloc_calls") else { return "mallocs.c is not loaded" }
    let calls = unsafeBitCast(found, to: (@convention(c) () -> Int).self)
    let start = calls()
    var operations = 0
    for _ in 0..<10 { operations += step() }
    return "\(Double(calls() - start) / 10) \(operations / 10)"
}
