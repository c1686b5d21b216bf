import Foundation
import NSTMAutograd
import NSTMTensor
import TestSupport
import Testing

/// Linear maps with weights in bfloat16, against float64 sums of weights rounded here.
@Suite struct BFloat16WeightsTests {
    /// The nearest of the two neighbors whose lower sixteen bits are 0, the even one of two that are as near.
    private func rounded(_ x: Float) -> Float {
        let low = Float(bitPattern: x.bitPattern & 0xffff_0000)
        let high = Float(bitPattern: (x.bitPattern & 0xffff_0000) &+ 0x1_0000)
        let below = Double(x.magnitude) - Double(low.magnitude), above = Double(high.magnitude) - Double(x.magnitude)
        if below != above { return below < above ? low : high }
        return low.bitPattern >> 16 & 1 == 0 ? low : high
    }
    private func linear(_ x: Tensor, _ weight: Tensor, bias: Tensor? = nil, _ activation: Activation = .none) -> Tensor {
        let p = Parameter(path: "weight", index: 3, value: weight, decays: true)
        let context = ForwardContext(.evaluate, weights: BFloat16Weights(of: [p]))
        return context.linear(context.constant(x), p, bias: bias.map { context.constant($0) }, activation: activation).value
    }

    @Test func rounding() {
        let cases: [(Float, Float)] = [
            (1, 1), (1 + 0x1p-8, 1), (1 + 0x1.8p-7, 1 + 0x1p-6), (1 + 0x1.02p-8, 1 + 0x1p-7), (-3.141592653589793, -3.140625),
            (0x1p-133, 0x1p-133), (.greatestFiniteMagnitude, .infinity), (-.infinity, -.infinity), (-0.0, -0.0),
        ]
        let y = linear(Tensor([Float(1)], [1, 1]), Tensor(cases.map(\.0), [cases.count, 1])).elements(Float.self)
        for (i, (x, want)) in cases.enumerated() { #expect(y[i] == want, "\(x)") }
        for nan in [Float.nan, Float(bitPattern: 0x7f80_0001), Float(bitPattern: 0xffff_ffff)] {
            #expect(linear(Tensor([Float(1)], [1, 1]), Tensor([nan], [1, 1])).item().isNaN)
        }
    }

    @Test(arguments: [(1, 1, 1), (1, 16, 32), (3, 33, 7), (5, 100, 65), (40, 384, 128), (0, 4, 4), (2, 0, 5), (2, 5, 0)])
    func product(_ m: Int, _ n: Int, _ k: Int) {
        let x = Tensor.normal([k, m], key: RandomKey(1)).transposed(0, 1), w = Tensor.normal([n, k], key: RandomKey(2))
        let bias = Tensor.normal([n], key: RandomKey(3))
        let y = linear(x, w, bias: bias), xs = x.doubles(), bs = bias.doubles()
        let ws = w.elements(Float.self).map { Double(rounded($0)) }
        #expect(y.shape == [m, n])
        for (at, value) in y.doubles().enumerated() {
            let i = at / n, j = at % n, terms = (0..<k).map { xs[i * k + $0] * ws[j * k + $0] }
            let scale = terms.reduce(abs(bs[j])) { $0 + abs($1) }
            #expect(abs(value - terms.reduce(bs[j], +)) <= 1e-6 * scale)
        }
        let active = linear(x, w, bias: bias, .gelu), want = Variable(y).gelu().value
        #expect(zip(active.doubles(), want.doubles()).allSatisfy { abs($0 - $1) <= 1e-6 })
    }

    /// The result of a row does not depend on other rows or on the number of threads, bit for bit.
    @Test func rowsAreByThemselves() {
        let x = Tensor.normal([64, 96], key: RandomKey(4)), w = Tensor.normal([130, 96], key: RandomKey(5))
        let all = linear(x, w)
        for i in [0, 31, 63] {
            #expect(linear(x.slice(axis: 0, i..<i + 1), w).elements(Float.self) == all.select(axis: 0, i).elements(Float.self))
        }
        let threads = Parallel.threadCount
        defer { Parallel.threadCount = threads }
        for count in [1, 2] {
            Parallel.threadCount = count
            #expect(linear(x, w).elements(Float.self) == all.elements(Float.self))
        }
    }

    /// Parameters that are no float32 matrices, or of another model, are used as they are.
    @Test func othersAreTheParameters() {
        let p = Parameter(path: "weight", index: 0, value: .normal([3, 4], key: RandomKey(6), dtype: .float64), decays: true)
        let x = Tensor.normal([2, 4], key: RandomKey(7), dtype: .float64)
        let context = ForwardContext(.evaluate, weights: BFloat16Weights(of: [p]))
        let y = context.linear(context.constant(x), p).value
        #expect(y.doubles() == x.matmul(p.value, transposeOther: true).doubles())
        #expect(BFloat16Weights(of: [p]).byteCount == 0)
    }

    @Test func work() {
        let p = Parameter(path: "weight", index: 0, value: .normal([50, 24], key: RandomKey(8)), decays: true)
        let context = ForwardContext(.evaluate, weights: BFloat16Weights(of: [p])), x = context.constant(.ones([6, 40, 24]))
        let work = Work.counting { _ = context.linear(x, p) }
        #expect(work.multiplyAdds == 240 * 24 * 50)
        #expect(BFloat16Weights(of: [p]).byteCount == 64 * 24 * 2)
    }

    /// The weights would have no gradient.
    @Test func recordingIsRefused() async {
        await #expect(processExitsWith: .failure) {
            _ = ForwardContext(.train, weights: BFloat16Weights(of: []))
        }
    }
}
