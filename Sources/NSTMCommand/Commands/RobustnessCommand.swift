import ArgumentParser
import Foundation
import NSTM

struct RobustnessCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        let tokens = InputNoise.Kind.allCases.filter(\.isOfTokens).map(\.rawValue).joined(separator: ", ")
        let features = InputNoise.Kind.allCases.filter { !$0.isOfTokens }.map(\.rawValue).joined(separator: ", ")
        return CommandConfiguration(
            commandName: "robustness", abstract: "Evaluates trained models with noise on their inputs.",
            discussion: """
                Every run is evaluated on the clean validation split and with several strengths of each kind of noise. Targets are \
                unchanged, and the noise is the same for all runs. Kinds for tokens: \(tokens); for features: \(features).

                The name of a run is that of its folder, and MODEL for MODEL/seed-N; NAME=PATH sets another name. Runs with the same \
                name are treated as seeds of one model.

                Examples:
                  \(NSTMCommand.program) robustness runs/compare-tinyshakespeare/*/seed-* --output runs/noise
                  \(NSTMCommand.program) robustness runs/mnist-nstm ours=runs/mine --noise gaussian,shot --set data.evaluation=test
                  \(NSTMCommand.program) robustness runs/tinyshakespeare-nstm --noise replaced-tokens --strengths 0.05,0.5
                """)
    }

    @Argument(help: ArgumentHelp("Checkpoints, or folders of runs, trained on the same data.", valueName: "runs")) var runs:
        [String]
    @Option(help: ArgumentHelp("Kinds of noise, separated by commas (default: all for the inputs).", valueName: "kinds"))
    var noise: String?
    @Option(help: ArgumentHelp("Strengths, separated by commas (default: five per kind).", valueName: "numbers"))
    var strengths: String?
    @Option(help: "Random seed of the noise.") var seed = 1
    @Option(
        help: ArgumentHelp("Output folder for robustness.md, robustness.csv and charts.", valueName: "folder"), transform: path)
    var output: String?
    @Option(help: ArgumentHelp("Model that the others are compared with (default: the first).", valueName: "name")) var reference:
        String?
    @Option(help: dataHelp, transform: path)
    var data: String?
    @Option(help: ArgumentHelp("Changes a key under data or training.evaluation; may be repeated.", valueName: "key.path=value"))
    var set: [String] = []

    private var parts: (kinds: [String]?, strengths: [Double?]?) {
        func list(_ text: String) -> [String] { text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } }
        return (noise.map(list), strengths.map { list($0).map(Double.init) })
    }
    private var named: [(name: String, path: String)] {
        runs.map { run in
            if let sign = run.firstIndex(of: "="), sign != run.startIndex,
                !FileManager.default.fileExists(atPath: fileURL(run).path)
            {
                return (String(run[..<sign]), String(run[run.index(after: sign)...]))
            }
            var isFolder: ObjCBool = false
            let url = fileURL(run), exists = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
            let isFile = exists ? !isFolder.boolValue : url.pathExtension == "h5"
            let folder = isFile ? url.deletingLastPathComponent() : url
            let isSeed = folder.lastPathComponent.wholeMatch(of: /seed-\d+/) != nil
            return ((isSeed ? folder.deletingLastPathComponent() : folder).lastPathComponent, run)
        }
    }

    func validate() throws {
        var issues: [String] = []
        let known = InputNoise.Kind.allCases.map(\.rawValue), (kinds, numbers) = parts
        if runs.isEmpty { issues.append("at least one run is required") }
        for kind in kinds ?? [] where !known.contains(kind) {
            issues.append("--noise \(kind) is not one of \(known.joined(separator: ", "))")
        }
        if kinds?.isEmpty == true { issues.append("--noise must have at least one kind") }
        if numbers?.isEmpty == true || numbers?.contains(nil) == true {
            issues.append("--strengths must be numbers, separated by commas")
        }
        if let reference, !named.contains(where: { $0.name == reference }) {
            issues.append("--reference \(reference) is not one of \(named.map(\.name).joined(separator: ", "))")
        }
        // A run that is counted twice would make deviations too small.
        for (i, run) in named.enumerated()
        where named[..<i].contains(where: { $0.name == run.name && FileIdentity.isSame(fileURL($0.path), fileURL(run.path)) }) {
            issues.append("\(run.path) is given more than once")
        }
        if !issues.isEmpty { throw ValidationError(issues.joined(separator: "\n")) }
    }

    func run() throws {
        let (kinds, strengths) = parts
        var study: RobustnessStudy?, models: [SavedModel] = []
        // All runs are opened before the first evaluation, so that issues are reported at the start.
        for (_, path) in named {
            let opened = try EvaluationData(path, set: set, data: data)
            if study == nil {
                study = try RobustnessStudy(
                    opened.dataset, kinds: kinds.map { $0.compactMap(InputNoise.Kind.init) },
                    strengths: strengths.map { $0.compactMap(\.self) }, seed: seed, batch: opened.settings.evaluationBatch,
                    limit: opened.settings.evaluationLimit)
            } else if study!.dataset.fingerprint != opened.dataset.fingerprint {
                throw CommandError.otherData(paths: [named[0].path, path])
            }
            models.append(opened.saved)
        }
        if let output { try ResultFile.prepare(fileURL(output)) }
        var report: RobustnessReport?
        for (i, (name, path)) in named.enumerated() {
            NSTMCommand.printLine("\(name): \(models[i].title)")
            try study!.measure(models[i].model, name: name, run: path) { result in
                let noise = result.noise.map { "\($0.kind.rawValue) \($0.strength)" } ?? "clean"
                NSTMCommand.printLine("  \(noise): \(result.metrics)")
            }
            // Written after every run, so that an interrupted study keeps its results.
            let measured = named[...i].contains { $0.name == reference } ? reference : nil
            report = study!.report(reference: measured, command: SeriesOptions.command)
            if let output { try report!.write(to: fileURL(output)) }
        }
        guard let output else { return NSTMCommand.printLine("\n" + report!.markdown) }
        NSTMCommand.printLine("results  \(fileURL(output).shortPath)")
    }
}
