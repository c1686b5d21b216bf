import NSTMTensor

/// An error for a limit of the address space (`ulimit -v`) that is too small.
///
/// It is checked because OpenBLAS retries a failed allocation of its buffers forever.
package struct AddressSpaceError: Error, CustomStringConvertible {
    /// Required address space, in bytes.
    package let needed: Int
    /// Available address space, in bytes.
    package let available: Int
    package var description: String {
        "the limit on the address space leaves \(available >> 20) MiB; the program needs \(needed >> 20) MiB, and more for a model. "
            + "Raise the limit (ulimit -v), or use fewer threads (NSTM_NUM_THREADS)."
    }

    /// Size of the buffer that OpenBLAS 0.3 maps per calling thread, in bytes.
    ///
    /// Those of its own threads are mapped before the check.
    private static let bufferBytes = 128 << 20
    /// Address space that the C library reserves for the heap of a thread, in bytes: of our threads, the main one and a system
    /// thread.
    private static let heapBytes = 64 << 20

    /// The error; nil when the address space suffices or is unlimited.
    package static func check() -> AddressSpaceError? {
        let needed = bufferBytes * Parallel.threadCount + heapBytes * (Parallel.threadCount + 2)
        guard let available = AvailableMemory.addressSpace, available < needed else { return nil }
        return AddressSpaceError(needed: needed, available: available)
    }
}
