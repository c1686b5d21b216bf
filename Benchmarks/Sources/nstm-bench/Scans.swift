// Rows of the scan kernels, forward and backward at 4 sequences of 1024 tokens; `Benchmarks/PyTorch/scans.py` has the other side.
import NSTM

/// Uniform in low ..< 1.
private func gate(_ low: Double, _ shape: Shape, _ name: String) -> Tensor {
    let key = RandomKey(3).fold(name)
    return Tensor((0..<shape.count).map { Float(low + (1 - low) * key.uniform($0)) }, shape)
}

/// Median seconds of a scan and its way back from gradients of ones.
private func scan(_ inputs: [Tensor], _ body: @escaping ([Variable]) -> Variable) -> Double {
    let ones = Tensor.ones(body(inputs.map { Variable($0) }).shape)
    return median {
        let context = ForwardContext(.train)
        let x = inputs.map { context.input($0) }
        _ = body(x).gradients(of: x, seed: ones)
    }
}

func scanRow(_ name: String) -> Double? {
    let B = 4, T = 1024, H = 4, width = 128
    func sequence(_ name: String, _ width: Int) -> Tensor { random([B, T, width], name) }
    let keys = Variable(sequence("k", width).reshaped([B, T, H, width / H])).l2Normalized().value.reshaped([B, T, width])
    switch name {
    case "slots":
        let N = 32
        return scan([
            sequence("qkv", 3 * width), gate(0, [B, T, N], "u"), random([B, N, width], "K"), random([B, N, width], "V"),
        ]) {
            $0[0].gatedSlotScan(write: $0[1], keys: $0[2], values: $0[3], heads: H).output
        }
    case "linear":
        return scan([sequence("q", width), keys, sequence("v", width), gate(0.8, [B, T, H], "a")]) {
            $0[0].matrixStateScan(key: $0[1], value: $0[2], decay: $0[3], heads: H).output
        }
    case "channels":
        return scan([sequence("q", width), keys, sequence("v", width), gate(0.8, [B, T, width], "a")]) {
            $0[0].matrixStateScan(key: $0[1], value: $0[2], decay: $0[3], heads: H).output
        }
    case "delta":
        return scan([sequence("q", width), keys, sequence("v", width), gate(0.8, [B, T, H], "a"), gate(0, [B, T, H], "b")]) {
            $0[0].matrixStateScan(key: $0[1], value: $0[2], decay: $0[3], beta: $0[4], heads: H).output
        }
    case "diagonal":
        return scan([sequence("b", 256), gate(0.5, [B, T, 256], "a")]) { $0[0].diagonalScan(decay: $0[1]).output }
    case "selective":
        let N = 16, a = Tensor((0..<width * N).map { -Float($0 % N + 1) }, [width, N])
        return scan([
            sequence("x", width), gate(0.01, [B, T, width], "delta").affine(0.1), a, sequence("B", N), sequence("C", N),
            random([width], "D"),
        ]) { $0[0].selectiveScan(delta: $0[1], a: $0[2], b: $0[3], c: $0[4], skip: $0[5]).output }
    default: return nil
    }
}
