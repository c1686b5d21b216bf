internal import CHDF5
import Foundation

/// Lets a child process read a file before this process does (`trial.h`), because libhdf5 can crash on files that were made to harm.
///
/// What this process has written or has tried before needs no trial: files are known by the digest of all their bytes.
enum TrialReading {
    // Only used inside `HDF5.locked`.
    nonisolated(unsafe) private static var known: Set<[UInt8]> = []

    /// Says that a file with this digest can be read.
    static func trust(_ digest: [UInt8]) {
        // A run of a million checkpoints must not fill the memory.
        if known.count >= 10_000 { known = [] }
        known.insert(digest)
    }

    /// - Parameters:
    ///   - name: under which libhdf5 opens the file.
    ///   - digest: that of the file's bytes, verified.
    /// - Throws: `refused` when the child dies, `ioError` when there can be none.
    static func pass(_ file: borrowing OpenFile, as name: String, digest: [UInt8]) throws(CheckpointError) {
        if known.contains(digest) { return }
        let access = try HDF5Handle.fileAccess(file.path)
        let limits = nstm_trial_limits(
            file_bytes: UInt64(try file.byteCount()), ratio: UInt64(CheckpointLimits.deflateRatio),
            chunk_bytes: UInt64(CheckpointLimits.chunkBytes), depth: UInt32(CheckpointLimits.depth),
            objects: UInt(CheckpointLimits.objects))
        switch nstm_trial_read(name, access.id, limits) {
        case 0: trust(digest)
        case 1: throw .refused(path: file.path, object: "/", reason: "libhdf5 crashes or does not come to an end with it")
        default: throw .system("start a process that reads the file first", file.path, errno)
        }
    }
}
