import ArgumentParser
import Foundation
import NSTM

struct RobustnessCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        let tokens = InputNoise.Kind.allCases.filter(\.isOfTokens).map(\.rawValue).joined(separator: ", ")
        let features = InputNoise.Kind.allCases.filter { !$0.isOfTokens }.map(\.rawValue).joined(separator: ", ")
        return CommandConfiguration(
            commandName: "robustness", abstract: "Measures trained models with noise on their inputs.",
            discussion: """
                Every run is measured on the validation split as it is and at several strengths of each kind of noise. Targets are \
                never touched, and all runs meet the same noise. Kinds for tokens: \(tokens); for features: \(features).

                A run is called by its folder, MODEL/seed-N by MODEL; NAME=PATH gives another name. Runs of one name are seeds of one \
                model.

                Examples:
                  \(NSTMCommand.program) robustness runs/compare-tinyshakespeare/*/seed-* --output runs/noise
                  \(NSTMCommand.program) robustness runs/mnist-nstm ours=runs/mine --noise gaussian,shot --set data.evaluation=test
                  \(NSTMCommand.program) robustness runs/tinyshakespeare-nstm --noise replaced-tokens --strengths 0.05,0.5
                """)
    }

    @Argument(help: ArgumentHelp("Checkpoints, or folders of runs, trained on the same data.", valueName: "runs")) var runs:
        [String]
    @Option(help: ArgumentHelp("Kinds, separated by commas (default: all that fit).", valueName: "kinds")) var noise: String?
    @Option(help: ArgumentHelp("Strengths, separated by commas (default: five of each kind).", valueName: "numbers"))
    var strengths: String?
    @Option(help: "Of the noise.") var seed = 1
    @Option(help: ArgumentHelp("Where robustness.md, robustness.csv and the curves go.", valueName: "folder"), transform: path)
    var output: String?
    @Option(help: ArgumentHelp("What the others are compared with (default: the first).", valueName: "name")) var reference:
        String?
    @Option(help: ArgumentHelp("Where datasets are; nothing is downloaded then.", valueName: "folder"), transform: path)
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
        if runs.isEmpty { issues.append("a run is needed") }
        for kind in kinds ?? [] where !known.contains(kind) {
            issues.append("--noise \(kind) is not one of \(known.joined(separator: ", "))")
        }
        if kinds?.isEmpty == true { issues.append("--noise needs a kind") }
        if numbers?.isEmpty == true || numbers?.contains(nil) == true {
            issues.append("--strengths needs numbers, separated by commas")
        }
        if let reference, !named.contains(where: { $0.name == reference }) {
            issues.append("--reference \(reference) is not one of \(named.map(\.name).joined(separator: ", "))")
        }
        if !issues.isEmpty { throw ValidationError(issues.joined(separator: "\n")) }
    }

    func run() throws {
        let (kinds, strengths) = parts
        var study: RobustnessStudy?, models: [SavedModel] = []
        // All are opened before the first is measured: an issue ends it before there is a result.
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
        var report: RobustnessReport?
        for (i, (name, path)) in named.enumerated() {
            NSTMCommand.say("\(name): \(models[i].title)")
            try study!.measure(models[i].model, name: name, run: path) { result in
                let noise = result.noise.map { "\($0.kind.rawValue) \($0.strength)" } ?? "clean"
                NSTMCommand.say("  \(noise): \(result.metrics)")
            }
            // What is there when somebody stops a long study is kept.
            let measured = named[...i].contains { $0.name == reference } ? reference : nil
            report = study!.report(reference: measured, command: SeriesOptions.command)
            if let output { try report!.write(to: fileURL(output)) }
        }
        guard let output else { return NSTMCommand.say("\n" + report!.markdown) }
        NSTMCommand.say("results  \(fileURL(output).shortPath)")
    }
}
