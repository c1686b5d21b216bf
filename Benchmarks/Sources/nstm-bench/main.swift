// Answers one measurement at a time: reads the name of a row on standard input, runs it, and prints the median seconds of one
// repetition. `compare.py` asks this program and PyTorch in turn, so that both see the same state of the machine.
import Foundation
import NSTM

/// Median seconds of `body`, after warming up, over as many repetitions as fit into about `budget` seconds (at least 7).
func median(budget: Double = 1.5, warmup: Int = 3, inner: Int = 1, _ body: () -> Void) -> Double {
    for _ in 0..<warmup { body() }
    var times: [Double] = []
    let end = Date().addingTimeInterval(budget)
    while times.count < 7 || (Date() < end && times.count < 2000) {
        let start = DispatchTime.now().uptimeNanoseconds
        for _ in 0..<inner { body() }
        times.append(Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9 / Double(inner))
    }
    return times.sorted()[times.count / 2]
}

func random(_ shape: Shape, _ name: String) -> Tensor { .normal(shape, key: RandomKey(1).fold(name)) }

func tokens(_ batch: Int, _ length: Int, _ name: String) -> Tensor {
    let key = RandomKey(2).fold(name)
    return Tensor((0..<batch * length).map { Int32(key.integer($0, below: 65)) }, [batch, length])
}

func model(_ kind: String, positions: Int) -> SequenceModel {
    var shape = ModelConfiguration(input: .tokens(vocabulary: 65), output: .nextToken(vocabulary: 65))
    let builder = ParameterBuilder(seed: 1)
    if kind.hasPrefix("transformer") {
        shape.positions = positions
        if kind == "transformer-10m" { (shape.width, shape.layers, shape.heads, shape.hidden) = (384, 6, 6, 1536) }
        return Transformer(builder, shape)
    }
    if let recurrent = recurrentModel(kind, builder, shape) { return recurrent }
    // "nstm": the Tiny Shakespeare configuration; "nstm-equal": as many parameters as the Transformer; "nstm-gru": the first with a
    // rule that runs token by token.
    shape.hidden = kind == "nstm-equal" ? 416 : 160
    return NSTMModel(builder, shape) { parameters, _, residual in
        NSTMLayer(
            parameters, width: 128, heads: 4, states: 32,
            parts: .init(
                routing: { TopKRouting($0, width: 128, states: 32, k: 4) },
                update: { parameters -> any StateUpdateRule in
                    if kind == "nstm-gru" { return GRURule(parameters, width: 128) }
                    return GatedSlotsRule(parameters, width: 128, states: 32)
                }),
            residual: residual)
    }
}

/// Seconds for one token of a single sequence, fed one at a time.
func streaming(_ kind: String) -> Double {
    let model = model(kind, positions: 4096)
    var state = model.initialState(batch: 1)
    let stream = (0..<65).map { Tensor([Int32($0)], [1, 1]) }
    var i = 0
    return median(budget: 1.5, warmup: 1, inner: 50) {
        if state.position > 2048 { state = model.initialState(batch: 1) }
        _ = model(stream[i % 65], state: &state, ForwardContext(.evaluate))
        i += 1
    }
}

/// Seconds that one small operation costs forward and backward: a chain of 100 on 4 × 4.
func overhead() -> Double {
    let x = random([4, 4], "x"), ones = random([4, 4], "y")
    return median(inner: 10) {
        let context = ForwardContext(.train)
        let start = context.input(x), factor = context.constant(ones)
        var v = start
        for _ in 0..<100 { v = v * factor }
        _ = v.sum().gradients(of: [start])
    } / 100
}

func measure(_ row: String) -> Double? {
    let parts = row.split(separator: " ").map(String.init)
    let sizes = parts.last!.split(separator: "x").compactMap { Int($0) }
    switch parts[0] {
    case "overhead": return overhead()
    case "peak": return peak(parts[1])
    case "product": return product(parts[1], sizes[0], sizes[1], sizes[2])
    case "attention": return attention(sizes[0])
    case "train":
        let step = trainingStep(parts[1], sizes[0], sizes[1])
        return median(budget: 1.5, warmup: 5) { _ = step() }
    case "stream": return streaming(parts[1])
    case "elementwise": return elementwise(parts[1], sizes[0], sizes[1])
    case "scan": return scanRow(parts[1])
    case "external": return memoryNetwork(parts[1], sizes[0], sizes[1], rows: sizes.count > 2 ? sizes[2] : 128)
    default: return convolution(parts[0], sizes)
    }
}

/// `print` would wait in a buffer until the program ends.
func answer(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

let asked = CommandLine.arguments.dropFirst().first.map { MatmulPrecision(rawValue: $0) } ?? .highest
guard let precision = asked else {
    FileHandle.standardError.write(Data("nstm-bench [highest | high]: '\(CommandLine.arguments[1])' is neither\n".utf8))
    exit(64)
}
MatmulPrecision.$current.withValue(precision) {
    while let row = readLine() { answer(memory(row) ?? measure(row).map { "\($0)" } ?? "unknown row '\(row)'") }
}
