import CNSTMKernels
import Foundation

/// Memory statistics of the tensor allocator, in bytes.
public struct MemoryUse: Sendable {
    public var live: Int
    public var peak: Int
    public var cached: Int
    /// Number of blocks allocated from the operating system because the cache had none.
    public var systemAllocations: Int
}

extension MemoryUse {
    public static var current: MemoryUse {
        let now = nstm_memory_now()
        return MemoryUse(
            live: Int(now.live), peak: Int(now.peak), cached: Int(now.cached), systemAllocations: Int(now.system_allocations))
    }
    /// Bytes of tensors allocated on this thread minus those of tensors released on it, so that other threads have no effect.
    public static var onThisThread: Int { Int(nstm_memory_of_thread()) }
    /// Starts a new measurement of the peak.
    public static func resetPeak() { nstm_memory_reset_peak() }
    /// Returns cached blocks to the operating system.
    public static func releaseCached() { nstm_memory_release_cached() }
}
