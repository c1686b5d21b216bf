import CNSTMKernels
import COpenBLAS
import Foundation
import NSTMConfiguration
import NSTMIO
import NSTMModules
import NSTMTensor

/// What a result was computed with; stored in checkpoints and shown by `nstm doctor`.
public struct RunEnvironment: StoredValue, Sendable, Equatable {
    public var frameworkVersion: String
    public var system: String
    public var threads: Int
    /// Instruction set of the project's own kernels.
    public var kernels: String
    /// OpenBLAS' version and build, and the kernel set ("core") it picked.
    public var openBLAS: String
    public var openBLASCore: String
    /// `OPENBLAS_CORETYPE` when it is set: it forces a kernel set.
    public var forcedCore: String?
    public var hdf5: String

    public var issues: [String] {
        var issues = RangeIssues()
        issues.check("threads", threads, in: 1...1_000_000)
        return issues.list
    }

    /// Version of this framework.
    public static let version = "0.1.0"

    public static var current: RunEnvironment {
        RunEnvironment(
            frameworkVersion: version, system: ProcessInfo.processInfo.operatingSystemVersionString,
            threads: Parallel.threadCount, kernels: String(cString: nstm_kernel_set()),
            openBLAS: String(cString: openblas_get_config()),
            openBLASCore: String(cString: openblas_get_corename()),
            forcedCore: ProcessInfo.processInfo.environment["OPENBLAS_CORETYPE"], hdf5: CheckpointFile.libraryVersion)
    }

    /// What makes this machine slower than it could be, in words.
    public var slowdowns: [String] {
        var found: [String] = []
        let wide = ["SkylakeX", "Cooperlake", "SapphireRapids"]
        if kernels == "x86-64-v4" && !wide.contains(openBLASCore) {
            found.append(
                "OpenBLAS runs its '\(openBLASCore)' kernels although the processor has AVX-512"
                    + (forcedCore.map { ": OPENBLAS_CORETYPE=\($0) forces them; unset it" }
                        ?? "; it may be older than the processor: try OPENBLAS_CORETYPE=SkylakeX"))
        }
        #if arch(x86_64)
            if kernels == "default" {
                found.append("the processor has neither AVX2 nor AVX-512: the project's kernels run their plain versions")
            }
        #endif
        if threads < ProcessInfo.processInfo.activeProcessorCount {
            found.append("\(threads) of \(ProcessInfo.processInfo.activeProcessorCount) processors are used (NSTM_NUM_THREADS)")
        }
        return found
    }
}
