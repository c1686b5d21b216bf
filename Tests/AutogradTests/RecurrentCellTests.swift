import NSTMAutograd
import NSTMTensor
import Testing

/// Fused cells against the same equations operation by operation.
@Suite struct RecurrentCellTests {
    private static let sizes = [(2, 5, 3), (1, 1, 1), (3, 4, 17), (40, 3, 16), (2, 0, 3), (12, 6, 40)]

    private func lstm(_ x: Variable, _ u: Variable, _ hidden: Variable, _ cell: Variable) -> [Variable] {
        var h = hidden, c = cell, ys: [Variable] = []
        for t in 0..<x.shape[1] {
            let a = (x.slice(axis: 1, t..<t + 1).squeezed(axis: 1) + h.matmul(u, transposeOther: true)).split(axis: 1, into: 4)
            c = a[1].sigmoid() * c + a[0].sigmoid() * a[2].tanh()
            h = a[3].sigmoid() * c.tanh()
            ys.append(h)
        }
        return ys + [h, c]
    }
    private func gru(_ x: Variable, _ u: Variable, _ bias: Variable, _ hidden: Variable) -> [Variable] {
        var h = hidden, ys: [Variable] = []
        for t in 0..<x.shape[1] {
            let a = x.slice(axis: 1, t..<t + 1).squeezed(axis: 1).split(axis: 1, into: 3)
            let p = (h.matmul(u, transposeOther: true) + bias).split(axis: 1, into: 3)
            let r = (a[0] + p[0]).sigmoid(), z = (a[1] + p[1]).sigmoid(), m = (a[2] + r * p[2]).tanh()
            h = (1 - z) * m + z * h
            ys.append(h)
        }
        return ys + [h]
    }
    private func flat(_ parts: [Variable]) -> Variable {
        Variable.concatenate(parts.map { $0.reshaped([$0.shape.count]) }, axis: 0)
    }
    /// Tokens of a scan, one after the other.
    private func tokens(_ y: Variable) -> [Variable] { (0..<y.shape[1]).map { y.slice(axis: 1, $0..<$0 + 1).squeezed(axis: 1) } }

    @Test(arguments: sizes, [DType.float32, .float64]) func lstmIsTheLoop(_ size: (Int, Int, Int), _ type: DType) {
        let (B, T, H) = size, bound = type == .float32 ? 2e-5 : 1e-12
        let inputs = [
            random([B, T, 4 * H], "x", type), random([4 * H, H], "u", type).affine(0.3), random([B, H], "h", type),
            random([B, H], "c", type),
        ]
        let fused = evaluate(inputs) {
            let s = $1[0].lstmScan(recurrent: $1[1], hidden: $1[2], cell: $1[3])
            return flat(tokens(s.output) + [s.hidden, s.cell])
        }
        #expect(difference(fused, evaluate(inputs) { flat(lstm($1[0], $1[1], $1[2], $1[3])) }) <= bound)
        // Without states: zeros.
        let zero = Variable(.zeros([B, H], dtype: type)), x = Variable(inputs[0]), u = Variable(inputs[1])
        let begun = lstm(x, u, zero, zero), scan = x.lstmScan(recurrent: u)
        #expect(difference(scan.hidden.value, begun[T].value) <= bound)
        #expect(difference(scan.cell.value, begun[T + 1].value) <= bound)
    }
    @Test(arguments: sizes, [DType.float32, .float64]) func gruIsTheLoop(_ size: (Int, Int, Int), _ type: DType) {
        let (B, T, H) = size, bound = type == .float32 ? 2e-5 : 1e-12
        let inputs = [
            random([B, T, 3 * H], "x", type), random([3 * H, H], "u", type).affine(0.3), random([3 * H], "b", type),
            random([B, H], "h", type),
        ]
        let fused = evaluate(inputs) {
            let s = $1[0].gruScan(recurrent: $1[1], bias: $1[2], hidden: $1[3])
            return flat(tokens(s.output) + [s.hidden])
        }
        #expect(difference(fused, evaluate(inputs) { flat(gru($1[0], $1[1], $1[2], $1[3])) }) <= bound)
        let x = Variable(inputs[0]), u = Variable(inputs[1]), b = Variable(inputs[2])
        let begun = gru(x, u, b, Variable(.zeros([B, H], dtype: type)))
        #expect(difference(x.gruScan(recurrent: u, bias: b).hidden.value, begun[T].value) <= bound)
    }
    /// Also with gradients of only some outputs, and with inputs that are views.
    @Test func partsOfTheGradient() {
        let inputs = [random([2, 8, 4], "x"), random([8, 2], "u")]
        for pick in 0..<3 {
            let fused = evaluate(inputs) {
                let s = $1[0].transposed().lstmScan(recurrent: $1[1])
                return [s.output, s.hidden, s.cell][pick]
            }
            let loop = evaluate(inputs) {
                let zero = Variable(.zeros([2, 2], dtype: .float64)), all = lstm($1[0].transposed(), $1[1], zero, zero)
                return [Variable.stack(Array(all.dropLast(2)), axis: 1), all[all.count - 2], all[all.count - 1]][pick]
            }
            #expect(difference(fused, loop) <= 1e-12)
        }
    }
    /// Sequences are independent of each other and of their distribution over threads.
    @Test func sequencesAreAlone() {
        let x = random([33, 9, 64], "x", .float32), u = random([64, 16], "u", .float32)
        let all = Variable(x).lstmScan(recurrent: Variable(u)).output.value
        for n in [0, 15, 16, 32] {
            let one = Variable(x.slice(axis: 0, n..<n + 1)).lstmScan(recurrent: Variable(u)).output.value
            #expect(difference(one, all.slice(axis: 0, n..<n + 1)) <= 1e-6)
        }
        #expect(same(all, Variable(x).lstmScan(recurrent: Variable(u)).output.value))
    }
    @Test func wrongShapesStop() async {
        await #expect(processExitsWith: .failure) {
            _ = Variable(.zeros([2, 3, 8])).lstmScan(recurrent: Variable(.zeros([8, 3])))
        }
        await #expect(processExitsWith: .failure) {
            let x = Variable(.zeros([2, 3, 8])), u = Variable(.zeros([8, 2]))
            _ = x.lstmScan(recurrent: u, hidden: Variable(.zeros([2, 2])))
        }
        await #expect(processExitsWith: .failure) {
            let x = Variable(.zeros([2, 3, 6])), u = Variable(.zeros([6, 2]))
            _ = x.gruScan(recurrent: u, bias: Variable(.zeros([6], dtype: .float64)))
        }
    }
}
