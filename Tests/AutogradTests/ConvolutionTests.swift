import NSTMAutograd
import NSTMTensor
import Testing

/// Convolutions over planes and sequences against their definition, written as plain loops.
@Suite struct ConvolutionTests {
    struct Case: CustomStringConvertible {
        var batch = 1, inputs = 1, outputs = 1, groups = 1
        var size = [1, 1], kernel = [1, 1], stride = [1, 1], padding = [0, 0], dilation = [1, 1]
        func output(_ axis: Int) -> Int {
            (size[axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1
        }
        var description: String {
            "\(batch)×\(inputs)×\(size) to \(outputs) by \(kernel), groups \(groups), stride \(stride), padding \(padding), "
                + "dilation \(dilation)"
        }
    }

    /// Value, and gradients of Σ g·y, by the definition.
    private func naive(_ c: Case, _ x: [Double], _ w: [Double], _ b: [Double], _ g: [Double]?) -> [[Double]] {
        let H = c.size[0], W = c.size[1], oh = c.output(0), ow = c.output(1), I = c.inputs / c.groups, O = c.outputs / c.groups
        var y = [Double](repeating: 0, count: c.batch * c.outputs * oh * ow)
        var dx = [Double](repeating: 0, count: x.count), dw = [Double](repeating: 0, count: w.count)
        var db = [Double](repeating: 0, count: b.count)
        for n in 0..<c.batch {
            for o in 0..<c.outputs {
                for r in 0..<oh {
                    for s in 0..<ow {
                        let target = ((n * c.outputs + o) * oh + r) * ow + s
                        y[target] += b[o]
                        if let g { db[o] += g[target] }
                        for i in 0..<I {
                            for p in 0..<c.kernel[0] {
                                let h = r * c.stride[0] - c.padding[0] + p * c.dilation[0]
                                if h < 0 || h >= H { continue }
                                for q in 0..<c.kernel[1] {
                                    let v = s * c.stride[1] - c.padding[1] + q * c.dilation[1]
                                    if v < 0 || v >= W { continue }
                                    let from = ((n * c.inputs + o / O * I + i) * H + h) * W + v
                                    let tap = ((o * I + i) * c.kernel[0] + p) * c.kernel[1] + q
                                    y[target] += w[tap] * x[from]
                                    if let g {
                                        dx[from] += w[tap] * g[target]
                                        dw[tap] += x[from] * g[target]
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        return [y, dx, dw, db]
    }

    private func check(_ c: Case, _ random: inout TestRandom) {
        let I = c.inputs / c.groups
        let inputs = [
            random.tensor([c.batch, c.inputs] + c.size), random.tensor([c.outputs, I] + c.kernel), random.tensor([c.outputs]),
        ]
        let pair = { (a: [Int]) in Variable.PlaneSize(a[0], a[1]) }
        func run(_ inputs: [Tensor]) -> Evaluation {
            evaluate(inputs) {
                $1[0].conv2d(
                    $1[1], bias: $1[2], stride: pair(c.stride), padding: pair(c.padding), dilation: pair(c.dilation),
                    groups: c.groups)
            }
        }
        let y = run(inputs), g = seed(y.value.shape, .float64).doubles()
        let want = naive(c, inputs[0].doubles(), inputs[1].doubles(), inputs[2].doubles(), g)
        #expect(y.value.shape == [c.batch, c.outputs, c.output(0), c.output(1)])
        for (got, want) in zip([y.value] + y.gradients, want) {
            #expect(difference(got, Tensor(want, got.shape)) < 1e-11, "\(c)")
        }
        // float32 of the same numbers.
        let single = run(inputs.map { $0.cast(to: .float32) })
        for (got, want) in zip([single.value] + single.gradients, want) {
            let scale = want.map(abs).max() ?? 0
            let worst = zip(got.doubles(), want).map { abs($0 - $1) }.max() ?? 0
            #expect(worst <= 1e-5 * max(scale, 1), "\(c): float32 off by \(worst) of \(scale)")
        }
    }

    @Test func random() {
        var random = TestRandom(21)
        for _ in 0..<150 {
            var c = Case()
            c.groups = [1, 1, 1, 2, 3, 5][random.int(0..<6)]
            c.batch = random.int(1..<4)
            c.inputs = c.groups * [1, 2, 3, 9, 17][random.int(0..<5)]
            c.outputs = c.groups * [1, 2, 5, 13, 20][random.int(0..<5)]
            for axis in 0..<2 {
                c.kernel[axis] = random.int(1..<5)
                c.stride[axis] = random.int(1..<4)
                c.dilation[axis] = random.int(1..<4)
                c.padding[axis] = random.int(0..<4)
                let reach = c.dilation[axis] * (c.kernel[axis] - 1) + 1
                c.size[axis] = max(1, reach - 2 * c.padding[axis]) + random.int(0..<12)
            }
            check(c, &random)
        }
    }

    /// Shapes that are cut into blocks of rows, of columns, of several images, and depthwise ones.
    @Test func blocks() {
        var random = TestRandom(22)
        check(
            Case(batch: 2, inputs: 40, outputs: 35, size: [60, 50], kernel: [3, 3], stride: [2, 1], padding: [1, 1]), &random)
        check(
            Case(batch: 1, inputs: 3, outputs: 7, size: [2, 9000], kernel: [2, 5], stride: [1, 3], padding: [0, 2]), &random)
        check(Case(batch: 37, inputs: 33, outputs: 18, size: [5, 6], kernel: [3, 3], padding: [1, 1]), &random)
        check(
            Case(
                batch: 19, inputs: 50, outputs: 50, groups: 50, size: [13, 11], kernel: [3, 5], stride: [1, 2], padding: [1, 2]),
            &random)
        check(
            Case(
                batch: 3, inputs: 20, outputs: 20, groups: 20, size: [1, 999], kernel: [1, 7], padding: [0, 3], dilation: [1, 2]),
            &random)
        check(Case(batch: 2, inputs: 8, outputs: 100, size: [9, 70], kernel: [1, 1], stride: [4, 7]), &random)
    }

    /// Enough channels for tiles of 2 × 2 outputs in float32 (Winograd): odd sizes, one output, padding wider than the kernel,
    /// several images in a block, several blocks in an image.
    @Test func tiles() {
        var random = TestRandom(24)
        check(Case(batch: 3, inputs: 33, outputs: 40, size: [5, 7], kernel: [3, 3], padding: [1, 1]), &random)
        check(Case(batch: 2, inputs: 32, outputs: 70, size: [3, 3], kernel: [3, 3]), &random)
        check(Case(batch: 1, inputs: 40, outputs: 32, size: [4, 2], kernel: [3, 3], padding: [3, 4]), &random)
        check(Case(batch: 9, inputs: 64, outputs: 48, size: [4, 4], kernel: [3, 3], padding: [1, 1]), &random)
        check(Case(batch: 2, inputs: 35, outputs: 33, size: [22, 15], kernel: [3, 3], padding: [1, 0]), &random)
        check(Case(batch: 1, inputs: 32, outputs: 32, size: [3, 210], kernel: [3, 3], padding: [2, 1]), &random)
    }

    /// A sequence is a plane of one row; causal padding is zeros before the first element.
    @Test func sequences() {
        var random = TestRandom(23)
        for (kernel, stride, dilation, groups) in [(3, 1, 1, 1), (4, 2, 3, 2), (1, 1, 1, 4)] {
            let inputs = [random.tensor([2, 4, 17]), random.tensor([8, 4 / groups, kernel]), random.tensor([8])]
            let left = dilation * (kernel - 1)
            let causal = evaluate(inputs) {
                $1[0].conv1d($1[1], bias: $1[2], stride: stride, padding: .causal, dilation: dilation, groups: groups)
            }
            let padded = evaluate(inputs) {
                let zeros = Variable(.zeros([2, 4, left], dtype: .float64))
                return Variable.concatenate([zeros, $1[0]], axis: 2)
                    .conv1d($1[1], bias: $1[2], stride: stride, dilation: dilation, groups: groups)
            }
            let plane = evaluate(inputs) {
                let x = Variable.concatenate([Variable(.zeros([2, 4, left], dtype: .float64)), $1[0]], axis: 2)
                return x.unsqueezed(axis: 2).conv2d(
                    $1[1].unsqueezed(axis: 2), bias: $1[2], stride: [1, stride], dilation: [1, dilation], groups: groups
                ).squeezed(axis: 2)
            }
            #expect(difference(causal, padded) < 1e-13 && difference(causal, plane) < 1e-13)
            #expect(stride > 1 || causal.value.shape == [2, 8, 17])
        }
    }

    /// The depthwise causal convolution of sequences [B, T, C] is the same sum.
    @Test func depthwiseCausal() {
        var random = TestRandom(24)
        let inputs = [random.tensor([2, 9, 5]), random.tensor([4, 5])]
        let short = evaluate(inputs) { $1[0].causalConvolution($1[1]) }
        let general = evaluate(inputs) {
            $1[0].transposed().conv1d($1[1].transposed().unsqueezed(axis: 1), padding: .causal, groups: 5).transposed()
        }
        #expect(difference(short, general) < 1e-13)
    }

    @Test(arguments: [1, 2]) func wrongShapesStop(_ which: Int) async {
        let exit: ExitTest.Result?
        switch which {
        case 1:
            exit = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Variable(.zeros([1, 3, 4, 4])).conv2d(Variable(.zeros([2, 2, 3, 3])))
            }
        default:
            exit = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Variable(.zeros([1, 3, 4])).conv1d(Variable(.zeros([2, 3, 6])), padding: 0)
            }
        }
        let message = String(decoding: exit?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains(which == 1 ? "conv2d: x [1, 3, 4, 4], weight [2, 2, 3, 3]" : "conv1d: x"))
    }
}
