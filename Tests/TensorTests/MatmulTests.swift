import NSTMTensor
import Testing

@Suite struct MatmulTests {
    /// op(A)·op(B) by three loops, leading axes broadcast.
    private func naive(_ a: Model, _ b: Model, _ ta: Bool, _ tb: Bool) -> Model {
        let ra = a.dims.count, rb = b.dims.count
        let m = a.dims[ta ? ra - 1 : ra - 2], k = a.dims[ta ? ra - 2 : ra - 1], n = b.dims[tb ? rb - 2 : rb - 1]
        let lead = Shape.broadcast(Shape(a.dims.dropLast(2)), Shape(b.dims.dropLast(2)))!.dims
        func position(_ x: Model, _ index: [Int], _ i: Int, _ j: Int) -> [Int] {
            let own = x.dims.count - 2
            return (0..<own).map { x.dims[$0] == 1 ? 0 : index[lead.count - own + $0] } + [i, j]
        }
        var out: [Double] = []
        for index in Model.indices(lead) {
            for i in 0..<m {
                for j in 0..<n {
                    var s = 0.0
                    for l in 0..<k {
                        s += a[position(a, index, ta ? l : i, ta ? i : l)] * b[position(b, index, tb ? j : l, tb ? l : j)]
                    }
                    out.append(s)
                }
            }
        }
        return Model(lead + [m, n], out)
    }

    /// The same numbers in a random layout: dense, permuted, every second element of a larger array, or (for size 1) broadcast.
    private func laidOut(_ dims: [Int], _ random: inout TestRandom) -> Tensor {
        let rank = dims.count
        switch random.int(0..<4) {
        case 0: return Tensor(random.doubles(dims.reduce(1, *)), Shape(dims))
        case 1:
            let axes = Array(0..<rank).shuffled(using: &random)
            var inverse = axes
            for (i, a) in axes.enumerated() { inverse[a] = i }
            let t = Tensor(random.doubles(dims.reduce(1, *)), Shape(axes.map { dims[$0] }))
            return t.permuted(inverse)
        case 2:
            let axis = random.int(0..<rank), step = random.int(1..<3), before = random.int(0..<3)
            var larger = dims
            larger[axis] = before + dims[axis] * step + random.int(0..<2)
            let t = Tensor(random.doubles(larger.reduce(1, *)), Shape(larger))
            return t.slice(axis: axis, before..<before + dims[axis] * step, step: step)
        default:
            var smaller = dims
            let axis = random.int(0..<rank)
            if dims[axis] > 0 { smaller[axis] = 1 }
            return Tensor(random.doubles(smaller.reduce(1, *)), Shape(smaller)).broadcast(to: Shape(dims))
        }
    }

    private func compare(_ a: Tensor, _ b: Tensor, _ ta: Bool, _ tb: Bool) {
        let y = a.matmul(b, transposeSelf: ta, transposeOther: tb), expected = naive(Model(a), Model(b), ta, tb)
        #expect(y.shape.dims == expected.dims)
        let close = zip(y.doubles(), expected.values).allSatisfy { abs($0 - $1) <= 1e-12 * (1 + abs($1)) }
        #expect(close, "\(a.shape) \(b.shape) \(ta) \(tb)")
        let y32 = a.cast(to: .float32).matmul(b.cast(to: .float32), transposeSelf: ta, transposeOther: tb)
        #expect(zip(y32.doubles(), expected.values).allSatisfy { abs($0 - $1) <= 1e-5 * (1 + abs($1)) })
    }

    @Test(arguments: [false, true], [false, true]) func randomOperands(ta: Bool, tb: Bool) {
        let sizes = [0, 1, 1, 2, 3, 5, 17]
        for seed in 0..<250 {
            var random = TestRandom(UInt64(seed) + (ta ? 10_000 : 0) + (tb ? 20_000 : 0))
            let m = sizes[random.int(0..<7)], n = sizes[random.int(0..<7)], k = sizes[random.int(0..<7)]
            let lead = (0..<random.int(0..<3)).map { _ in [0, 1, 2, 3, 3][random.int(0..<5)] }
            let la = lead.map { random.int(0..<3) == 0 ? 1 : $0 }, lb = Array(lead.dropFirst(random.int(0..<lead.count + 1)))
            let a = laidOut(la + (ta ? [k, m] : [m, k]), &random), b = laidOut(lb + (tb ? [n, k] : [k, n]), &random)
            compare(a, b, ta, tb)
        }
    }

