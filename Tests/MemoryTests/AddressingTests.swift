import NSTMAutograd
import NSTMTensor
import Testing

/// Addressing against values that were computed by hand from the published equations, in float64, and against their invariants.
@Suite struct AddressingTests {
    private func variable(_ x: [Double], _ shape: Shape) -> Variable { Variable(Tensor(x, shape)) }
    private func expect(_ x: Variable, _ values: [Double], _ tolerance: Double = 1e-6) {
        let got = x.value.doubles()
        #expect(got.count == values.count)
        for (a, b) in zip(got, values) { #expect(abs(a - b) <= tolerance, "\(got) instead of \(values)") }
    }
    private func random(_ shape: Shape, _ name: String, low: Double = 0, high: Double = 1) -> Variable {
        Variable(.uniform(shape, low: low, high: high, key: RandomKey(7).fold(name), dtype: .float64))
    }

    @Test func contentWeights() {
        let rows = variable([1, 2, 3, 4, 5, 6], [1, 3, 2]), key = variable([5, 6], [1, 1, 2])
        let similarity = key.cosineSimilarity(to: rows)
        expect(similarity, [0.9734171683, 0.9986876635, 1])
        expect((similarity * 5).softmax(), [0.3051726152, 0.3462738873, 0.3485534975])
    }
    /// The array of the kernel is [s(−1), s(0), s(+1)] of equation 8: s(+1) moves to the next row.
    ///
    /// Correlation, as some
    /// implementations compute it, would give [.32, .14, .24, .30], and zero padding .16 for the first.
    @Test func shiftIsACircularConvolution() {
        let w = variable([0.1, 0.2, 0.3, 0.4], [1, 1, 4]), kernel = variable([0.7, 0.2, 0.1], [1, 1, 3])
        expect(w.circularShift(kernel), [0.20, 0.26, 0.36, 0.18], 1e-15)
        let first = variable([1, 0, 0, 0], [1, 1, 4])
        expect(first.circularShift(variable([0, 0, 1], [1, 1, 3])), [0, 1, 0, 0], 0)
        expect(first.circularShift(variable([1, 0, 0], [1, 1, 3])), [0, 0, 0, 1], 0)
    }
    @Test func sharpening() {
        let w = variable([0.20, 0.26, 0.36, 0.18], [1, 1, 4])
        expect(w.sharpened(variable([2], [1, 1])), [0.1483679525, 0.2507418398, 0.4807121662, 0.1201780415])
    }
    /// Weights that underflow when they are raised to the exponent, and weights of 0, keep finite values and gradients, in float32
    /// too.
    @Test(arguments: [DType.float32, .float64]) func sharpeningOfTinyWeights(_ type: DType) {
        for weights in [[0, 0, 0, 0], [1, 0, 0, 0], [1e-30, 2e-30, 0, 1e-37], [0.5, 0.5, 0, 0]] {
            for exponent in [1.0, 21, 400] {
                let context = ForwardContext(.train)
                let w = context.input(Tensor(weights, [1, 1, 4]).cast(to: type))
                let e = context.input(Tensor([exponent], [1, 1]).cast(to: type)), y = w.sharpened(e)
                #expect(abs(y.value.doubles().reduce(0, +) - 1) < 1e-5)
                let factors = context.constant(Tensor([0.3, -1, 2, 0.7], [1, 1, 4]).cast(to: type))
                for g in (y * factors).sum().gradients(of: [w, e]) {
                    #expect(g!.doubles().allSatisfy { $0.isFinite }, "\(weights) ^ \(exponent)")
                }
            }
        }
    }
    @Test func allocation() {
        let context = ForwardContext(.train), usage = context.input(Tensor([0.2, 0.9, 0.5, 0.1], [1, 4]))
        let a = usage.allocationWeights()
        expect(a, [0.08, 0.001, 0.01, 0.9], 1e-15)
        let jacobian: [[Double]] = [[-0.1, 0, 0, 0.8], [0.005, -0.01, 0.002, 0.01], [0.05, 0, -0.02, 0.1], [0, 0, 0, -1]]
        for (i, row) in jacobian.enumerated() {
            let context = ForwardContext(.train), usage = context.input(Tensor([0.2, 0.9, 0.5, 0.1], [1, 4]))
            let g = usage.allocationWeights().select(axis: 1, i).sum().gradients(of: [usage])[0]!
            expect(Variable(g), row, 1e-15)
        }
        // The second head, after a full write of the first.
        let after = variable([0.2, 0.9, 0.5, 0.1], [1, 4])
        let second = (after + (1 - after) * variable([0.08, 0.001, 0.01, 0.9], [1, 4])).allocationWeights()
        expect(second, [0.736, 0.013318668, 0.13068, 0.0108001199])
    }
    /// Of unused rows the first is allocated; the order of equal usages is that of the rows.
    @Test func allocationOfEqualUsages() {
        expect(variable([0, 0, 0], [1, 3]).allocationWeights(), [1, 0, 0], 0)
        expect(variable([1, 0.5, 0.5, 1], [1, 4]).allocationWeights(), [0, 0.5, 0.25, 0], 0)
    }
    @Test(arguments: [1, 2, 23, 128]) func allocationSumsToTheFreeShare(_ n: Int) {
        let u = random([3, n], "usage \(n)"), a = u.allocationWeights().value
        for b in 0..<3 {
            let product = u.value.select(axis: 0, b).doubles().reduce(1, *), row = a.select(axis: 0, b).doubles()
            #expect(abs(row.reduce(0, +) - (1 - product)) < 1e-13)
            #expect(row.allSatisfy { $0 >= 0 })
        }
    }
    @Test func links() {
        var links = variable(Array(repeating: 0, count: 9), [1, 3, 3]), p = variable([0, 0, 0], [1, 3])
        for w in [[1, 0, 0], [0, 0.6, 0.4], [0, 0, 0.5]] {
            let w = variable(w, [1, 3])
            links = links.temporalLinks(weights: w, precedence: p)
            p = p * (1 - w.sum(axes: [1], keepDims: true)) + w
        }
        expect(links, [0, 0, 0, 0.6, 0, 0, 0.2, 0.3, 0], 1e-15)
        expect(p, [0, 0.3, 0.7], 1e-15)
        expect(variable([1, 0, 0], [1, 1, 3]).matmul(links, transposeOther: true), [0, 0.6, 0.2], 1e-15)
        expect(variable([0, 0, 1], [1, 1, 3]).matmul(links), [0.2, 0.3, 0], 1e-15)
    }
    /// After random writes: elements 0 … 1, zero diagonal, sums of rows and columns at most 1.
    @Test func linksStayDistributions() {
        let n = 9
        var links = Variable(Tensor.zeros([2, n, n], dtype: .float64)), p = Variable(Tensor.zeros([2, n], dtype: .float64))
        for t in 0..<200 {
            let w = random([2, n], "write \(t)", low: -4, high: 4).softmax() * random([2, 1], "gate \(t)")
            links = links.temporalLinks(weights: w, precedence: p)
            p = p * (1 - w.sum(axes: [1], keepDims: true)) + w
            let all = links.value.doubles()
            #expect(all.allSatisfy { $0 >= 0 && $0 <= 1 })
            for sums in [links.value.sum(axes: [1]), links.value.sum(axes: [2]), p.value.sum(axes: [1])] {
                #expect(sums.doubles().allSatisfy { $0 <= 1 + 1e-12 })
            }
            for b in 0..<2 { for i in 0..<n { #expect(all[(b * n + i) * n + i] == 0) } }
        }
    }
    @Test func eraseAndAdd() {
        let rows = variable([1, 2, 3, 4], [1, 2, 2]), w = variable([0.5, 0.25], [1, 1, 2])
        let written = rows.erasedAndAdded(
            weights: w, erase: variable([1, 0.5], [1, 1, 2]), add: variable([0.1, 0.2], [1, 1, 2]))
        expect(written, [0.55, 1.6, 2.275, 3.55], 1e-15)
    }
    /// All heads erase before any adds: what one head adds, another does not erase in the same step.
    @Test func headsEraseBeforeTheyAdd() {
        let rows = variable([1, 1], [1, 1, 2]), w = variable([1, 1], [1, 2, 1])
        let written = rows.erasedAndAdded(
            weights: w, erase: variable([0, 0, 1, 1], [1, 2, 2]), add: variable([3, 4, 0, 0], [1, 2, 2]))
        expect(written, [3, 4], 0)
    }
    /// Zero keys and rows: similarity 0, and finite gradients.
    @Test(arguments: [DType.float32, .float64]) func zeroRows(_ type: DType) {
        let context = ForwardContext(.train)
        let keys = context.input(.zeros([1, 2, 3], dtype: type)), rows = context.input(.zeros([1, 4, 3], dtype: type))
        let c = keys.cosineSimilarity(to: rows)
        #expect(c.value.doubles().allSatisfy { $0 == 0 })
        for g in (c * 3).softmax().sum().gradients(of: [keys, rows]) { #expect(g!.doubles().allSatisfy { $0.isFinite }) }
    }
}
