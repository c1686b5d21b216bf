import ArgumentParser
import Foundation
import NSTM

struct CheckpointCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "checkpoint", abstract: "Examines checkpoints.", subcommands: [InfoCommand.self])
    }
}

struct InfoCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "info", abstract: "Verifies a checkpoint and lists its content.",
            discussion: """
                Example:
                  \(NSTMCommand.program) checkpoint info runs/tinyshakespeare-nstm/step-2000.h5
                """)
    }

    @Argument(help: checkpointHelp, transform: path) var checkpoint: String

    func run() throws {
        let found = try FoundCheckpoint(at: fileURL(checkpoint))
        if let warning = found.warning { NSTMCommand.printError(warning) }
        let info = try CheckpointFile.info(found.url)
        func decode<T: Decodable>(_ type: T.Type, _ name: String) throws -> T? {
            info.documents[name] == nil ? nil : try info.decode(type, document: name)
        }
        let position = try decode(Trainer.Position.self, "training"), data = try decode(DataDescription.self, "data")
        let environment = try decode(RunEnvironment.self, "environment")
        let size = CheckpointFile.Header.byteCount + info.header.payloadBytes
        NSTMCommand.printLine("\(info.url.shortPath): intact, \(grouped(size)) bytes, format \(info.header.formatVersion)")
        NSTMCommand.printLine("created      \(ISO8601DateFormatter().string(from: info.created))")
        if let position {
            NSTMCommand.printLine("step         \(grouped(position.step))")
            NSTMCommand.printLine("tokens       \(grouped(position.tokens))")
            NSTMCommand.printLine("optimizer    \(position.optimizer)")
        }
        if let data {
            NSTMCommand.printLine("data         \(data.name), fingerprint \(data.fingerprint.prefix(16))…")
        }
        if let environment {
            NSTMCommand.printLine(
                "environment  \(environment.line)\n             \(environment.system), HDF5 \(environment.hdf5)")
        }
        do {
            let config = try SavedModel.configuration(info.documents, path: info.url.path)
            NSTMCommand.printLine("configuration")
            for (path, value) in config.leaves where value != .null { NSTMCommand.printLine("  \(path): \(value.short)") }
        } catch SavedModel.Error.noConfiguration {}
        table(info)
    }

    private func table(_ info: CheckpointFile.Info) {
        let width = info.tensors.map(\.path.count).max() ?? 0
        NSTMCommand.printLine("tensors")
        for tensor in info.tensors {
            let path = tensor.path.padding(toLength: width + 2, withPad: " ", startingAt: 0)
            let shape = "\(tensor.shape)".padding(toLength: 18, withPad: " ", startingAt: 0)
            NSTMCommand.printLine(
                "  \(path)\(shape)\("\(tensor.dtype)".padding(toLength: 9, withPad: " ", startingAt: 0))"
                    + leftPadded(grouped(tensor.bytes), 13))
        }
        for list in info.integers { NSTMCommand.printLine("  \(list.path)  \(list.count) integers") }
        var totals: [(group: String, count: Int, bytes: Int)] = []
        for tensor in info.tensors {
            let group = String(tensor.path.prefix { $0 != "/" })
            if totals.last?.group != group { totals.append((group, 0, 0)) }
            totals[totals.count - 1].count += 1
            totals[totals.count - 1].bytes += tensor.bytes
        }
        for total in totals { NSTMCommand.printLine("\(total.group): \(total.count) tensors, \(grouped(total.bytes)) bytes") }
    }
}
