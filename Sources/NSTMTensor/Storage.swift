import CNSTMKernels
import Foundation
import Synchronization

/// A block of 64-byte-aligned memory for intermediate results that need no shape.
package final class Storage: @unchecked Sendable {
    package let base: UnsafeMutableRawPointer
    package let byteCount: Int
    private let isCached: Bool

    package init(byteCount: Int) {
        self.byteCount = byteCount
        isCached = true
        base = StorageCache.shared.take(byteCount)
        if StorageCache.poisons { nstm_fill_bytes(base, 0xFF, byteCount) }
    }
    /// Memory for what stays, on pages as large as the system has.
    package init(onLargePages byteCount: Int) {
        self.byteCount = byteCount
        isCached = false
        guard let block = nstm_large_pages(byteCount) else { fatalError("out of memory: no \(byteCount) bytes") }
        base = block
    }
    deinit {
        if StorageCache.poisons { nstm_fill_bytes(base, 0xFF, byteCount) }
        if isCached { StorageCache.shared.give(base, byteCount) } else { free(base) }
    }
}

/// Memory for the length of a closure, for the intermediate results of one thread: from the same cache, without an object of its own.
@inline(__always) package func withScratch<R>(byteCount: Int, _ body: (UnsafeMutableRawPointer) -> R) -> R {
    let base = StorageCache.shared.take(byteCount)
    if StorageCache.poisons { nstm_fill_bytes(base, 0xFF, byteCount) }
    defer { StorageCache.shared.give(base, byteCount) }
    return body(base)
}

/// Memory statistics of the tensor allocator, in bytes.
public struct MemoryUse: Sendable {
    public var live: Int
    public var peak: Int
    public var cached: Int
    /// Blocks that had to come from the operating system because the cache had none.
    public var systemAllocations: Int
}

/// Keeps freed blocks by size class, so that a training step in steady state takes all its memory from here.
package final class StorageCache: Sendable {
    package static let shared = StorageCache()
    /// `NSTM_POISON=1`: fresh and freed memory is filled with NaN bits, so that a read of either shows up in tests.
    package static let poisons = ProcessInfo.processInfo.environment["NSTM_POISON"] == "1"

    /// Free blocks by size class, each holding the address of the next one in its first bytes.
    private nonisolated(unsafe) let free: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private nonisolated(unsafe) let memory: UnsafeMutablePointer<MemoryUse>
    /// Held for a few instructions: spinning costs less than a mutex, which would be a tenth of a small operation.
    private let isLocked = Atomic<Bool>(false)

    private init() {
        free = .allocate(capacity: 512)
        free.initialize(repeating: nil, count: 512)
        memory = .allocate(capacity: 1)
        memory.initialize(to: MemoryUse(live: 0, peak: 0, cached: 0, systemAllocations: 0))
    }

    @inline(__always) private func locked<R>(_ body: () -> R) -> R {
        var spins = 0
        while isLocked.exchange(true, ordering: .acquiring) {
            spins += 1
            if spins > 100 { _ = sched_yield() } else { nstm_pause() }
        }
        defer { isLocked.store(false, ordering: .releasing) }
        return body()
    }

    /// Four classes for each power of two: at most a quarter of a block is wasted.
    @inline(__always) private static func sizeClass(_ byteCount: Int) -> (index: Int, size: Int) {
        let n = max(byteCount, 64)
        let shift = Int.bitWidth - 1 - (n - 1).leadingZeroBitCount - 2
        let s = max(shift, 4)
        let quarters = (n + (1 << s) - 1) >> s
        return ((s - 4) * 8 + quarters, quarters << s)
    }

    package func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
        let (index, size) = StorageCache.sizeClass(byteCount)
        _ = nstm_thread_bytes(Int64(size))
        let cached: UnsafeMutableRawPointer? = locked {
            memory.pointee.live += size
            if memory.pointee.live > memory.pointee.peak { memory.pointee.peak = memory.pointee.live }
            guard let block = free[index] else {
                memory.pointee.systemAllocations += 1
                return nil
            }
            memory.pointee.cached -= size
            free[index] = block.load(as: UnsafeMutableRawPointer?.self)
            return block
        }
        if let cached { return cached }
        var block: UnsafeMutableRawPointer?
        guard posix_memalign(&block, 64, size) == 0, let block else {
            fatalError("out of memory: no \(size) bytes for a tensor")
        }
        return block
    }

    package func give(_ block: UnsafeMutableRawPointer, _ byteCount: Int) {
        let (index, size) = StorageCache.sizeClass(byteCount)
        _ = nstm_thread_bytes(-Int64(size))
        locked {
            memory.pointee.live -= size
            memory.pointee.cached += size
            block.storeBytes(of: free[index], as: UnsafeMutableRawPointer?.self)
            free[index] = block
        }
    }

    package func use() -> MemoryUse { locked { memory.pointee } }
    package func resetPeak() { locked { memory.pointee.peak = memory.pointee.live } }
    package func releaseCached() {
        locked {
            for index in 0..<512 {
                while let block = free[index] {
                    free[index] = block.load(as: UnsafeMutableRawPointer?.self)
                    Foundation.free(block)
                }
            }
            memory.pointee.cached = 0
        }
    }
}

extension MemoryUse {
    public static var current: MemoryUse { StorageCache.shared.use() }
    /// Bytes of the tensors that this thread has made, less those of the tensors it was the last to hold: what other threads do
    /// at the same time does not show.
    public static var onThisThread: Int { Int(nstm_thread_bytes(0)) }
    /// Starts a new measurement of the peak.
    public static func resetPeak() { StorageCache.shared.resetPeak() }
    /// Gives cached blocks back to the operating system.
    public static func releaseCached() { StorageCache.shared.releaseCached() }
}
