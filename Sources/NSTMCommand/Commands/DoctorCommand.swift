import ArgumentParser
import Foundation
import NSTM

struct DoctorCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "doctor", abstract: "Says what this machine has, what is missing, and what would be slow and why.",
            discussion: """
                Example:
                  \(NSTMCommand.program) doctor --data ~/datasets
                """)
    }

    @Option(help: ArgumentHelp("A folder to look for datasets in.", valueName: "folder"), transform: path) var data: String?

    func run() throws {
        let environment = RunEnvironment.current
        let processors = ProcessInfo.processInfo.activeProcessorCount
        NSTMCommand.say(
            """
            NSTM          \(environment.frameworkVersion)
            system        \(environment.system)
            memory        \(ProcessInfo.processInfo.physicalMemory >> 20) MiB
            threads       \(environment.threads) of \(processors) processors (NSTM_NUM_THREADS changes it)
            kernels       \(environment.kernels)\(MatmulPrecision.hasMatrixTiles ? ", matrix tiles for matmul-precision high" : "")
            OpenBLAS      core \(environment.openBLASCore); \(environment.openBLAS)
            HDF5          \(environment.hdf5)
            """)
        NSTMCommand.say("models        \(NSTMCommand.registries.models.names.joined(separator: ", "))")
        NSTMCommand.say("update rules  \(NSTMCommand.registries.strategies.updates.names.joined(separator: ", "))")
        NSTMCommand.say("datasets      \(NSTMCommand.registries.datasets.names.joined(separator: ", "))")
        let folder = DatasetFolder(data)
        for source in [DatasetSource.tinyShakespeare] {
            do {
                let file = try folder.resolve(source, download: false)
                NSTMCommand.say("  \(source.dataset): \(file.url.path)")
                if let warning = file.warning { NSTMCommand.say("  warning: \(warning)") }
            } catch {
                guard case .notFound(_, _, let places, let address) = error else { throw error }
                NSTMCommand.say("  \(source.dataset): not here; looked at " + places.joined(separator: ", "))
                if data == nil { NSTMCommand.say("    the first training downloads it from \(address)") }
            }
        }
        let slow = environment.slowdowns
        NSTMCommand.say(slow.isEmpty ? "nothing here makes it slower than need be" : "slower than need be:")
        for reason in slow { NSTMCommand.say("  - \(reason)") }
    }
}
