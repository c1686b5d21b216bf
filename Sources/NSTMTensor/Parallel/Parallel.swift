import CNSTMKernels
import Foundation
import Synchronization

/// The thread pool of the framework.
///
/// `Parallel.for(count)` runs the indices 0 ..< count on a fixed pool; which thread runs which index is not specified, so the
/// work of an index must not depend on it. Callers split work into blocks of sizes that do not depend on the number of threads,
/// and OpenBLAS uses one thread; results are therefore bit-identical for any number of threads.
public enum Parallel {
    /// Number of threads, including the caller's.
    ///
    /// The default is `NSTM_NUM_THREADS`, else the number of processors; a new value takes effect at the next `for`.
    public static var threadCount: Int {
        get { ThreadPool.shared.activeCount.load(ordering: .relaxed) }
        set { ThreadPool.shared.activeCount.store(min(max(1, newValue), ThreadPool.shared.capacity), ordering: .relaxed) }
    }

    /// Runs `body(0) … body(count − 1)`, in any order, on the pool.
    ///
    /// A call from inside a `body` runs sequentially.
    /// - Parameter work: approximate number of arithmetic operations of all indices together. A small amount of work is done by
    ///   the caller, because waking a thread takes a microsecond.
    public static func `for`(_ count: Int, work: Int = .max, _ body: (Int) -> Void) {
        if count <= 0 { return }
        if count == 1 || work < 50_000 || threadCount == 1 {
            for i in 0..<count { body(i) }
            return
        }
        ThreadPool.shared.run(count, body)
    }

    /// Splits 0 ..< count into blocks of a fixed size and runs them on the pool.
    @inline(__always)
    public static func blocks(_ count: Int, of size: Int, _ body: (Range<Int>) -> Void) {
        if count <= size {
            if count > 0 { body(0..<count) }
            return
        }
        Parallel.for((count + size - 1) / size) { i in body(i * size..<min(count, (i + 1) * size)) }
    }
}

/// Stores the code and context pointers of a closure, which are valid until the caller returns.
///
/// Unlike `withoutActuallyEscaping`, it does not allocate an object per region.
@_silgen_name("nstm_closure_borrow") private func borrow(_ body: (Int) -> Void, _ to: UnsafeMutablePointer<nstm_closure>)

/// A pool of worker threads.
///
/// Workers spin briefly between regions (a training step has hundreds of them, microseconds apart), then sleep. A region waits
/// only for workers that have joined it, so that a worker that has not been woken or was descheduled does not delay it.
private final class ThreadPool: @unchecked Sendable {
    static let shared = ThreadPool()
    let capacity: Int
    let activeCount: Atomic<Int>

    /// The state of the current region: generation · 2¹⁶, plus 2¹⁵ once it is closed, plus the number of workers that have
    /// joined.
    private let door = Atomic<Int>(Door.closed)
    private let left = Atomic<Int>(0)
    private let next = Atomic<Int>(0)
    private let sleeping = Atomic<Int>(0)
    private let busy = Atomic<Bool>(false)
    private var count = 0
    private var active = 0
    /// The work counters of the region's caller, to which workers add theirs.
    private var total: UnsafeMutablePointer<nstm_work>?
    private var body = nstm_closure()
    private var mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private static let spins = 20_000

    private enum Door {
        static let closed = 1 << 15
        static func generation(_ door: Int) -> Int { door >> 16 }
        static func isOpen(_ door: Int) -> Bool { door & closed == 0 }
        static func joined(_ door: Int) -> Int { door & (closed - 1) }
    }

    private init() {
        let processors = ProcessInfo.processInfo.activeProcessorCount
        let asked = ProcessInfo.processInfo.environment["NSTM_NUM_THREADS"].flatMap(Int.init)
        let initial = max(1, min(asked ?? processors, 256))
        capacity = max(initial, processors)
        activeCount = Atomic(initial)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(wake, nil)
        for worker in 1..<max(2, capacity) where worker < capacity {
            let thread = Thread { [unowned self] in self.work(worker) }
            thread.name = "nstm-\(worker)"
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    // Not inlined: the caller keeps alive what the closure captured until this returns.
    @inline(never) func run(_ count: Int, _ body: (Int) -> Void) {
        // Nested regions, and regions of a second thread while one runs, are executed sequentially by their caller.
        guard busy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else {
            for i in 0..<count { body(i) }
            return
        }
        // Workers finish `body` before this call returns, and callers guarantee that indices are independent.
        self.count = count
        borrow(body, &self.body)
        total = nstm_work_total()
        active = min(activeCount.load(ordering: .relaxed), count)
        next.store(0, ordering: .relaxed)
        left.store(0, ordering: .relaxed)
        let generation = Door.generation(door.load(ordering: .relaxed)) + 1
        door.store(generation << 16, ordering: .sequentiallyConsistent)
        if sleeping.load(ordering: .sequentiallyConsistent) > 0 {
            pthread_mutex_lock(mutex)
            pthread_cond_broadcast(wake)
            pthread_mutex_unlock(mutex)
        }
        drain()
        let joined = Door.joined(door.bitwiseOr(Door.closed, ordering: .acquiringAndReleasing).oldValue)
        var waited = 0
        while left.load(ordering: .acquiring) < joined {
            waited += 1
            if waited > ThreadPool.spins { _ = sched_yield() } else { nstm_pause() }
        }
        // A use after the last call, so that the optimizer does not release the captures of `body` earlier.
        borrow(body, &self.body)
        busy.store(false, ordering: .releasing)
    }

    @inline(__always) private func drain() {
        let body = self.body
        let count = self.count
        while true {
            let i = next.add(1, ordering: .relaxed).oldValue
            if i >= count { break }
            nstm_closure_call(body, i)
        }
    }

    private func work(_ worker: Int) {
        var seen = 0
        while true {
            var spun = 0
            var now = door.load(ordering: .acquiring)
            while !Door.isOpen(now) || Door.generation(now) == seen {
                spun += 1
                if spun < ThreadPool.spins {
                    nstm_pause()
                } else {
                    pthread_mutex_lock(mutex)
                    sleeping.add(1, ordering: .sequentiallyConsistent)
                    now = door.load(ordering: .sequentiallyConsistent)
                    while !Door.isOpen(now) || Door.generation(now) == seen {
                        pthread_cond_wait(wake, mutex)
                        now = door.load(ordering: .sequentiallyConsistent)
                    }
                    sleeping.subtract(1, ordering: .sequentiallyConsistent)
                    pthread_mutex_unlock(mutex)
                }
                now = door.load(ordering: .acquiring)
            }
            // Joining succeeds only while the door is open; the region then waits for this worker.
            guard door.compareExchange(expected: now, desired: now + 1, ordering: .acquiringAndReleasing).exchanged else {
                continue
            }
            seen = Door.generation(now)
            if worker < active {
                if let total { nstm_work_count(total) }
                drain()
                if total != nil { nstm_work_count(nil) }
            }
            left.add(1, ordering: .releasing)
        }
    }
}
