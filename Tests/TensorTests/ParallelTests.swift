import CNSTMKernels
import COpenBLAS
import Foundation
import NSTMTensor
import Synchronization
import Testing

/// Counts how often each index was run.
///
/// The thread sanitizer recognizes this lock; it would report races for a `Mutex`.
private final class Tally: @unchecked Sendable {
    private var counts: [Int]
    private let lock = NSLock()
    init(_ n: Int) { counts = Array(repeating: 0, count: n) }
    func note(_ i: Int) { lock.withLock { counts[i] += 1 } }
    var everyIndexOnce: Bool { lock.withLock { counts.allSatisfy { $0 == 1 } } }
}

@Suite struct ParallelTests {
    @Test(arguments: [0, 1, 2, 3, 17, 1000]) func everyIndexOnce(count: Int) {
        for _ in 0..<20 {
            let tally = Tally(count)
            Parallel.for(count) { tally.note($0) }
            #expect(tally.everyIndexOnce)
        }
        Parallel.for(-3) { _ in Issue.record("an index of an empty range ran") }
    }

    @Test(arguments: [0, 1, 9, 10, 11, 100, 1003]) func blocksCoverTheRange(count: Int) {
        let tally = Tally(count)
        Parallel.blocks(count, of: 10) { r in
            #expect(r.lowerBound % 10 == 0 && r.count <= 10 && !r.isEmpty)
            for i in r { tally.note(i) }
        }
        #expect(tally.everyIndexOnce)
    }

    @Test func nestedRegions() {
        let tally = Tally(40 * 30)
        Parallel.for(40) { i in Parallel.for(30) { j in tally.note(i * 30 + j) } }
        #expect(tally.everyIndexOnce)
    }

    /// Regions from several threads at once, with a pause now and then so that workers fall asleep between them.
    @Test func concurrentRegions() async {
        await withTaskGroup(of: Void.self) { group in
            for caller in 0..<4 {
                group.addTask {
                    await withCheckedContinuation { done in
                        Thread.detachNewThread {
                            for round in 0..<150 {
                                let n = 1 + (round * 7 + caller) % 60, tally = Tally(n)
                                Parallel.for(n) { i in
                                    tally.note(i)
                                    if i == 5 { Parallel.for(3) { _ in } }
                                }
                                #expect(tally.everyIndexOnce)
                                if round % 40 == caller { Thread.sleep(forTimeInterval: 0.002) }
                            }
                            done.resume()
                        }
                    }
                }
            }
        }
    }

    /// Results are bit-identical for one and two threads.
    ///
    /// Runs in a child process, where no other test uses the pool.
    @Test func bitsDoNotDependOnTheNumberOfThreads() async {
        await #expect(processExitsWith: .success) {
            func results() -> [[UInt64]] {
                var random = TestRandom(6)
                func numbers(_ dims: [Int], _ type: DType) -> Tensor {
                    Tensor(random.doubles(dims.reduce(1, *)), Shape(dims)).cast(to: type)
                }
                var out: [[UInt64]] = []
                for type in [DType.float32, .float64] {
                    let a = numbers([300, 257], type), b = numbers([257, 310], type), c = numbers([7, 40, 33], type)
                    out.append(bits(a.matmul(b)))
                    out.append(bits(b.matmul(a, transposeSelf: true, transposeOther: true)))
                    out.append(bits(c.matmul(c, transposeOther: true)))
                    MatmulPrecision.$current.withValue(.high) {
                        out.append(bits(a.matmul(b)))
                        out.append(bits(b.matmul(a, transposeSelf: true, transposeOther: true)))
                    }
                    let long = numbers([700, 300], type)
                    for axes in [[0], [1], [0, 1]] { out.append(bits(long.sum(axes: axes))) }
                    out.append(bits(long.map(NSTM_TANH)))
                    out.append(bits(long * numbers([300], type)))
                    out.append(bits(long.affine(3, 1)))
                }
                return out
            }
            precondition(Parallel.threadCount >= 1)
            Parallel.threadCount = 1
            let one = results()
            Parallel.threadCount = 2
            let two = results()
            #expect(one == two)
            #expect(results() == two)
        }
    }

    @Test func threadCountIsLimited() async {
        await #expect(processExitsWith: .success) {
            Parallel.threadCount = 0
            #expect(Parallel.threadCount == 1)
            Parallel.threadCount = 1_000_000
            #expect(Parallel.threadCount <= 256 || Parallel.threadCount <= ProcessInfo.processInfo.activeProcessorCount)
        }
    }

    /// OpenBLAS must be held at one thread from the first product on, also when nothing has used the pool before.
    @Test func openBLASRunsOnOneThread() async {
        await #expect(processExitsWith: .success) {
            let y = Tensor.ones([4, 8]).matmul(.ones([8, 4]))
            #expect(y.sum().item() == 128)
            #expect(openblas_get_num_threads() == 1)
        }
    }
}

