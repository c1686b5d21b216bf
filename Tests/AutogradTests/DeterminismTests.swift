import NSTMAutograd
import NSTMTensor
import Testing

/// These tests run in child processes, because other tests use the thread pool and the allocator at the same time.
@Suite struct DeterminismTests {
    /// Values and gradients of every fused operation, at sizes that several threads share.
    private static func results(_ type: DType) -> [[UInt64]] {
        var random = TestRandom(4)
        func run(_ shapes: [[Int]], _ body: (ForwardContext, [Variable]) -> Variable) -> [[UInt64]] {
            let y = evaluate(shapes.map { random.tensor($0).cast(to: type) }, body)
            return [bits(y.value)] + y.gradients.map { bits($0) }
        }
        let rows = [700, 60]
        var out: [[UInt64]] = []
        out += run([rows, [90, 60], [90]]) { $1[0].linear($1[1], bias: $1[2], activation: .gelu) }
        out += run([[5, 40, 33], [33, 20]]) { $1[0].matmul($1[1]) }
        out += run([rows, [60], [60]]) { $1[0].layerNorm(gain: $1[1], bias: $1[2]) }
        out += run([rows, [60]]) { $1[0].rmsNorm(gain: $1[1]) }
        out += run([rows, [60], rows]) { $1[0].gatedRMSNorm(gain: $1[1], gate: $1[2]) }
        out += run([rows]) { $1[0].l2Normalized() }
        out += run([rows]) { $1[0].softmax() }
        out += run([rows]) { $1[0].topKGates(3) }
        out += run([rows]) { $1[0].crossEntropy(Tensor((0..<700).map { Int32($0 % 60) })) }
        out += run([rows, [60]]) { ($1[0] * $1[1]).tanh().sum(axes: [0]) }
        out += run([[3, 150, 24]]) { $1[0].attention(heads: 2, mask: .causal) }
        out += run([[3, 50, 200], [4, 200], [200]]) { $1[0].causalConvolution($1[1], bias: $1[2], silu: true) }
        out += run([[3, 30, 48], [3, 30, 6], [3, 6, 16], [3, 6, 16], [3, 6]]) {
            $1[0].gatedSlotScan(write: $1[1].sigmoid(), keys: $1[2], values: $1[3], bias: $1[4], heads: 2, chunk: 8).output
        }
        let picks = Tensor((0..<4000).map { Int32($0 * 7 % 60) })
        out += run([[60, 40], [4000, 40]]) { $1[0].indexAdd(axis: 0, picks, $1[1]).indexSelect(axis: 0, picks) }
        out += run([[60, 40], [4000, 40]]) {
            $1[0].scatterAdd(axis: 0, picks.unsqueezed(axis: 1).broadcast(to: [4000, 40]), $1[1]).gather(
                axis:
                    0, Tensor.zeros([1, 40], dtype: .int32))
        }
        out += run([[700, 60], [60]]) { .where($1[0] .< $1[1], $1[0], $1[1]) }
        out += run([[300, 60]]) { $1[0].sorted(axis: 0).values.topK(7, axis: 1).values }
        for axis in [0, 1] {
            out += run([[300, 200]]) { $1[0].cumulativeSum(axis: axis).tanh().cumulativeProduct(axis: axis, reversed: true) }
            out += run([[300, 200]]) {
                $1[0].cumulativeLogSumExp(axis: axis).cumulativeMaximum(axis: axis, reversed: true).values
            }
        }
        let whole = [3, 90, 500]
        out += run([whole]) { $1[0].sum() * $1[0].variance() * $1[0].norm() * $1[0].logSumExp() * $1[0].maximum() }
        out += run([whole]) { $1[0].standardDeviation(axes: [1]) + $1[0].norm(axes: [1], order: 3) + $1[0].minimum(axes: [1]) }
        out += run([[140_000, 2]]) { $1[0].variance(axes: [0]) * $1[0].logSumExp(axes: [0]) }
        out += run([[140_000]]) { $1[0].affine(1e-4, 1).product() }
        out += run([[40, 12, 33], [12], [12]]) { $1[0].batchNorm(gain: $1[1], bias: $1[2]).output }
        out += run([[200, 90], [90], [90]]) { $1[0].batchNorm(gain: $1[1], bias: $1[2]).output }
        out += run([[40, 12, 33]]) { $1[0].groupNorm(groups: 3) }
        out += run([[6, 20, 30], [6, 25, 30]]) { einsum("bqd,bkd->bqk", $1[0], $1[1]) }
        out += run([rows]) {
            $1[0].crossEntropy(Tensor((0..<700).map { Int32($0 % 60) }), labelSmoothing: 0.1) + $1[0].geluTanh().mean()
        }
        out += scanResults(run)
        out += run([[5, 20, 17, 18], [40, 20, 3, 3], [40]]) { $1[0].conv2d($1[1], bias: $1[2], padding: 1) }
        out += run([[9, 24, 300], [24, 1, 5]]) { $1[0].conv1d($1[1], stride: 2, padding: .causal, groups: 24) }
        out += run([[3, 200, 30], [150, 30]]) { $1[0].longConvolution($1[1]) }
        out += run([[3, 1, 3000], [1, 3000]]) { $1[0].longConvolution($1[1]) }
        out += run([[4, 30, 16, 16]]) {
            $1[0].maxPool2d(3, stride: 2, padding: 1) + $1[0].averagePool2d(3, stride: 2, padding: 1)
        }
        return out
    }

    @Test func bitsDoNotDependOnTheNumberOfThreads() async {
        await #expect(processExitsWith: .success) {
            for type in [DType.float32, .float64] {
                Parallel.threadCount = 1
                let one = DeterminismTests.results(type)
                Parallel.threadCount = 2
                for _ in 0..<3 { #expect(DeterminismTests.results(type) == one) }
            }
        }
    }

    /// After the first steps a training step allocates nothing from the system and leaks nothing.
    @Test func stepsAreSteadyInMemory() async {
        await #expect(processExitsWith: .success) {
            let before = MemoryUse.current.live
            func step() { _ = DeterminismTests.results(.float32) }
            for _ in 0..<2 { step() }
            let warm = MemoryUse.current
            // Two workers may meet at the same time in a later step only: then it takes a few blocks more. Not every step does.
            var quietSteps = 0
            for _ in 0..<10 {
                let taken = MemoryUse.current.systemAllocations
                step()
                if MemoryUse.current.systemAllocations == taken { quietSteps += 1 }
            }
            #expect(warm.live == before && MemoryUse.current.live == before)
            #expect(quietSteps >= 5)
        }
    }
}
