import CNSTMKernels
import Foundation

/// A block of 64-byte-aligned memory for intermediate results that need no shape.
package final class Storage: @unchecked Sendable {
    package let base: UnsafeMutableRawPointer
    package let byteCount: Int
    private let isCached: Bool

    package init(byteCount: Int) {
        self.byteCount = byteCount
        isCached = true
        base = nstm_memory_take(byteCount)
    }
    /// Memory for what stays, on pages as large as the system has.
    package init(onLargePages byteCount: Int) {
        self.byteCount = byteCount
        isCached = false
        guard let block = nstm_large_pages(byteCount) else { fatalError("out of memory: no \(byteCount) bytes") }
        base = block
    }
    deinit {
        if isCached { nstm_memory_give(base, byteCount) } else { free(base) }
    }
}

/// Memory for the length of a closure, for the intermediate results of one thread: from the same cache, without an object of its own.
@inline(__always) package func withScratch<R>(byteCount: Int, _ body: (UnsafeMutableRawPointer) -> R) -> R {
    let base = nstm_memory_take(byteCount)
    defer { nstm_memory_give(base, byteCount) }
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

extension MemoryUse {
    public static var current: MemoryUse {
        let now = nstm_memory_now()
        return MemoryUse(
            live: Int(now.live), peak: Int(now.peak), cached: Int(now.cached), systemAllocations: Int(now.system_allocations))
    }
    /// Bytes of the tensors that this thread has made, less those of the tensors it was the last to hold: what other threads do
    /// at the same time does not show.
    public static var onThisThread: Int { Int(nstm_memory_of_thread()) }
    /// Starts a new measurement of the peak.
    public static func resetPeak() { nstm_memory_reset_peak() }
    /// Gives cached blocks back to the operating system.
    public static func releaseCached() { nstm_memory_release_cached() }
}
