import NSTMAutograd
import NSTMTensor
import Testing

/// Counts of the fused operations against closed forms, forward and backward.
@Suite struct WorkTests {
    /// The counted work of a function and of its backward pass, separately.
    private func count(_ inputs: [Tensor], _ body: (ForwardContext, [Variable]) -> Variable) -> (forward: Work, backward: Work) {
        let context = ForwardContext(.train), variables = inputs.map { context.input($0) }
        var y: Variable?
        let forward = Work.counting { y = body(context, variables) }
        return (forward, Work.counting { _ = y!.gradients(of: variables, seed: seed(y!.shape, y!.dtype)) })
    }
    private func random(_ shape: [Int], _ type: DType = .float32) -> Tensor {
        .normal(Shape(shape), key: RandomKey(5).fold("\(shape)"), dtype: type)
    }

    @Test(arguments: [DType.float32, .float64]) func linear(_ type: DType) {
        let work = count([random([6, 40, 24], type), random([50, 24], type), random([50], type)]) {
            $1[0].linear($1[1], bias: $1[2], activation: .gelu)
        }
        #expect(work.forward.multiplyAdds == 240 * 24 * 50 && work.backward.multiplyAdds == 2 * 240 * 24 * 50)
        #expect(work.forward.elements == 240 * 50)
    }

    // MARK: Attention. Blocks of 32 queries see keys from a multiple of 32 on; forward two products, backward five.

    @Test(arguments: [DType.float32, .float64]) func attentionToAll(_ type: DType) {
        let work = count([random([2, 70, 3 * 16], type)]) { $1[0].attention(heads: 2, mask: .full) }
        #expect(work.forward.multiplyAdds == 2 * 2 * 2 * 70 * 70 * 8 && work.backward.multiplyAdds == 5 * 2 * 2 * 70 * 70 * 8)
        #expect(work.forward.elements == 2 * 2 * 70 * 70)
    }
    /// Half of the square and the diagonal blocks: 32²·(1 + 2 + … + 8).
    @Test func causalAttention() {
        let work = count([random([3, 256, 3 * 16])]) { $1[0].attention(heads: 2, mask: .causal) }
        let pairs = 32 * 32 * 8 * 9 / 2
        #expect(work.forward.multiplyAdds == 3 * 2 * 2 * pairs * 8 && work.backward.multiplyAdds == 3 * 2 * 5 * pairs * 8)
    }
    /// A window of 32 reaches into the block before: 32 keys for the first block and 64 for the other seven.
    @Test func windowAttention() {
        let work = count([random([1, 256, 3 * 8])]) { $1[0].attention(heads: 1, mask: AttentionMask(causal: true, window: 32)) }
        let pairs = 32 * 32 + 7 * 32 * 64
        #expect(work.forward.multiplyAdds == 2 * pairs * 8 && work.backward.multiplyAdds == 5 * pairs * 8)
    }
    /// One query after 99 tokens sees all of them.
    @Test func attentionOfTheLastToken() {
        let work = count([random([1, 100, 3 * 8])]) { $1[0].attention(heads: 1, mask: .causal, queries: 1) }
        #expect(work.forward.multiplyAdds == 2 * 100 * 8)
    }

    // MARK: Pointers. Products per position in use, forward and backward.

    @Test(
        arguments: [
            ([.stay, .forward], 2, 4), ([.stay, .forward, .back, .home, .follow], 4, 8), (Tensor.PointerMove.allCases, 7, 16),
            ([.cycle], 4, 10), ([.find, .forward], 3, 6),
        ] as [([Tensor.PointerMove], Int, Int)], [nil, [[0, 2, 5]]] as [[[Int32]]?])
    func pointers(_ set: ([Tensor.PointerMove], Int, Int), _ order: [[Int32]]?) {
        let (moves, forward, backward) = set, isTargeted = moves.contains(.follow) || moves.contains(.cycle)
        let work = count([random([2, 20, moves.count]), random([2, 7]), random([2, 20, 7]), random([2, 20, 6])]) {
            $1[0].pointerScan(
                moves, start: $1[1], target: isTargeted ? $1[2] : nil, match: moves.contains(.find) ? $1[3] : nil, order: order)
        }
        let positions = 2 * 20 * (order == nil ? 7 : 3)
        #expect(work.forward.multiplyAdds == forward * positions && work.backward.multiplyAdds == backward * positions)
    }
    /// Three queries and a write per key; backward the writes again but for the last of each chunk of 16, three products of each
    /// key, and two for each query.
    @Test func keyMemory() {
        let work = count([random([2, 20, 3, 5]), random([2, 20, 5]), random([2, 20, 7]), random([2, 5, 7])]) {
            $1[0].keyMemoryScan(keys: $1[1], write: $1[2], start: $1[3]).scores
        }
        #expect(work.forward.multiplyAdds == 2 * 20 * 4 * 35 && work.backward.multiplyAdds == 2 * (18 + 20 * 9) * 35)
    }

