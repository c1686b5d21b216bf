import NSTMAutograd
import NSTMTensor
import Testing

/// Fused operations against compositions of primitive ones: values and all gradients.
@Suite struct FusedTests {
    private typealias Body = (ForwardContext, [Variable]) -> Variable

    private func same(_ inputs: [Tensor], within tolerance: Double = 1e-12, _ fused: Body, _ naive: Body) -> Bool {
        difference(evaluate(inputs, fused), evaluate(inputs, naive)) < tolerance
    }

    /// Sizes that cross the blocks in which rows are processed.
    private static let sizes: [[Int]] = [[7, 5], [3000, 9], [2, 20_000], [2, 3, 1]]

    private func activated(_ x: Variable, _ activation: Activation) -> Variable {
        switch activation {
        case .none: x
        case .tanh: x.tanh()
        case .sigmoid: x.sigmoid()
        case .silu: x * x.sigmoid()
        case .gelu: x.gelu()
        case .relu: x.relu()
        case .squaredReLU: x.relu().squared()
        }
    }

    @Test(arguments: Activation.allCases) func linear(_ activation: Activation) {
        var random = TestRandom(2)
        for (lead, k, n) in [([5], 3, 4), ([600], 130, 70), ([2, 3], 1, 300), ([1], 200, 1)] {
            let inputs = [random.tensor(lead + [k]), random.tensor([n, k]), random.tensor([n])]
            #expect(
                same(inputs, { $1[0].linear($1[1], bias: $1[2], activation: activation) }) {
                    activated($1[0].matmul($1[1], transposeOther: true) + $1[2], activation)
                })
        }
    }

    /// Without a backward pass the activation is computed in place, bit-exactly.
    @Test(arguments: Activation.allCases) func linearInPlace(_ activation: Activation) {
        var random = TestRandom(5)
        for (rows, k, n) in [(3, 4, 5000), (700, 3, 9), (1, 2, 2048), (2, 1, 0)] {
            for type in [DType.float32, .float64] {
                let x = random.tensor([rows, k]).cast(to: type), w = random.tensor([n, k]).cast(to: type)
                let b = random.tensor([n]).cast(to: type)
                for bias in [nil, b] {
                    let context = ForwardContext(.train),
                        recorded = context.input(x)
                            .linear(Variable(w), bias: bias.map { Variable($0) }, activation: activation)
                    let plain = Variable(x).linear(Variable(w), bias: bias.map { Variable($0) }, activation: activation)
                    #expect(plain.value.doubles() == recorded.value.doubles())
                }
            }
        }
    }

    /// Without an inner axis a linear map is its bias.
    @Test func linearOverNothing() {
        let b = Variable(Tensor([1, 2] as [Double]))
        let y = Variable(.zeros([3, 0], dtype: .float64)).linear(Variable(.zeros([2, 0], dtype: .float64)), bias: b)
        #expect(y.value.doubles() == [1, 2, 1, 2, 1, 2])
    }

    @Test(arguments: sizes) func layerNorm(_ dims: [Int]) {
        var random = TestRandom(3)
        let n = dims.last!, inputs = [random.tensor(dims), random.tensor([n]), random.tensor([n])]
        #expect(
            same(inputs, within: 1e-10, { $1[0].layerNorm(gain: $1[1], bias: $1[2], epsilon: 1e-3) }) { _, x in
                let centered = x[0] - x[0].mean(axes: [-1], keepDims: true)
                let variance = centered.squared().mean(axes: [-1], keepDims: true)
                return centered / (variance + 1e-3).sqrt() * x[1] + x[2]
            })
    }

    @Test(arguments: sizes) func rmsNorm(_ dims: [Int]) {
        var random = TestRandom(4)
        let n = dims.last!, inputs = [random.tensor(dims), random.tensor([n]), random.tensor(dims)]
        func naive(_ x: [Variable]) -> Variable { x[0] / (x[0].squared().mean(axes: [-1], keepDims: true) + 1e-6).sqrt() * x[1] }
        #expect(same(Array(inputs.prefix(2)), within: 1e-10, { $1[0].rmsNorm(gain: $1[1]) }) { naive($1) })
        #expect(
            same(inputs, within: 1e-10, { $1[0].gatedRMSNorm(gain: $1[1], gate: $1[2]) }) {
                naive($1) * $1[2] * $1[2].sigmoid()
            })
    }

    @Test(arguments: sizes) func l2Normalized(_ dims: [Int]) {
        var random = TestRandom(5)
        #expect(
            same([random.tensor(dims)], within: 1e-10, { $1[0].l2Normalized(scale: 3, epsilon: 1e-5) }) { _, x in
                x[0] / (x[0].squared().sum(axes: [-1], keepDims: true) + 1e-5).sqrt() * 3
            })
    }

    /// A row of zeros has a norm of √ε, not 0.
    @Test func normsOfZeros() {
        for type in [DType.float32, .float64] {
            let zero = Tensor.zeros([2, 4], dtype: type), one = Variable(Tensor.ones([4], dtype: type))
            for y in [
                evaluate([zero]) { $1[0].l2Normalized() }, evaluate([zero]) { $1[0].rmsNorm(gain: one) },
                evaluate([zero]) { $1[0].layerNorm(gain: one, bias: nil) },
            ] {
                #expect(y.value.doubles().allSatisfy { $0 == 0 })
                #expect(y.gradients[0].doubles().allSatisfy { $0.isFinite })
            }
        }
    }

    @Test(arguments: sizes) func softmax(_ dims: [Int]) {
        var random = TestRandom(6)
        let x = random.tensor(dims, -5..<5)
        #expect(same([x], { $1[0].softmax() }) { _, x in x[0].exp() / x[0].exp().sum(axes: [-1], keepDims: true) })
        #expect(same([x], { $1[0].logSoftmax() }) { _, x in x[0] - x[0].exp().sum(axes: [-1], keepDims: true).log() })
    }

    @Test func softmaxOfExtremes() {
        for type in [DType.float32, .float64] {
            let numbers: [Double] = [1e4, 1e4, -1e4, 0, -1e30, -1e30, -1e30, -1e30, -.infinity, 3, -.infinity, 3]
            let x = Tensor(numbers, [3, 4]).cast(to: type)
            let y = evaluate([x]) { $1[0].softmax() }
            #expect(y.value.doubles() == [0.5, 0.5, 0, 0, 0.25, 0.25, 0.25, 0.25, 0, 0.5, 0, 0.5])
            #expect(y.gradients[0].doubles().allSatisfy { $0.isFinite })
            let l = Variable(x.slice(axis: 0, 0..<2)).logSoftmax().value.doubles()
            #expect(abs(l[0] + 0.6931472) < 1e-6 && l[2] < -19999 && abs(l[4] + 1.3862944) < 1e-6)
        }
    }

    @Test func topKGates() {
        let x = Tensor([1, 3, 3, 2, 3, -5, -5, -5, -5, -5, -1, -2, 9, 0, -.infinity] as [Double], [3, 5])
        func kept(_ k: Int) -> [[Int]] {
            let y = Variable(x).topKGates(k).value
            return (0..<3).map { r in
                let row = y.select(axis: 0, r).doubles(), logits = x.select(axis: 0, r).doubles()
                let gates = Variable(Tensor(logits)).sigmoid().value.doubles()
                for (a, b) in zip(row, gates) where a != 0 { #expect(abs(a - b) < 1e-15) }
                return row.indices.filter { row[$0] != 0 }
            }
        }
        #expect(kept(0) == [[], [], []])
        #expect(kept(1) == [[1], [0], [2]])
        #expect(kept(2) == [[1, 2], [0, 1], [2, 3]])
        #expect(kept(4) == [[1, 2, 3, 4], [0, 1, 2, 3], [0, 1, 2, 3]])
        // σ(−∞) is 0.
        #expect(kept(5) == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3]])
        #expect(kept(50) == kept(5))
        let g = evaluate([x]) { $1[0].topKGates(2) }
        for (value, gradient) in zip(g.value.doubles(), g.gradients[0].doubles()) { #expect((value == 0) == (gradient == 0)) }
    }

    /// More rows than a block, random ties, against a sort.
    @Test func topKGatesAgainstASort() {
        var random = TestRandom(8)
        let rows = 3000, n = 7
        let x = Tensor((0..<rows * n).map { _ in Float(random.int(-2..<3)) }, [rows, n])
        let y = Variable(x).topKGates(3).value.elements(Float.self), v = x.elements(Float.self)
        for r in 0..<rows {
            let order = (0..<n).sorted { (v[r * n + $1], $0) < (v[r * n + $0], $1) }
            #expect(Set((0..<n).filter { y[r * n + $0] != 0 }) == Set(order.prefix(3)))
        }
    }

    @Test(arguments: [[9, 5], [4000, 11], [2, 3, 4]]) func crossEntropy(_ dims: [Int]) {
        var random = TestRandom(9)
        let n = dims.last!, lead = Shape(dims.dropLast()), rows = lead.count
        let x = random.tensor(dims, -4..<4), classes = (0..<rows).map { _ in random.int(-1..<n) }
        let targets = Tensor(classes.map { Int32($0) }, lead), weights = random.tensor(lead.dims, 0..<2)
        var hot = [Double](repeating: 0, count: rows * n)
        for (r, c) in classes.enumerated() where c >= 0 { hot[r * n + c] = 1 }
        let onehot = Tensor(hot, Shape(dims))
        func naive(_ x: Variable, _ w: Tensor) -> Variable {
            let total = zip(w.doubles(), classes).reduce(0) { $0 + ($1.1 >= 0 ? $1.0 : 0) }
            return -(x.logSoftmax() * Variable(onehot) * Variable(w.unsqueezed(axis: -1))).sum() / total
        }
        #expect(same([x], { $1[0].crossEntropy(targets) }) { naive($1[0], .ones(lead, dtype: .float64)) })
        #expect(same([x], { $1[0].crossEntropy(targets, weights: weights) }) { naive($1[0], weights) })
    }

    @Test func crossEntropyOfNothing() {
        let x = Tensor.ones([3, 4]), none = Tensor([-1, -1, -100] as [Int32])
        let y = evaluate([x]) { $1[0].crossEntropy(none) }
        #expect(y.value.item() == 0 && y.gradients[0].doubles().allSatisfy { $0 == 0 })
        let unweighted = evaluate([x]) { $1[0].crossEntropy(Tensor([0, 1, 2] as [Int32]), weights: .zeros([3])) }
        #expect(unweighted.value.item() == 0 && unweighted.gradients[0].doubles().allSatisfy { $0 == 0 })
    }

    @Test func crossEntropyOfExtremes() {
        for type in [DType.float32, .float64] {
            let x = Tensor([1e4, 0, -1e4, -1e4, 0, 1e4] as [Double], [2, 3]).cast(to: type)
            let y = evaluate([x]) { $1[0].crossEntropy(Tensor([0, 0] as [Int32])) }
            #expect(y.value.item() == 1e4)
            #expect(y.gradients[0].doubles().allSatisfy { $0.isFinite })
        }
    }

    @Test func binaryCrossEntropy() {
        var random = TestRandom(10)
        let x = random.tensor([40, 5], -4..<4), t = random.tensor([40, 5], 0..<1), w = random.tensor([5], 0..<2)
        func each(_ x: Variable) -> Variable {
            -(x.sigmoid().log() * Variable(t) + (1 - x.sigmoid()).log() * Variable(t.affine(-1, 1)))
        }
        #expect(same([x], { $1[0].binaryCrossEntropy(t) }) { each($1[0]).mean() })
        let total = w.sum().item() * 40
        #expect(same([x], { $1[0].binaryCrossEntropy(t, weights: w) }) { (each($1[0]) * Variable(w)).sum() / total })
        let far = evaluate([Tensor([1e4, -1e4, 1e4, -1e4] as [Float])]) {
            $1[0].binaryCrossEntropy(Tensor([1, 0, 0, 1] as [Float]))
        }
        #expect(far.value.item() == 5000 && far.gradients[0].doubles().allSatisfy { $0.isFinite })
        let unweighted = Variable(x).binaryCrossEntropy(t, weights: .zeros([5], dtype: .float64))
        #expect(unweighted.value.item() == 0)
    }

    // MARK: Convolution

    private func convolution(_ x: Variable, _ w: Variable, _ b: Variable?, silu: Bool, history: Int) -> Variable {
        let B = x.shape[0], T = x.shape[1], C = x.shape[2], width = w.shape[0]
        let padded = Variable.concatenate([Variable(.zeros([B, width - 1, C], dtype: x.dtype)), x], axis: 1)
        var y = padded.slice(axis: 1, 0..<T) * w.select(axis: 0, 0)
        for j in 1..<max(1, width) { y = y + padded.slice(axis: 1, j..<j + T) * w.select(axis: 0, j) }
        if let b { y = y + b }
        if silu { y = y * y.sigmoid() }
        return y.slice(axis: 1, history..<T)
    }

    @Test(arguments: [false, true], [false, true]) func causalConvolution(silu: Bool, bias: Bool) {
        var random = TestRandom(11)
        // T shorter than the width, width 1, more channels than a block, history up to width − 1 and beyond.
        for (B, T, C, width) in [
            (2, 9, 5, 4), (3, 2, 3, 4), (1, 1, 2, 4), (2, 6, 130, 4), (1, 7, 300, 3), (2, 5, 4, 1), (1, 8, 3, 7),
        ] {
            for history in Set([0, 1, width - 1, width, T]) where history <= T {
                let inputs = [random.tensor([B, T, C]), random.tensor([width, C]), random.tensor([C])]
                #expect(
                    same(
                        Array(inputs.prefix(bias ? 3 : 2)),
                        {
                            $1[0].causalConvolution($1[1], bias: bias ? $1[2] : nil, silu: silu, history: history)
                        }
                    ) { convolution($1[0], $1[1], bias ? $1[2] : nil, silu: silu, history: history) },
                    "\((B, T, C, width)) history \(history)")
            }
        }
    }

    /// A sequence in two pieces, the second with the last width − 1 rows of the first as its history, gives the same bits.
    @Test func convolutionInPieces() {
        var random = TestRandom(12)
        for type in [DType.float32, .float64] {
            let x = Variable(random.tensor([2, 11, 6]).cast(to: type)), w = Variable(random.tensor([4, 6]).cast(to: type))
            let whole = x.causalConvolution(w, silu: true)
            let first = x.slice(axis: 1, 0..<5).causalConvolution(w, silu: true)
            let second = x.slice(axis: 1, 2..<11).causalConvolution(w, silu: true, history: 3)
            #expect(bits(Tensor.concatenate([first.value, second.value], axis: 1)) == bits(whole.value))
        }
    }

    // MARK: Dropout

    @Test func dropoutScalesWhatItKeeps() {
        let x = Tensor.ones([200, 100])
        let c = ForwardContext(.train, key: RandomKey(1))
        let y = Variable(x).dropout(0.3, c).value.elements(Float.self)
        #expect(y.allSatisfy { $0 == 0 || abs($0 - 1 / 0.7) < 1e-6 })
        let share = Double(y.count { $0 == 0 }) / Double(y.count)
        #expect(abs(share - 0.3) < 5 * (0.21 / 20_000).squareRoot())
        #expect(Variable(x).dropout(0, c).value.storage == x.storage)
        #expect(Variable(x).dropout(0.3, ForwardContext(.evaluate)).value.storage == x.storage)
        #expect(Variable(x).dropout(1, c).value.doubles().allSatisfy { $0 == 0 })
    }

    @Test func dropoutDependsOnKeyPathAndPurposeOnly() {
        let x = Variable(Tensor.ones([50]))
        func mask(_ key: UInt64, _ path: [String], purpose: String = "dropout", after: Int = 0) -> [Double] {
            let c = ForwardContext(.train, key: RandomKey(key))
            for _ in 0..<after { _ = c.scope("elsewhere") { x.dropout(0.5, c) } }
            func inside(_ rest: ArraySlice<String>) -> [Double] {
                guard let name = rest.first else { return x.dropout(0.5, c, purpose: purpose).value.doubles() }
                return c.scope(name) { inside(rest.dropFirst()) }
            }
            return inside(path[...])
        }
        let base = mask(1, ["a", "b"])
        #expect(mask(1, ["a", "b"], after: 3) == base)
        #expect(mask(1, ["a.b"]) == base)
        for other in [mask(2, ["a", "b"]), mask(1, ["a", "c"]), mask(1, ["a"]), mask(1, ["a", "b"], purpose: "paths")] {
            #expect(other != base)
        }
    }
}
