import NSTMTensor

/// A limit on the address space (`ulimit -v`) that is too small. OpenBLAS asks for its buffers again and again until it gets
/// them, so a program that cannot have them never ends.
package struct AddressSpaceError: Error, CustomStringConvertible {
    /// In bytes.
    package let needed: Int, available: Int
    package var description: String {
        "the limit on the address space leaves \(available >> 20) MiB; the program needs \(needed >> 20) MiB, and more for a model. "
            + "Raise the limit (ulimit -v), or use fewer threads (NSTM_NUM_THREADS)."
    }

    /// OpenBLAS 0.3 maps a buffer of this size for each thread that multiplies. Its own threads have theirs before the check.
    private static let bufferBytes = 128 << 20
    /// What the C library reserves for the heap of a thread, ours, the main one and one of the system's.
    private static let heapBytes = 64 << 20

    /// Nil when there is room enough, or no limit.
    package static func check() -> AddressSpaceError? {
        let needed = bufferBytes * Parallel.threadCount + heapBytes * (Parallel.threadCount + 2)
        guard let available = AvailableMemory.addressSpace, available < needed else { return nil }
        return AddressSpaceError(needed: needed, available: available)
    }
}
