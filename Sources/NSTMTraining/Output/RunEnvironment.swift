import CNSTMKernels
import COpenBLAS
import Foundation
import NSTMConfiguration
import NSTMIO
import NSTMModules
import NSTMTensor

/// Software and hardware of a computation, stored in checkpoints and printed by `nstm doctor`.
public struct RunEnvironment: StoredValue, Sendable, Equatable {
    /// Version of this framework.
    public var frameworkVersion: String
    /// Name and version of the operating system.
    public var system: String
    /// Number of threads.
    public var threads: Int
    /// Instruction set of the kernels of this framework.
    public var kernels: String
    /// Version and build options of OpenBLAS.
    public var openBLAS: String
    /// Kernel set ("core") that OpenBLAS selected.
    public var openBLASCore: String
    /// Value of `OPENBLAS_CORETYPE`, which forces a kernel set; nil if it is not set.
    public var forcedCore: String?
    /// Version of libhdf5.
    public var hdf5: String

    public var issues: [String] {
        var issues = RangeIssues()
        issues.check("threads", threads, in: 1...1_000_000)
        return issues.list
    }

    /// Version of this framework.
    public static let version = "0.1.0"

    /// The environment of this process.
    public static var current: RunEnvironment {
        RunEnvironment(
            frameworkVersion: version, system: ProcessInfo.processInfo.operatingSystemVersionString,
            threads: Parallel.threadCount, kernels: String(cString: nstm_kernel_set()),
            openBLAS: String(cString: openblas_get_config()),
            openBLASCore: String(cString: openblas_get_corename()),
            forcedCore: ProcessInfo.processInfo.environment["OPENBLAS_CORETYPE"], hdf5: CheckpointFile.libraryVersion)
    }

    /// Causes of slow execution on this host, as texts.
    public var slowdowns: [String] {
        var found: [String] = []
        let wide = ["SkylakeX", "Cooperlake", "SapphireRapids"]
        if kernels == "x86-64-v4" && !wide.contains(openBLASCore) {
            found.append(
                "OpenBLAS runs its '\(openBLASCore)' kernels although the processor has AVX-512"
                    + (forcedCore.map { ": OPENBLAS_CORETYPE=\($0) forces them; unset it" }
                        ?? "; OpenBLAS may be older than the processor: try OPENBLAS_CORETYPE=SkylakeX"))
        }
        #if arch(x86_64)
            if kernels == "default" {
                found.append("the processor has neither AVX2 nor AVX-512: the kernels run their baseline versions")
            }
        #endif
        if threads < ProcessInfo.processInfo.activeProcessorCount {
            found.append("\(threads) of \(ProcessInfo.processInfo.activeProcessorCount) processors are used (NSTM_NUM_THREADS)")
        }
        return found
    }
}
