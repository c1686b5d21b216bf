import NSTMAutograd
import NSTMTensor
import Testing

@Suite struct SlotTests {
    private let B = 2, T = 5, N = 6, D = 8, H = 2
    private func input(_ shape: Shape, _ name: String, _ type: DType) -> Tensor { random(shape, name, type) }

    /// The read alone is bit-identical to a scan without writes, −∞ in the bias included; queries may be columns of a wider
    /// tensor.
    @Test(arguments: [DType.float32, .float64]) func readIsAScanThatWritesNothing(_ type: DType) {
        let qkv = input([B, T, 3 * D], "qkv", type), keys = input([B, N, D], "keys", type),
            values = input([B, N, D], "values", type)
        let bias = Tensor([0, -0.3, -.infinity, 1, 0, 0, 0, 0, 0, -.infinity, -.infinity, 2], [B, N]).cast(to: type)
        func run(_ body: ([Variable]) -> (Variable, Tensor)) -> [Tensor] {
            let context = ForwardContext(.train), v = [qkv, keys, values, bias].map { context.input($0) }, (o, p) = body(v)
            return [o.value, p] + (o * context.constant(input([B, T, D], "loss", type))).sum().gradients(of: v).compactMap { $0 }
        }
        let scan = run { v in
            let s = v[0].gatedSlotScan(
                write: Variable(.zeros([B, T, N], dtype: type)), keys: v[1], values: v[2], bias: v[3], heads: H)
            return (s.output, s.readWeights)
        }
        let read = run { v in
            let r = v[0].split(axis: 2, into: 3)[0].slotRead(keys: v[1], values: v[2], bias: v[3], heads: H)
            return (r.output, r.weights)
        }
        #expect(scan.count == 6 && read.count == 6)
        for (a, b) in zip(scan, read) { #expect(bits(a) == bits(b)) }
    }

    /// Token by token without a backward pass, where heads work in place, is bit-identical to all tokens at once with one.
    @Test(arguments: [DType.float32, .float64], [false, true]) func tokensAloneAreTheScan(_ type: DType, gated: Bool) {
        let qkv = input([B, T, 3 * D], "qkv", type), write = input([B, T, N], "write", type).map { max(0, min(1, $0)) }
        let gate = gated ? input([B, T, D], "gate", type).map { max(0, min(1, $0)) } : nil
        let keys = input([B, N, D], "keys", type), values = input([B, N, D], "values", type)
        let context = ForwardContext(.train)
        let whole = context.input(qkv).gatedSlotScan(
            write: Variable(write), gate: gate.map { Variable($0) }, keys: Variable(keys), values: Variable(values), heads: H,
            keyLength: 2)
        let pass = ForwardContext(.evaluate)
        var k = pass.constant(keys), v = pass.constant(values)
        for t in 0..<T {
            func token(_ x: Tensor) -> Variable { pass.constant(x.slice(axis: 1, t..<t + 1)) }
            let one = token(qkv).gatedSlotScan(
                write: token(write), gate: gate.map { token($0) }, keys: k, values: v, heads: H, keyLength: 2)
            (k, v) = (one.keys, one.values)
            #expect(bits(one.output.value) == bits(whole.output.value.slice(axis: 1, t..<t + 1).contiguous()))
            #expect(bits(one.readWeights) == bits(whole.readWeights.slice(axis: 2, t..<t + 1).contiguous()))
        }
        #expect(bits(k.value) == bits(whole.keys.value) && bits(v.value) == bits(whole.values.value))
        // The inputs are unchanged.
        #expect(bits(keys) == bits(input([B, N, D], "keys", type)) && bits(values) == bits(input([B, N, D], "values", type)))
    }
}

extension Tensor {
    fileprivate func map(_ f: (Double) -> Double) -> Tensor { Tensor(doubles().map(f), shape).cast(to: dtype) }
}
