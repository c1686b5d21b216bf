import NSTMAutograd
import NSTMTensor
import Testing

/// These run in processes of their own: elsewhere other tests take the thread pool and the allocator at the same time.
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
        out += run([rows, [60]]) { ($1[0] * $1[1]).tanh().sum([0]) }
        out += run([[3, 150, 24]]) { $1[0].attention(heads: 2, mask: .causal) }
        out += run([[3, 50, 200], [4, 200], [200]]) { $1[0].causalConvolution($1[1], bias: $1[2], silu: true) }
        out += run([[3, 30, 48], [3, 30, 6], [3, 6, 16], [3, 6, 16], [3, 6]]) {
            $1[0].gatedSlotScan(write: $1[1].sigmoid(), keys: $1[2], values: $1[3], bias: $1[4], heads: 2, chunk: 8).output
        }
        out += run([[5, 20, 17, 18], [40, 20, 3, 3], [40]]) { $1[0].conv2d($1[1], bias: $1[2], padding: 1) }
        out += run([[9, 24, 300], [24, 1, 5]]) { $1[0].conv1d($1[1], stride: 2, padding: .causal, groups: 24) }
        out += run([[3, 200, 30], [150, 30]]) { $1[0].longConvolution($1[1]) }
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

    /// After the first steps a training step takes nothing from the system and leaves nothing behind.
    @Test func stepsAreSteadyInMemory() async {
        await #expect(processExitsWith: .success) {
            let before = MemoryUse.current.live
            func step() { _ = DeterminismTests.results(.float32) }
            for _ in 0..<2 { step() }
            let warm = MemoryUse.current
            for _ in 0..<4 { step() }
            let after = MemoryUse.current
            #expect(warm.live == before && after.live == before)
            // Two workers may meet at the same time in a later step only: a few blocks more, not some for every step.
            #expect(after.systemAllocations - warm.systemAllocations <= 8)
        }
    }
}
