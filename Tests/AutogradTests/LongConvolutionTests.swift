import NSTMAutograd
import NSTMTensor
import Testing

@Suite struct LongConvolutionTests {
    /// The direct sum in O(T·L), and its gradients for Σ g·y.
    private func direct(_ u: Tensor, _ h: Tensor, _ g: Tensor) -> [Tensor] {
        let B = u.shape[0], T = u.shape[1], C = u.shape[2], L = h.shape[0]
        let x = u.doubles(), w = h.doubles(), dy = g.doubles()
        var y = [Double](repeating: 0, count: x.count), dx = y, dw = [Double](repeating: 0, count: w.count)
        for b in 0..<B {
            for t in 0..<T {
                for s in 0..<min(L, t + 1) {
                    for c in 0..<C {
                        let to = (b * T + t) * C + c, from = (b * T + t - s) * C + c
                        y[to] += w[s * C + c] * x[from]
                        dx[from] += w[s * C + c] * dy[to]
                        dw[s * C + c] += x[from] * dy[to]
                    }
                }
            }
        }
        return [Tensor(y, u.shape), Tensor(dx, u.shape), Tensor(dw, h.shape)]
    }

    @Test func againstTheDirectSum() {
        var random = TestRandom(31)
        for (B, T, C, L) in [
            (1, 1, 1, 1), (2, 2, 3, 2), (3, 7, 5, 7), (2, 31, 9, 31), (1, 100, 17, 100), (4, 257, 4, 257), (2, 97, 8, 13),
            (1, 20, 2, 45),
            (5, 50, 11, 1), (1, 1000, 3, 1000),
        ] {
            let inputs = [random.tensor([B, T, C]), random.tensor([L, C])]
            let y = evaluate(inputs) { $1[0].longConvolution($1[1]) }
            let want = direct(inputs[0], inputs[1], seed(y.value.shape, .float64))
            let single = evaluate(inputs.map { $0.cast(to: .float32) }) { $1[0].longConvolution($1[1]) }
            for ((got, single), want) in zip(zip([y.value] + y.gradients, [single.value] + single.gradients), want) {
                #expect(difference(got, want) < 1e-12, "\((B, T, C, L))")
                let scale = want.doubles().map(abs).max() ?? 0
                let worst = zip(single.doubles(), want.doubles()).map { abs($0 - $1) }.max() ?? 0
                #expect(worst <= 2e-6 * max(1, scale), "\((B, T, C, L)): float32 off by \(worst) of \(scale)")
            }
        }
    }

    /// Up to 131,072 elements, where a direct sum takes too long: filters with three taps far apart.
    @Test(arguments: [4096, 65_537, 131_072]) func longSequences(_ T: Int) {
        var random = TestRandom(32)
        let x = random.tensor([2, T, 1]), taps = [(0, 0.5), (T / 3, -1.25), (T - 1, 2.0)]
        var filter = [Double](repeating: 0, count: T)
        for (s, w) in taps { filter[s] = w }
        let v = x.doubles()
        let want = (0..<2 * T).map { i in taps.reduce(0.0) { $0 + (i % T >= $1.0 ? $1.1 * v[i - $1.0] : 0) } }
        for (type, tolerance) in [(DType.float64, 1e-12), (.float32, 3e-6)] {
            let y = Variable(x.cast(to: type)).longConvolution(Variable(Tensor(filter, [T, 1]).cast(to: type)))
            #expect(difference(y.value, Tensor(want, [2, T, 1])) < tolerance)
        }
    }

    /// With a reversed short filter, the result is that of the short causal convolution.
    @Test func shortFilter() {
        var random = TestRandom(33)
        let inputs = [random.tensor([3, 20, 6]), random.tensor([4, 6])]
        let long = evaluate(inputs) { $1[0].longConvolution($1[1]) }
        let short = evaluate(inputs) {
            let w = $1[1]
            return $1[0].causalConvolution(.concatenate((0..<4).reversed().map { w.slice(axis: 0, $0..<$0 + 1) }, axis: 0))
        }
        #expect(difference(long, short) < 1e-13)
    }

    /// A sequence of one element is a product, also while several threads share its plan.
    @Test(arguments: [DType.float32, .float64]) func oneElementOnSeveralThreads(_ type: DType) {
        var random = TestRandom(34)
        let u = random.tensor([2, 1, 2000]).cast(to: type), h = random.tensor([1, 2000]).cast(to: type)
        let taps = h.doubles(), want = u.doubles().enumerated().map { $1 * taps[$0 % 2000] }
        for _ in 0..<50 {
            let y = Variable(u).longConvolution(Variable(h))
            #expect(difference(y.value, Tensor(want, [2, 1, 2000])) <= 1e-6)
        }
    }
}
