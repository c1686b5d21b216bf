import ArgumentParser
import Foundation
import NSTM

struct DoctorCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "doctor", abstract: "Describes this host: hardware, libraries, datasets, and causes of slow execution.",
            discussion: """
                Example:
                  \(NSTMCommand.program) doctor --data ~/datasets
                """)
    }

    @Option(help: ArgumentHelp("A folder to search for datasets.", valueName: "folder"), transform: path) var data: String?

    func run() throws {
        let environment = RunEnvironment.current
        let processors = ProcessInfo.processInfo.activeProcessorCount
        NSTMCommand.printLine(
            """
            NSTM          \(environment.frameworkVersion)
            system        \(environment.system)
            memory        \(ProcessInfo.processInfo.physicalMemory >> 20) MiB
            threads       \(environment.threads) of \(processors) processors (NSTM_NUM_THREADS changes it)
            kernels       \(environment.kernels)\(MatmulPrecision.hasMatrixTiles ? ", matrix tiles for matmul-precision high" : "")
            OpenBLAS      core \(environment.openBLASCore); \(environment.openBLAS)
            HDF5          \(environment.hdf5)
            """)
        NSTMCommand.printLine("models        \(NSTMCommand.registries.models.names.joined(separator: ", "))")
        NSTMCommand.printLine("update rules  \(NSTMCommand.registries.strategies.updates.names.joined(separator: ", "))")
        NSTMCommand.printLine("datasets      \(NSTMCommand.registries.datasets.names.joined(separator: ", "))")
        let folder = DatasetFolder(data)
        for source in [DatasetSource.tinyShakespeare] {
            do {
                let file = try folder.resolve(source, download: false)
                NSTMCommand.printLine("  \(source.dataset): \(file.url.path)")
                if let warning = file.warning { NSTMCommand.printLine("  warning: \(warning)") }
            } catch {
                guard case .notFound(_, _, let paths, let address) = error else { throw error }
                NSTMCommand.printLine("  \(source.dataset): not found; searched " + paths.joined(separator: ", "))
                if data == nil { NSTMCommand.printLine("    the first training run downloads it from \(address)") }
            }
        }
        let slow = environment.slowdowns
        NSTMCommand.printLine(slow.isEmpty ? "no causes of slow execution found" : "causes of slow execution:")
        for reason in slow { NSTMCommand.printLine("  - \(reason)") }
    }
}
