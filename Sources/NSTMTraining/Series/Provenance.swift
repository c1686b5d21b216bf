import Foundation
import NSTMConfiguration
import NSTMModules

/// The origin of the results of a report: command, environment and commit.
package struct Provenance {
    let command: String
    let environment = RunEnvironment.current
    /// Commit of the repository of the current folder; nil outside of a repository or without git.
    let commit: String?

    init(command: String) {
        self.command = command
        commit = Provenance.git(["rev-parse", "--short=12", "HEAD"]).map { hash in
            let changes = Provenance.git(["status", "--porcelain", "--untracked-files=no"])
            return hash + (changes?.isEmpty == false ? " with changes" : "")
        }
    }
    /// The output of a git command in the current folder; nil if it fails.
    package static func git(_ arguments: [String]) -> String? {
        let process = Process(), output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["git"] + arguments
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return process.terminationStatus == 0 ? text.trimmingCharacters(in: .whitespacesAndNewlines) : nil
    }

    private var host: String {
        "NSTM \(environment.frameworkVersion), \(environment.threads) threads, \(environment.kernels) kernels, \(environment.system)"
    }
    var markdown: String {
        var out = ""
        if !command.isEmpty { out += "- command: `\(command)`\n" }
        out += "- computed with: \(host)\n"
        if let commit { out += "- commit of the current folder: \(commit)\n" }
        return out
    }
    var value: ConfigurationValue {
        .map([
            "command": .string(command), "version": .string(environment.frameworkVersion), "system": .string(environment.system),
            "threads": .int(environment.threads), "kernels": .string(environment.kernels),
            "openblas": .string(environment.openBLAS), "commit": commit.map(ConfigurationValue.string) ?? .null,
        ])
    }
}
