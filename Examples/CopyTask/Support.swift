import Foundation
import NSTM

struct Failure: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
}

/// `--name value` arguments.
struct Options {
    private let values: [String: String]

    init(_ arguments: [String] = Array(CommandLine.arguments.dropFirst())) {
        let known = ["--steps", "--seed", "--seeds", "--output", "--verify"]
        var values: [String: String] = [:], rest = arguments[...]
        while let name = rest.popFirst() {
            guard known.contains(name), let value = rest.popFirst() else {
                let isHelp = name == "--help" || name == "-h"
                let usage =
                    "usage: CopyTask [--steps NUMBER] [--seed NUMBER] [--output FOLDER]\n       CopyTask --seeds NUMBER [--seed FIRST] [--steps NUMBER]\n"
                Console.write(usage, to: isHelp ? .output : .error)
                exit(isHelp ? 0 : 64)
            }
            values[name] = value
        }
        self.values = values
    }
    subscript(name: String) -> String? { values[name] }
    func number(_ name: String) -> Int? {
        guard let text = values[name] else { return nil }
        guard let number = Int(text), number > 0 else {
            printError("error: \(name) needs a number above 0")
            exit(64)
        }
        return number
    }
}

func say(_ text: String) { Console.line(text) }
func printError(_ text: String) { Console.line(text, to: .error) }

/// Runs this program again and returns what it prints.
func runSelf(_ arguments: [String]) throws -> String {
    let process = Process(), pipe = Pipe()
    process.executableURL = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0])
    process.arguments = arguments
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        throw Failure(text: "the new process ended with status \(process.terminationStatus)")
    }
    return String(decoding: output, as: UTF8.self)
}