    // MARK: Convolutions

    /// Four taps, of which the first three tokens lack 3, 2 and 1; the backward pass recomputes values and sums taps and dx.
    @Test func causalConvolution() {
        let x = random([2, 20, 24]), w = random([4, 24])
        let work = count([x, w]) { $1[0].causalConvolution($1[1], silu: true) }
        #expect(work.forward.multiplyAdds == 2 * 24 * (4 * 20 - 6) && work.backward.multiplyAdds == 2 * 24 * 3 * 4 * 20)
        let streamed = count([x, w]) { $1[0].causalConvolution($1[1], history: 3) }
        #expect(streamed.forward.multiplyAdds == 2 * 24 * 4 * 17)
    }
    /// Kernels that fit into the plane everywhere, channels that fill vectors: as many products forward as for each gradient.
    @Test func convolutionOverPlanes() {
        let work = count([random([2, 16, 9, 10]), random([32, 16, 3, 3])]) { $1[0].conv2d($1[1]) }
        let products = 2 * 7 * 8 * 9 * 16 * 32
        #expect(work.forward.multiplyAdds == products && work.backward.multiplyAdds >= 2 * products)
    }

    // MARK: Slots: 2d per written state and 2d per read state, token and head

    /// Write weights of which k of each row are not 0.
    private func routed(_ batch: Int, _ time: Int, _ states: Int, _ k: Int) -> Tensor {
        Variable(.normal([batch, time, states], key: RandomKey(9))).topKGates(k).value
    }
    @Test(arguments: [1, 3, 8]) func slots(_ k: Int) {
        let (B, T, N, H, d) = (2, 70, 8, 2, 16)
        let inputs = [random([B, T, 3 * H * d]), routed(B, T, N, k), random([B, N, H * d]), random([B, N, H * d])]
        let work = count(inputs) { $1[0].gatedSlotScan(write: $1[1], keys: $1[2], values: $1[3], heads: H).output }
        #expect(work.forward.multiplyAdds == B * T * H * (2 * d * k + 2 * d * N))
        #expect(work.backward.multiplyAdds == B * T * H * (8 * d * k + 4 * d * N))
    }
    /// Inactive states are neither written, whatever the router says, nor read.
    @Test func inactiveSlots() {
        let (B, T, N, H, d) = (2, 70, 8, 2, 16), off = [1, 4, 6]
        let write = routed(B, T, N, 3), bias = Tensor((0..<B * N).map { off.contains($0 % N) ? -Float.infinity : 0 }, [B, N])
        let hits = write.doubles().enumerated().filter { $1 != 0 && !off.contains($0 % N) }.count
        let inputs = [random([B, T, 3 * H * d]), write, random([B, N, H * d]), random([B, N, H * d])]
        let work = count(inputs) {
            $1[0].gatedSlotScan(write: $1[1], keys: $1[2], values: $1[3], bias: Variable(bias), heads: H).output
        }
        #expect(hits > 0 && hits < B * T * 3)
        #expect(work.forward.multiplyAdds == H * 2 * d * (hits + B * T * (N - off.count)))
        #expect(work.backward.multiplyAdds == H * d * (8 * hits + 4 * B * T * (N - off.count)))
    }

    // MARK: Scans

