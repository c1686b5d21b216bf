import NSTM

/// Seconds of forward and backward of a memory network on one batch: "external ntm 16x40", "external dnc 16x40", "external ntm 16x40x65536"
/// with that many rows, "external sparse 16x40x65536".
func memoryNetwork(_ kind: String, _ batch: Int, _ length: Int, rows: Int) -> Double {
    var shape = ModelConfiguration(input: .features(width: 9), output: .perToken(width: 8))
    (shape.width, shape.layers) = (64, 1)
    let model = MemoryNetwork(ParameterBuilder(seed: 1), shape, memory: memory(kind, rows))
    let bits = Tensor.uniform([batch, length, 17], low: 0, high: 1, key: RandomKey(3)).round()
    let x = bits.slice(axis: 2, 0..<9).contiguous(), y = bits.slice(axis: 2, 9..<17).contiguous()
    return median(warmup: 1) {
        let context = ForwardContext(.train)
        _ = model(x, context).binaryCrossEntropy(y).backward()
    }
}
private func memory(_ kind: String, _ rows: Int) -> any ExternalMemoryConfiguration {
    if kind == "sparse" {
        var memory = SparseMemory.Configuration()
        memory.dimensions.rows = rows
        return memory
    }
    var memory = AddressedMemory.Configuration()
    memory.dimensions.rows = rows
    if kind == "dnc" {
        (memory.write, memory.read) = (Addressing.Allocation.Configuration(), Addressing.Temporal.Configuration())
    }
    return memory
}
