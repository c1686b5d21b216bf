import NSTMAutograd
import NSTMTensor
import Testing

@Suite struct PoolingTests {
    /// All elements of the window of output (r, c), with their index in the plane.
    private func window(
        _ plane: [Double], _ H: Int, _ W: Int, _ r: Int, _ c: Int, _ k: Variable.PlaneSize, _ s: Variable.PlaneSize,
        _ p: Variable.PlaneSize
    ) -> [(index: Int, value: Double)] {
        var out: [(Int, Double)] = []
        for i in 0..<k.rows {
            for j in 0..<k.columns {
                let h = r * s.rows - p.rows + i, w = c * s.columns - p.columns + j
                if h >= 0, h < H, w >= 0, w < W { out.append((h * W + w, plane[h * W + w])) }
            }
        }
        return out
    }

    @Test func againstLoops() {
        var random = TestRandom(41)
        for _ in 0..<60 {
            let k = Variable.PlaneSize(random.int(1..<5), random.int(1..<5)),
                s = Variable.PlaneSize(random.int(1..<4), random.int(1..<4))
            let p = Variable.PlaneSize(random.int(0..<k.rows / 2 + 1), random.int(0..<k.columns / 2 + 1))
            let H = k.rows + random.int(0..<7), W = k.columns + random.int(0..<7)
            let oh = (H + 2 * p.rows - k.rows) / s.rows + 1, ow = (W + 2 * p.columns - k.columns) / s.columns + 1
            // Few different numbers, so that there are ties.
            let x = Tensor((0..<6 * H * W).map { _ in Double(random.int(-3..<4)) }, [2, 3, H, W])
            let max = evaluate([x]) { $1[0].maxPool2d(k, stride: s, padding: p) }
            let (_, indices) = Variable(x).maxPool2dWithIndices(k, stride: s, padding: p)
            let mean = evaluate([x]) { $1[0].averagePool2d(k, stride: s, padding: p) }
            let own = evaluate([x]) { $1[0].averagePool2d(k, stride: s, padding: p, countsPadding: false) }
            #expect(max.value.shape == [2, 3, oh, ow] && mean.value.shape == [2, 3, oh, ow])
            let g = seed(max.value.shape, .float64).doubles(), all = x.doubles()
            var y: [[Double]] = [[], [], []], where_: [Double] = []
            var dx = [[Double]](repeating: [Double](repeating: 0, count: all.count), count: 3)
            for n in 0..<6 {
                let plane = Array(all[n * H * W..<(n + 1) * H * W])
                for r in 0..<oh {
                    for c in 0..<ow {
                        let w = window(plane, H, W, r, c, k, s, p), gradient = g[y[0].count]
                        let best = w.first { e in w.allSatisfy { $0.value <= e.value } }!, sum = w.reduce(0) { $0 + $1.value }
                        y[0].append(best.value)
                        where_.append(Double(best.index))
                        dx[0][n * H * W + best.index] += gradient
                        for (kind, count) in [(1, k.rows * k.columns), (2, w.count)] {
                            y[kind].append(sum / Double(count))
                            for e in w { dx[kind][n * H * W + e.index] += gradient / Double(count) }
                        }
                    }
                }
            }
            #expect(indices.doubles() == where_)
            for (kind, got) in [max, mean, own].enumerated() {
                #expect(difference(got.value, Tensor(y[kind], got.value.shape)) < 1e-14)
                #expect(difference(got.gradients[0], Tensor(dx[kind], x.shape)) < 1e-14)
            }
        }
    }

    @Test func adaptive() {
        var random = TestRandom(42)
        let x = random.tensor([2, 3, 7, 5])
        let mean = evaluate([x]) { $1[0].adaptiveAveragePool2d(1) }
        let same = evaluate([x]) { $1[0].mean(axes: [2, 3], keepDims: true) }
        #expect(difference(mean, same) < 1e-14)
        #expect(bits(Variable(x).adaptiveAveragePool2d([7, 5]).value) == bits(x))
        #expect(difference(Variable(x).adaptiveAveragePool2d([7, 1]).value, x.mean(axes: [3], keepDims: true)) < 1e-14)
    }

    /// A NaN is not lost.
    @Test func notANumber() {
        let x = Tensor([1, .nan, 3, 2, 5, 4] as [Float], [1, 1, 6])
        let y = Variable(x).maxPool1d(3).value.elements(Float.self)
        #expect(y[0].isNaN && y[1] == 5)
    }
}