    @Test func diagonalScan() {
        let work = count([random([2, 50, 24]), random([2, 50, 24])]) { $1[0].diagonalScan(decay: $1[1].sigmoid()).output }
        #expect(work.forward.multiplyAdds == 2 * 50 * 24 && work.backward.multiplyAdds == 2 * 2 * 50 * 24)
    }
    @Test func selectiveScan() {
        let x = [2, 40, 16], n = [2, 40, 8]
        let work = count([random(x), random(x), random([16, 8]), random(n), random(n)]) {
            $1[0].selectiveScan(delta: $1[1].sigmoid(), a: -$1[2].exp(), b: $1[3], c: $1[4]).output
        }
        #expect(
            work.forward.multiplyAdds == 2 * 40 * 16 * (4 * 8 + 2) && work.backward.multiplyAdds == 2 * 40 * 16 * (11 * 8 + 6))
    }
    /// With steps of states, a state whose step is 0 is only read: 1 product instead of 5, 2 instead of 15.
    @Test func selectiveScanWithSteps() {
        let (B, T, D, N, k) = (2, 40, 16, 8, 3), x = [B, T, D], n = [B, T, N]
        let work = count([random(x), random(x), random([D, N]), random(n), random(n), routed(B, T, N, k)]) {
            $1[0].selectiveScan(delta: $1[1].sigmoid(), a: -$1[2].exp(), b: $1[3], c: $1[4], step: $1[5]).output
        }
        #expect(work.forward.multiplyAdds == B * T * D * (5 * k + (N - k) + 2))
        #expect(work.backward.multiplyAdds == B * T * D * (15 * k + 2 * (N - k) + 6))
    }
    /// A dot product with each key in reach and its move; in the backward pass both again, and five more products.
    @Test func contentSlotScan() {
        let (B, T, N, D, k) = (2, 40, 8, 24, 3)
        let gates = [random([B, T]), random([B, T])].map { Variable($0).sigmoid().value }
        let work = count([random([B, T, D]), routed(B, T, N, k)] + gates + [random([B, N, D])]) {
            $1[0].contentSlotScan(
                routing: $1[1], strength: $1[2], forget: $1[3], keys: $1[4], usage: $0.constant(.zeros([B, N])),
                inverseTemperature: $0.constant(Tensor([Float(2)])), threshold: $0.constant(Tensor([Float(0.5)]))
            ).write
        }
        #expect(work.forward.multiplyAdds == B * T * 2 * D * k && work.backward.multiplyAdds == B * T * 7 * D * k)
    }
    @Test func wkvScan() {
        let work = count([random([2, 40, 16]), random([2, 40, 16]), random([16]), random([16])]) {
            $1[0].wkvScan(value: $1[1], decay: -$1[2].exp(), bonus: $1[3]).output
        }
        #expect(work.forward.multiplyAdds == 6 * 2 * 40 * 16)
    }
    /// Without decay, whole chunks of 16 and heads of 16 × 32: two products of pairs, one with the state, one that makes it; and
    /// scalings of the keys and of what queries read, the decays (all 1) up to each token and between pairs, and the weights.
    @Test func matrixScan() {
        let (B, T, H, K, V) = (2, 64, 2, 16, 32)
        let work = count([random([B, T, H * K]), random([B, T, H * K]), random([B, T, H * V])]) {
            $1[0].matrixStateScan(key: $1[1], value: $1[2], heads: H).output
        }
        let products = 16 * 16 * K + 16 * 16 * V + 16 * K * V + K * V * 16, rest = 16 * (K + V) + 16 + 16 * 16 + 16 * 16
        #expect(work.forward.multiplyAdds == B * H * (T / 16) * (products + rest))
    }

    /// Sizes that several threads share.
    @Test func theSameOnAnyNumberOfThreads() async {
        await #expect(processExitsWith: .success) {
            func all() -> [Work] {
                let tests = WorkTests()
                let picks = Tensor((0..<4000).map { Int32($0 * 7 % 60) })
                return [
                    tests.count([tests.random([700, 60]), tests.random([90, 60])]) { $1[0].linear($1[1], activation: .silu) },
                    tests.count([tests.random([3, 300, 24])]) { $1[0].attention(heads: 2, mask: .causal) },
                    tests.count([
                        tests.random([3, 400, 48]), tests.routed(3, 400, 6, 2), tests.random([6, 16]), tests.random([6, 16]),
                    ]) {
                        $1[0].gatedSlotScan(write: $1[1], keys: $1[2], values: $1[3], heads: 2).output
                    },
                    tests.count([tests.random([4, 8, 40, 40]), tests.random([12, 8, 3, 3])]) { $1[0].conv2d($1[1], padding: 1) },
                    tests.count([tests.random([2, 40, 21, 9]), tests.random([33, 40, 3, 3])]) { $1[0].conv2d($1[1], padding: 1) },
                    tests.count([tests.random([3, 200, 64]), tests.random([200, 64])]) { $1[0].longConvolution($1[1]) },
                    tests.count([tests.random([60, 40]), tests.random([4000, 40])]) {
                        $1[0].indexAdd(axis: 0, picks, $1[1]).softmax()
                    },
                    tests.count([tests.random([4, 300, 64]), tests.random([4, 300, 64])]) {
                        $1[0].diagonalScan(decay: $1[1].sigmoid()).output.layerNorm(gain: nil).cumulativeSum(axis: 1)
                    },
                    tests.count([tests.random([4, 300, 64]), tests.random([4, 300, 64]), tests.random([4, 300, 64])]) {
                        $1[0].matrixStateScan(key: $1[1], value: $1[2], heads: 2).output
                    },
                ].flatMap { [$0.forward, $0.backward] }
            }
            Parallel.threadCount = 1
            let one = all()
            Parallel.threadCount = 2
            for _ in 0..<3 where all() != one { fatalError("\(all()) on two threads, \(one) on one") }
            if one.contains(where: { $0.bytes == 0 }) { fatalError("nothing was counted") }
        }
    }
}
