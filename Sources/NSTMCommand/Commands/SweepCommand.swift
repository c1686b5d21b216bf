import ArgumentParser
import Foundation
import NSTM

struct SweepCommand: WritesFiles {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "sweep", abstract: "Trains every combination of values of configuration keys, with several seeds.",
            discussion: """
                The file is a plan (with the keys base and values), or a configuration as for train, to which --values and --seeds \
                are added. The output folder contains table.md, results.csv (a line per combination), runs.csv (a line per run), \
                charts (SVG), the plan, and a folder per run. --resume continues a sweep that was stopped or killed; completed runs \
                are not repeated. A run that fails or diverges is counted and does not stop the others.

                Examples:
                  \(NSTMCommand.program) sweep Configurations/copy-nstm.yaml --values model.width=32,64,128 --seeds 5
                  \(NSTMCommand.program) sweep Configurations/copy-nstm.yaml --values "model.update={type: gru},{type: delta}" \
                --values training.schedule.learning-rate=1e-3,3e-3 --output runs/rules
                  \(NSTMCommand.program) sweep Examples/Sweep/sweep-copy.yaml
                  \(NSTMCommand.program) sweep Examples/Sweep/sweep-copy.yaml --resume
                """)
    }
    @Argument(help: ArgumentHelp("A plan, or a configuration (YAML).", valueName: "file"), transform: path) var file: String
    @Option(
        help: ArgumentHelp(
            "Values of a key in YAML, separated by commas; replaces those of the plan; may be repeated.",
            valueName: "key.path=v1,v2,…")) var values: [String] = []
    @Option(help: ArgumentHelp("Trains with the seeds 1 to this number (default: the seeds of the file).", valueName: "number"))
    var seeds: Int?
    @OptionGroup var options: SeriesOptions

    func validate() throws {
        if let seeds, !(1...10_000).contains(seeds) { throw ValidationError("--seeds must be from 1 to 10000") }
    }

    func run() throws {
        let name = fileURL(file).deletingPathExtension().lastPathComponent
        let given = try ConfigurationValue(yamlFile: fileURL(file))
        let isPlan = given[path: "base"] != nil || given[path: "values"] != nil
        try options.run(Sweep.self, try plan(given, isPlan, name), name: isPlan ? name : name + "-sweep")
    }

    /// The plan of the file and the options.
    /// - Throws: `ConfigurationError` with the issues of all options.
    private func plan(_ given: ConfigurationValue, _ isPlan: Bool, _ name: String) throws -> ConfigurationValue {
        var given = given, issues: [ConfigurationError.Issue] = []
        do { try given.apply(overrides: options.set) } catch { issues += error.issues }
        var lists = ConfigurationValue.Map()
        for text in values {
            do {
                let (key, list) = try SweepCommand.list(text)
                if lists[key] != nil { issues.append(SweepCommand.issue(key, "is given more than once")) }
                lists[key] = list
            } catch { issues += error.issues }
        }
        guard issues.isEmpty else { throw ConfigurationError(issues) }

        var plan = ConfigurationValue.Map()
        if isPlan, case .map(let map) = given {
            plan = map
        } else if case .map(var map) = given {
            // The seed of a configuration is that of the sweep.
            if let seed = map["seed"], seed != .null { plan["seeds"] = .list([seed]) }
            map["seed"] = nil
            plan["title"] = .string(name)
            plan["base"] = .map(map)
        } else {
            plan["base"] = given
        }
        if !lists.isEmpty {
            let own: ConfigurationValue.Map = if case .map(let map)? = plan["values"] { map } else { [:] }
            plan["values"] = .map(ConfigurationValue.Map(own.pairs + lists.pairs))
        }
        if let seeds { plan["seeds"] = .list((1...seeds).map(ConfigurationValue.int)) }
        return .map(plan)
    }
    /// The key and the values of an option.
    private static func list(_ text: String) throws(ConfigurationError) -> (key: String, list: ConfigurationValue) {
        guard let sign = text.firstIndex(of: "="), sign != text.startIndex else {
            throw ConfigurationError([issue(text, "values have the form key.path=v1,v2,…")])
        }
        let key = String(text[..<sign]), values = text[text.index(after: sign)...]
        guard values.contains(where: { !$0.isWhitespace }) else {
            throw ConfigurationError([issue(key, "the values are missing")])
        }
        return (key, try ConfigurationValue(yamlDocument: "[\(values)]", name: "--values \(key)"))
    }
    private static func issue(_ key: String, _ message: String) -> ConfigurationError.Issue {
        ConfigurationError.Issue(path: "--values \(key)", kind: .override, message: message)
    }
}
