import Foundation
import NSTMTensor
import Testing

/// Counts are compared with closed forms of what has to be computed.
@Suite struct WorkTests {
    static let products = [(1, 8, 16), (5, 7, 9), (64, 64, 64), (300, 70, 513), (37, 96, 40)]

    @Test(arguments: products, [DType.float32, .float64]) func product(_ size: (Int, Int, Int), _ type: DType) {
        let (m, k, n) = size
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let a = Tensor.normal(ta ? [k, m] : [m, k], key: RandomKey(1), dtype: type)
            let b = Tensor.normal(tb ? [n, k] : [k, n], key: RandomKey(2), dtype: type)
            let work = Work.counting { _ = a.matmul(b, transposeSelf: ta, transposeOther: tb) }
            #expect(work.multiplyAdds == m * n * k && work.elements == 0)
            // Each operand and the result once; packing B for a kernel may add a copy of it.
            let operands = (m * k + k * n + m * n) * type.byteCount
            #expect(work.bytes == operands || work.bytes == operands + 2 * k * n * type.byteCount)
        }
    }

    @Test func batchesOfProducts() {
        let a = Tensor.normal([6, 20, 10], key: RandomKey(1)), b = Tensor.normal([6, 10, 30], key: RandomKey(2))
        #expect(Work.counting { _ = a.matmul(b) }.multiplyAdds == 6 * 20 * 10 * 30)
    }

    @Test func elements() {
        let x = Tensor.normal([30, 50], key: RandomKey(1))
        #expect(Work.counting { _ = x.exp() } == Work(elements: 1500, bytes: 2 * 4 * 1500))
        #expect(Work.counting { _ = x + x } == Work(elements: 1500, bytes: 3 * 4 * 1500))
        #expect(Work.counting { _ = x.sum(axes: [1]) } == Work(elements: 1500, bytes: 4 * (1500 + 30)))
        #expect(Work.counting { _ = x.transposed().contiguous() } == Work(bytes: 2 * 4 * 1500))
        #expect(Work.counting {} == Work())
    }

    /// 2⁶ = 4³: three stages of radix 4 with three complex multiplications for four elements; the eight lanes of a vector.
    @Test func longConvolution() {
        let u = Tensor.normal([2, 33, 8], key: RandomKey(1)), h = Tensor.normal([32, 8], key: RandomKey(2))
        let job = LongConvolution(batch: 2, time: 33, channels: 8, taps: 32)
        let transform = 3 * (64 / 4) * 12 * 8, spectra = 64 * 4 * 8
        #expect(Work.counting { _ = job.forward(u, h) }.multiplyAdds == 3 * transform + spectra)
        #expect(Work.counting { _ = job.gradients(u, h, u) }.multiplyAdds == 5 * transform + 2 * spectra)
    }

    /// An inner count is part of the outer one, and what another thread computes is in neither.
    @Test func scopes() async {
        let x = Tensor.normal([400, 300], key: RandomKey(1)), one = 400 * 300 * 300
        func multiply() { _ = x.matmul(x, transposeSelf: true) }
        let other = Task.detached { for _ in 0..<20 { _ = x.matmul(x, transposeSelf: true) } }
        for _ in 0..<10 {
            var inner = Work()
            let outer = Work.counting {
                multiply()
                inner = Work.counting { multiply() }
            }
            #expect(inner.multiplyAdds == one && outer.multiplyAdds == 2 * one)
        }
        await other.value
    }

    @Test func anErrorEndsCounting() {
        struct Failure: Error {}
        #expect(throws: Failure.self) { try Work.counting { throw Failure() } }
        let x = Tensor.normal([4, 4], key: RandomKey(1))
        #expect(Work.counting { _ = x.matmul(x) }.multiplyAdds == 64)
    }
}
