import Foundation
import NSTMConfiguration
import NSTMData
import NSTMIO
import NSTMModules

/// A trained model as a checkpoint holds it: built again from the stored configuration, without the data it was trained on.
public struct SavedModel {
    /// Where the checkpoint was read from.
    public let url: URL
    /// Newer checkpoints of the folder that were passed over because they are not intact, newest first.
    public let skipped: [SkippedCheckpoint]
    public let archive: CheckpointArchive
    public let configuration: ConfigurationValue
    public let data: DataDescription
    public let tokenizer: CharacterTokenizer?
    public let step: Int
    public let model: SequenceModel

    /// - Parameters:
    ///   - url: a checkpoint, or the folder of a run, of which the newest intact checkpoint is taken.
    ///   - registries: must know all strategies that the configuration names.
    /// - Throws: `CheckpointError`, `ConfigurationError`, `SavedModelError`.
    public init(_ url: URL, registries: Registries = .standard) throws {
        let (found, archive) = try FoundCheckpoint.read(at: url)
        try self.init(archive, of: found, registries: registries)
    }
    /// - Parameter archive: what the file has.
    package init(_ archive: CheckpointArchive, of found: FoundCheckpoint, registries: Registries = .standard) throws {
        self.archive = archive
        url = found.url
        skipped = found.skipped
        configuration = try SavedModel.configuration(archive.documents, path: self.url.path)
        data = try archive.decode(DataDescription.self, document: "data")
        let hasTokenizer = archive.documents["tokenizer"] != nil
        tokenizer = hasTokenizer ? try archive.decode(CharacterTokenizer.self, document: "tokenizer") : nil
        try SavedModel.check(data, tokenizer, archive)
        step = try archive.decode(Trainer.Position.self, document: "training").step
        let experiment = try Experiment(configuration, registries: registries)
        // A configuration of another model is refused before memory is taken for it.
        let outline = try experiment.outline(input: data.input, target: data.target).parameters.all
        _ = try archive.tensors(under: "model", matching: outline.map { ($0.path, $0.value.shape, $0.value.dtype) })
        model = try experiment.model(input: data.input, target: data.target)
        try model.load(archive)
    }

    /// What one document says must fit what the others and the tensors say.
    private static func check(
        _ data: DataDescription, _ tokenizer: CharacterTokenizer?, _ archive: CheckpointArchive
    ) throws(CheckpointError) {
        func demand(_ issues: [String], _ name: String) throws(CheckpointError) {
            guard issues.isEmpty else {
                throw .invalidDocument(
                    path: archive.source ?? "the archive", name: name, reason: issues.joined(separator: "; "))
            }
        }
        // A model has a row for each token, each feature and each class: sizes beyond all tensors would only take memory.
        let largest = archive.tensors(under: "model").map(\.tensor.count).max() ?? 0
        try demand(data.issues(sizes: 1...max(65_536, largest)), "data")
        guard let tokenizer else { return }
        var issues: [String] = []
        if case .tokens(let size) = data.input, size != tokenizer.vocabulary {
            issues.append("\(tokenizer.vocabulary) tokens for an input of \(size)")
        }
        if case .nextToken(let size) = data.target, size != tokenizer.vocabulary {
            issues.append("\(tokenizer.vocabulary) tokens for a target of \(size)")
        }
        try demand(issues, "tokenizer")
    }
    /// The configuration among the documents of a checkpoint.
    /// - Throws: `SavedModelError.noConfiguration`; `CheckpointError.invalidDocument` when it is not a map in JSON.
    public static func configuration(_ documents: [String: String], path: String) throws -> ConfigurationValue {
        guard let text = documents["config"] else { throw SavedModelError.noConfiguration(path: path) }
        func invalid(_ reason: String) -> CheckpointError { .invalidDocument(path: path, name: "config", reason: reason) }
        let value: ConfigurationValue
        do { value = try ConfigurationValue(json: text) } catch { throw invalid("\(error)") }
        switch value {
        case .map: return value
        case .null: throw SavedModelError.noConfiguration(path: path)
        default: throw invalid("expected a map, found \(value.summary)")
        }
    }
}

/// The checkpoint that a path stands for: the file itself, or the newest intact one of a run's folder.
public struct FoundCheckpoint: Sendable {
    public let url: URL
    /// Newer ones of the folder that are not intact, newest first, and why.
    public let skipped: [SkippedCheckpoint]

    /// - Throws: `SavedModelError.noCheckpoint` when a folder has none, `CheckpointError.noUsableCheckpoint` when none is intact.
    public init(at url: URL) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue else {
            self.url = url
            skipped = []
            return
        }
        guard let latest = try RunFolder(url).newest() else { throw SavedModelError.noCheckpoint(folder: url.path) }
        self.url = latest.info.url
        skipped = latest.skipped
    }
    /// A checkpoint found and read. A run that is still training may delete the newest checkpoint of its folder between the two, after
    /// it has saved a newer one: then the folder is searched again.
    /// - Throws: as `init(at:)` and `CheckpointFile.read`.
    package static func read(at url: URL) throws -> (found: FoundCheckpoint, archive: CheckpointArchive) {
        for _ in 0..<100 {
            let found = try FoundCheckpoint(at: url), archive = Result { try CheckpointFile.read(found.url) }
            if case .failure(CheckpointError.notFound) = archive, found.url != url { continue }
            return (found, try archive.get())
        }
        throw SavedModelError.noCheckpoint(folder: url.path)
    }
    /// What the user has to hear before results of an older checkpoint are shown as those of the run.
    public var warning: String? { FoundCheckpoint.warning(skipped) }
    static func warning(_ skipped: [SkippedCheckpoint]) -> String? {
        guard !skipped.isEmpty else { return nil }
        return "warning: passed over \(skipped.count) newer checkpoint(s) that are not intact:"
            + skipped.map { "\n  - \($0)" }.joined()
    }
}

extension SavedModel {
    /// As `FoundCheckpoint.warning`.
    public var warning: String? { FoundCheckpoint.warning(skipped) }
    /// The file and its step, for people.
    public var title: String { "\(url.shortPath), step \(step)" }
}

/// Why a checkpoint cannot be used as a model.
public enum SavedModelError: Error, Sendable, Equatable, CustomStringConvertible {
    case noCheckpoint(folder: String)
    case noConfiguration(path: String)
    case noStates(path: String)

    public var description: String {
        switch self {
        case .noCheckpoint(let folder): "\(folder): the folder has no checkpoint (step-<n>.h5)"
        case .noStates(let path): "\(path): the model has no layers of explicit states"
        case .noConfiguration(let path):
            "\(path): the checkpoint has no configuration, because its model was built in code. Build the same model there and "
                + "call model.load(archive)."
        }
    }
}