@Suite struct AllocatorTests {
    /// In steady state every block comes from the cache.
    @Test func steadyStateTakesNothingFromTheSystem() async {
        await #expect(processExitsWith: .success) {
            func step() {
                let x = Tensor.ones([64, 96]), w = Tensor.ones([96, 80])
                let y = x.matmul(w).map(NSTM_TANH) + Tensor.ones([80])
                _ = y.transposed().contiguous().sum(axes: [0]).sum()
            }
            let atStart = MemoryUse.current.live
            for _ in 0..<3 { step() }
            let before = MemoryUse.current
            for _ in 0..<50 { step() }
            let after = MemoryUse.current
            #expect(after.systemAllocations == before.systemAllocations)
            #expect(after.live == atStart && before.live == atStart)
            #expect(after.cached == before.cached && after.peak == before.peak)
        }
    }

    @Test func countsLivePeakAndCached() async {
        await #expect(processExitsWith: .success) {
            MemoryUse.releaseCached()
            MemoryUse.resetPeak()
            let start = MemoryUse.current
            #expect(start.cached == 0)
            do {
                let t = Tensor.zeros([1 << 20])
                #expect(MemoryUse.current.live - start.live == 4 << 20)
                withExtendedLifetime(t) {}
            }
            let end = MemoryUse.current
            #expect(end.live == start.live)
            #expect(end.peak - start.live == 4 << 20)
            #expect(end.cached == 4 << 20)
            MemoryUse.releaseCached()
            #expect(MemoryUse.current.cached == 0)
        }
    }

    /// Every size: the block is aligned, writable to its last byte, at most a quarter larger than asked, and comes back to its
    /// own class.
    @Test func sizeClasses() async {
        await #expect(processExitsWith: .success) {
            var sizes = Array(0...1100)
            for shift in 10...24 {
                let power = 1 << shift
                sizes += [power - 1, power, power + 1, power / 2 * 3, power / 4 * 5]
            }
            for n in sizes {
                MemoryUse.releaseCached()
                let before = MemoryUse.current
                var address = 0
                do {
                    let s = Storage(byteCount: n)
                    address = Int(bitPattern: s.base)
                    s.base.initializeMemory(as: UInt8.self, repeating: 7, count: n)
                    let size = MemoryUse.current.live - before.live
                    if size < n || (n >= 64 && size > n + n / 4 + 16) || address % 64 != 0 { Issue.record("\(n) bytes: \(size)") }
                }
                if MemoryUse.current.live != before.live { Issue.record("\(n) bytes were not given back") }
                let again = Storage(byteCount: n)
                if Int(bitPattern: again.base) != address { Issue.record("\(n) bytes were not reused") }
            }
        }
    }

    @Test func threadsShareTheCache() async {
        await #expect(processExitsWith: .success) {
            let before = MemoryUse.current.live
            let errors = Atomic<Int>(0)
            DispatchQueue.concurrentPerform(iterations: 8) { worker in
                for round in 0..<300 {
                    let n = 1 + (worker * 131 + round * 17) % 3000
                    let t = Tensor(repeating: Double(worker), [n])
                    let u = t + t
                    if u.sum().item() != Double(2 * worker * n) { errors.add(1, ordering: .relaxed) }
                }
            }
            #expect(errors.load(ordering: .relaxed) == 0)
            #expect(MemoryUse.current.live == before)
        }
    }
}
