import NSTMAutograd
import NSTMConfiguration
import NSTMMemory
import NSTMModules
import NSTMTensor
import TestSupport
import Testing

/// Rows that are changed in place against the same memory with dense rows.
@Suite struct SparseMemoryTests {
    /// Reads and replacements in place, in any order, have the values and gradients of dense operations.
    @Test func gradientsOfDenseRows() {
        let b = 2, n = 9, w = 3, key = RandomKey(6)
        let rows = Tensor.normal([b, n, w], key: key.fold("rows"), dtype: .float64)
        let factor = Tensor.normal([b, 4, w], key: key.fold("factor"), dtype: .float64)
        let rows2 = Variable(.normal([b, n, w], key: key.fold("weights"), dtype: .float64))
        func indices(_ t: Int) -> Tensor {
            let rows = (0..<b).flatMap { b in
                let key = key.fold(t).fold(b)
                return (0..<n).sorted { key.uniform($0) < key.uniform($1) }.prefix(4).map(Int32.init)
            }
            return Tensor(rows, [b, 4])
        }
        func loss(_ context: ForwardContext, _ x: Variable, sparse: Bool) -> Variable {
            let start = context.constant(rows) + x.slice(axis: 1, 0..<1).sum(axes: [1], keepDims: true)
            let memory = SparseMemoryRows(start, context)
            var dense = start, sum = context.constant(.scalar(0, dtype: .float64))
            for t in 0..<6 {
                let at = indices(t)
                let wide = at.unsqueezed(axis: 2).broadcast(to: [b, 4, w]).contiguous()
                let taken = sparse ? memory(at) : dense.gather(axis: 1, wide)
                sum = sum + (taken * taken * x).sum()
                let next = (taken + x).tanh()
                if sparse { memory.replace(at, with: next) } else { dense = dense.scatter(axis: 1, wide, next) }
                let after =
                    sparse
                    ? memory(indices(t + 50))
                    : dense.gather(
                        axis: 1, indices(t + 50).unsqueezed(axis: 2).broadcast(to: [b, 4, w]).contiguous())
                sum = sum + (after * x).sum()
            }
            return sum + ((sparse ? memory() : dense) * rows2).sum()
        }
        var results: [(Double, Tensor)] = []
        for sparse in [true, false] {
            let context = ForwardContext(.train), x = context.input(factor), y = loss(context, x, sparse: sparse)
            results.append((y.value.doubles()[0], y.gradients(of: [x])[0]!))
        }
        #expect(abs(results[0].0 - results[1].0) < 1e-12)
        #expect(difference(results[0].1, results[1].1) < 1e-12)
    }
    /// A memory that is given is not changed: its rows are copied before the first replacement.
    @Test func givenRowsAreNotChanged() {
        let rows = Tensor.normal([1, 4, 2], key: RandomKey(1)), before = rows.doubles()
        let memory = SparseMemoryRows(Variable(rows), ForwardContext(.evaluate))
        memory.replace(Tensor([Int32(2)], [1, 1]), with: Variable(.zeros([1, 1, 2])))
        #expect(rows.doubles() == before)
        #expect(memory().value.doubles()[4...5] == [0, 0])
    }
    @Test(arguments: [DType.float32, .float64]) func largest(_ type: DType) {
        for n in [1, 5, 63, 64, 65, 1000] {
            // Many equal elements.
            let x = Tensor((0..<2 * n).map { Double(RandomKey(3).fold(n).integer($0, below: 20)) }, [2, n]).cast(to: type)
            for k in [0, 1, min(4, n), min(n, 33)] {
                let found = x.largest(k).elements(Int32.self).map(Int.init)
                for row in 0..<2 {
                    let values = Array(x.doubles()[row * n..<(row + 1) * n])
                    let expected = (0..<n).sorted { (-values[$0], $0) < (-values[$1], $1) }.prefix(k)
                    #expect(Array(found[row * k..<(row + 1) * k]) == Array(expected))
                }
            }
        }
    }
}