    /// Large enough to be cut into several parts, by rows and by columns; a single row has its own kernel.
    @Test(arguments: [(300, 70, 240), (70, 300, 240), (513, 130, 65), (1, 70, 241), (1, 300, 700)])
    func partsOfALargeProduct(m: Int, n: Int, k: Int) {
        var random = TestRandom(5)
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let a = Tensor(random.doubles(m * k), ta ? [k, m] : [m, k]), b = Tensor(random.doubles(k * n), tb ? [n, k] : [k, n])
            let y = a.matmul(b, transposeSelf: ta, transposeOther: tb)
            let y32 = a.cast(to: .float32).matmul(b.cast(to: .float32), transposeSelf: ta, transposeOther: tb)
            let va = a.doubles(), vb = b.doubles(), got = y.doubles(), got32 = y32.doubles()
            var worst = 0.0, worst32 = 0.0
            for i in 0..<m {
                for j in 0..<n {
                    var s = 0.0
                    for l in 0..<k { s += va[ta ? l * m + i : i * k + l] * vb[tb ? j * k + l : l * n + j] }
                    worst = max(worst, abs(got[i * n + j] - s))
                    worst32 = max(worst32, abs(got32[i * n + j] - s))
                }
            }
            #expect(worst < 1e-12 && worst32 < 1e-4)
        }
    }

    /// Operands that take much of the cache or more than it has, or that have long rows to be read across: parts are packed, and
    /// the next part is prefetched.
    ///
    /// Beside float64, which OpenBLAS multiplies.
    @Test(arguments: [false, true], [false, true]) func operandsThatLeaveTheCache(ta: Bool, tb: Bool) {
        var random = TestRandom(6)
        for (m, n, k) in [(389, 1100, 1003), (300, 290, 500), (389, 70, 300), (37, 300, 4000)] {
            let a = Tensor(random.doubles(m * k), ta ? [k, m] : [m, k]), b = Tensor(random.doubles(k * n), tb ? [n, k] : [k, n])
            let y = a.matmul(b, transposeSelf: ta, transposeOther: tb)
            let y32 = a.cast(to: .float32).matmul(b.cast(to: .float32), transposeSelf: ta, transposeOther: tb)
            #expect(zip(y.doubles(), y32.doubles()).allSatisfy { abs($0 - $1) < 1e-7 * Double(100 + k) })
        }
    }

    /// With two parts of eight bits each, the relative error of an operand is at most 2⁻¹⁸, and so is that of the omitted part of
    /// a product.
    @Test(arguments: [false, true], [false, true]) func highPrecision(ta: Bool, tb: Bool) {
        var random = TestRandom(7)
        for (m, n, k) in [(32, 48, 32), (33, 49, 33), (100, 1100, 70), (300, 290, 600), (389, 63, 1030)] {
            let a = Tensor(random.doubles(m * k), ta ? [k, m] : [m, k]), b = Tensor(random.doubles(k * n), tb ? [n, k] : [k, n])
            let a32 = a.cast(to: .float32), b32 = b.cast(to: .float32)
            let exact = a32.cast(to: .float64).matmul(b32.cast(to: .float64), transposeSelf: ta, transposeOther: tb)
            let sizes = a.absolute().matmul(b.absolute(), transposeSelf: ta, transposeOther: tb)
            let highest = a32.matmul(b32, transposeSelf: ta, transposeOther: tb)
            let high = MatmulPrecision.$current.withValue(.high) { a32.matmul(b32, transposeSelf: ta, transposeOther: tb) }
            let bound = 3 * 0x1p-18 + Double(k) * 0x1p-24
            for (i, (x, y)) in zip(exact.doubles(), high.doubles()).enumerated() where !(abs(x - y) <= bound * sizes.doubles()[i])
            {
                Issue.record("\(m) × \(n) × \(k), element \(i): \(y) instead of \(x)")
                break
            }
            #expect((high.doubles() != highest.doubles()) == MatmulPrecision.hasMatrixTiles)
        }
    }

    /// Below what repays taking operands apart, nothing changes; infinite operands give non-finite results.
    @Test func highPrecisionOfSmallAndInfinite() {
        var random = TestRandom(8)
        let a = Tensor(random.doubles(31 * 64), [31, 64]).cast(to: .float32)
        let b = Tensor(random.doubles(64 * 64), [64, 64]).cast(to: .float32), tall = Tensor.concatenate([a, a], axis: 0)
        var elements = tall.elements(Float.self)
        elements[5] = .infinity
        let infinite = Tensor(elements, [62, 64])
        MatmulPrecision.$current.withValue(.high) {
            let small = a.matmul(b).doubles()
            #expect(MatmulPrecision.$current.withValue(.highest) { a.matmul(b).doubles() } == small)
            let y = infinite.matmul(b).doubles()
            #expect(y[..<64].allSatisfy { !$0.isFinite } && y[64...].allSatisfy(\.isFinite))
        }
    }

    @Test func emptyInnerAxisGivesZeros() {
        #expect(Tensor.zeros([3, 0]).matmul(.zeros([0, 4])).doubles() == Array(repeating: 0, count: 12))
        #expect(Tensor.zeros([2, 3, 0]).matmul(.zeros([2, 0, 4])).doubles() == Array(repeating: 0, count: 24))
        #expect(
            Tensor.zeros([2, 3, 0]).matmul(.zeros([4, 0]), transposeOther: true).doubles() == Array(repeating: 0, count: 24))
        #expect(Tensor.zeros([40, 0]).matmul(.zeros([0, 40])).doubles() == Array(repeating: 0, count: 1600))
    }

    @Test func nonFiniteNumbersPass() {
        let a = Tensor([1, .infinity, .nan, 0] as [Float], [2, 2]), y = a.matmul(.ones([2, 1])).elements(Float.self)
        #expect(y[0] == .infinity && y[1].isNaN)
    }

    /// `Gemm` with leading dimensions, alpha and beta: what fused kernels call.
    @Test func gemmAccumulates() {
        var random = TestRandom(9)
        let a = Tensor(random.doubles(6 * 5), [6, 5]), b = Tensor(random.doubles(4 * 7), [4, 7])
        var c = Tensor(random.doubles(6 * 9), [6, 9])
        let before = Model(c), ma = Model(a), mb = Model(b)
        let target = c.mutablePointer()
        // C[0..<6, 2..<5] ← 2·A[:, 1..<5]·B[:, 0..<3] + 0.5·C
        Gemm.run(DType.float64.real, false, false, 6, 3, 4, 2, a.pointer + 8, 5, b.pointer, 7, 0.5, target + 16, 9)
        let after = Model(c)
        for i in 0..<6 {
            for j in 0..<9 {
                var expected = before[[i, j]]
                if (2..<5).contains(j) {
                    expected *= 0.5
                    for l in 0..<4 { expected += 2 * ma[[i, l + 1]] * mb[[l, j - 2]] }
                }
                #expect(abs(after[[i, j]] - expected) < 1e-13)
            }
        }
    }
}
