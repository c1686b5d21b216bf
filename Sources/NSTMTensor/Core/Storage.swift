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
        base = nstm_memory_allocate(byteCount)
    }
    /// Long-lived memory on the largest pages of the system.
    package init(onLargePages byteCount: Int) {
        self.byteCount = byteCount
        isCached = false
        guard let block = nstm_large_pages(byteCount) else { fatalError("out of memory: no \(byteCount) bytes") }
        base = block
    }
    deinit {
        if isCached { nstm_memory_free(base, byteCount) } else { free(base) }
    }
}

/// Calls with memory for the intermediate results of one thread, from the cache of the tensor allocator: uninitialized, aligned
/// to 64 bytes, and valid during the call.
@inline(__always) public func withScratch<R>(byteCount: Int, _ body: (UnsafeMutableRawPointer) -> R) -> R {
    let base = nstm_memory_allocate(byteCount)
    defer { nstm_memory_free(base, byteCount) }
    return body(base)
}

/// Memory from the cache of the tensor allocator for containers that manage it themselves, such as the blocks of a tape.
package enum CachedMemory {
    /// Uninitialized memory, aligned to 64 bytes.
    package static func allocate(byteCount: Int) -> UnsafeMutableRawPointer { nstm_memory_allocate(byteCount) }
    /// - Parameter byteCount: as it was allocated.
    package static func free(_ memory: UnsafeMutableRawPointer, byteCount: Int) { nstm_memory_free(memory, byteCount) }
}
