import NSTMAutograd
import NSTMTensor
import Testing

extension GoldenTests {
    /// See `Tests/Golden/make_scan_golden.py`.
    @Test func scans() throws {
        let cases = try load("scans")
        func check(_ name: String, _ inputs: [String], _ body: ([Variable]) -> Variable) {
            compare(cases[name]!, inputs: inputs, gradients: inputs.map { "grad_" + $0 }, name) { body($1) }
        }
        func matrix(_ x: [Variable], decay: Variable? = nil, beta: Variable? = nil, bonus: Variable? = nil) -> Variable {
            let s = x[0].matrixStateScan(
                key: x[1], value: x[2], decay: decay, beta: beta, bonus: bonus, state: x[3], heads: 2)
            return Operation.everything(s.output, s.state)
        }
        let base = ["query", "key", "value", "state"]
        check("linear_attention", base) { matrix($0) }
        check("retention", base + ["decay"]) { matrix($0, decay: $0[4]) }
        check("gated_linear_attention", base + ["decay"]) { matrix($0, decay: $0[4]) }
        check("delta", base + ["beta"]) { matrix($0, beta: $0[4]) }
        check("gated_delta", base + ["decay", "beta"]) { matrix($0, decay: $0[4], beta: $0[5]) }
        check("channel_gated_delta", base + ["decay", "beta"]) { matrix($0, decay: $0[4], beta: $0[5]) }
        check("rwkv6", base + ["decay", "bonus"]) { matrix($0, decay: $0[4], bonus: $0[5]) }
        check("diagonal", ["input", "decay", "state"]) {
            let s = $0[0].diagonalScan(decay: $0[1], state: $0[2])
            return Operation.everything(s.output, s.state)
        }
        check("complex_diagonal", ["input", "input_im", "decay", "decay_im", "state", "state_im"]) { x in
            func complex(_ i: Int) -> ComplexVariable { ComplexVariable(real: x[i], imaginary: x[i + 1]) }
            let s = complex(0).diagonalScan(decay: complex(2), state: complex(4))
            return Operation.everything(s.output.real, s.output.imaginary, s.state.real, s.state.imaginary)
        }
        check("selective", ["x", "delta", "a", "b", "c", "skip", "state"]) {
            let s = $0[0].selectiveScan(delta: $0[1], a: $0[2], b: $0[3], c: $0[4], skip: $0[5], state: $0[6])
            return Operation.everything(s.output, s.state)
        }
        check("wkv", ["key", "value", "decay", "bonus"]) {
            Operation.everything($0[0].wkvScan(value: $0[1], decay: $0[2], bonus: $0[3]).output)
        }
        #expect(cases.count == 11)
    }
}
