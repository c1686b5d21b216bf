import CNSTMKernels
import Foundation
import Synchronization

/// A block of 64-byte-aligned memory. Written only while uniquely referenced, immutable afterwards: that is what makes
/// `Tensor` `Sendable`.
package final class Storage: @unchecked Sendable {
    package let base: UnsafeMutableRawPointer
    package let byteCount: Int

    package init(byteCount: Int) {
        self.byteCount = byteCount
        base = StorageCache.shared.take(byteCount)
        if StorageCache.poisons { nstm_fill_bytes(base, 0xFF, byteCount) }
    }
    deinit {
        if StorageCache.poisons { nstm_fill_bytes(base, 0xFF, byteCount) }
        StorageCache.shared.give(base, byteCount)
    }
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

    private struct Bins: ~Copyable {
        var free: [[UnsafeMutableRawPointer]] = Array(repeating: [], count: 256)
        var live = 0, peak = 0, cached = 0, systemAllocations = 0
        init() {}
    }
    private nonisolated(unsafe) let state: UnsafeMutablePointer<Bins>
    private nonisolated(unsafe) let lock: UnsafeMutablePointer<pthread_mutex_t>

    private init() {
        state = .allocate(capacity: 1)
        state.initialize(to: Bins())
        lock = .allocate(capacity: 1)
        lock.initialize(to: pthread_mutex_t())
        pthread_mutex_init(lock, nil)
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
        pthread_mutex_lock(lock)
        state.pointee.live += size
        if state.pointee.live > state.pointee.peak { state.pointee.peak = state.pointee.live }
        if let block = state.pointee.free[index].popLast() {
            state.pointee.cached -= size
            pthread_mutex_unlock(lock)
            return block
        }
        state.pointee.systemAllocations += 1
        pthread_mutex_unlock(lock)
        var block: UnsafeMutableRawPointer?
        guard posix_memalign(&block, 64, size) == 0, let block else {
            fatalError("out of memory: no \(size) bytes for a tensor")
        }
        return block
    }

    package func give(_ block: UnsafeMutableRawPointer, _ byteCount: Int) {
        let (index, size) = StorageCache.sizeClass(byteCount)
        pthread_mutex_lock(lock)
        state.pointee.live -= size
        state.pointee.cached += size
        state.pointee.free[index].append(block)
        pthread_mutex_unlock(lock)
    }

    package func use() -> MemoryUse {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return MemoryUse(
            live: state.pointee.live, peak: state.pointee.peak, cached: state.pointee.cached,
            systemAllocations: state.pointee.systemAllocations)
    }
    package func resetPeak() {
        pthread_mutex_lock(lock)
        state.pointee.peak = state.pointee.live
        pthread_mutex_unlock(lock)
    }
    package func releaseCached() {
        pthread_mutex_lock(lock)
        for i in state.pointee.free.indices {
            for block in state.pointee.free[i] { free(block) }
            state.pointee.free[i].removeAll()
        }
        state.pointee.cached = 0
        pthread_mutex_unlock(lock)
    }
}

extension MemoryUse {
    public static var current: MemoryUse { StorageCache.shared.use() }
    /// Starts a new measurement of the peak.
    public static func resetPeak() { StorageCache.shared.resetPeak() }
    /// Gives cached blocks back to the operating system.
    public static func releaseCached() { StorageCache.shared.releaseCached() }
}
