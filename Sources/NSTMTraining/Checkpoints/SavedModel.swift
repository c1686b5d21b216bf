import Foundation
import NSTMConfiguration
import NSTMData
import NSTMIO
import NSTMModules

/// A trained model from a checkpoint.
///
/// It is built from the stored configuration; the training data is not needed.
public struct SavedModel {
    /// Path of the checkpoint.
    public let url: URL
    /// Newer checkpoints of the folder that were skipped because they are not intact, newest first.
    public let skipped: [CheckpointFile.Skipped]
    /// The whole content of the checkpoint.
    public let archive: CheckpointArchive
    /// The resolved configuration of the run.
    public let configuration: ConfigurationValue
    /// Description of the training data.
    package let data: DataDescription
    /// The tokenizer of the training data; nil if it has none.
    public let tokenizer: CharacterTokenizer?
    /// Number of completed training steps.
    public let step: Int
    /// The model with the stored parameters.
    public let model: SequenceModel

    /// Loads a model.
    /// - Parameters:
    ///   - url: a checkpoint, or the folder of a run, whose newest intact checkpoint is used.
    ///   - registries: must have all strategies that the configuration names.
    /// - Throws: `CheckpointError`, `ConfigurationError`, `SavedModel.Error`.
    public init(_ url: URL, registries: Registries = .standard) throws {
        let (found, archive) = try FoundCheckpoint.read(at: url)
        try self.init(archive, of: found, registries: registries)
    }
    /// - Parameter archive: the content of the file.
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
        // A configuration that does not match the tensors is an error before memory is allocated for the model.
        let outline = try experiment.outline(input: data.input, target: data.target).parameters.all
        _ = try archive.tensors(under: "model", matching: outline.map { ($0.path, $0.value.shape, $0.value.dtype) })
        model = try experiment.model(input: data.input, target: data.target)
        try model.load(archive)
    }

    /// Checks that documents and tensors are consistent.
    private static func check(
        _ data: DataDescription, _ tokenizer: CharacterTokenizer?, _ archive: CheckpointArchive
    ) throws(CheckpointError) {
        func demand(_ issues: [String], _ name: String) throws(CheckpointError) {
            guard issues.isEmpty else {
                throw .invalidDocument(
                    path: archive.source ?? "the archive", name: name, reason: issues.joined(separator: "; "))
            }
        }
        // A model has a row per token, feature or class, so that larger sizes than all tensors are invalid.
        let largest = archive.tensors(under: "model").map(\.tensor.count).max() ?? 0
        try demand(data.issues(sizes: 1...max(65_536, largest)), "data")
        guard let tokenizer else { return }
        var issues: [String] = []
        if case .tokens(let size) = data.input, size != tokenizer.vocabulary {
            issues.append("the vocabulary has \(tokenizer.vocabulary) tokens, the input \(size)")
        }
        if case .nextToken(let size) = data.target, size != tokenizer.vocabulary {
            issues.append("the vocabulary has \(tokenizer.vocabulary) tokens, the target \(size)")
        }
        try demand(issues, "tokenizer")
    }
    /// The configuration in the documents of a checkpoint.
    /// - Parameter path: path of the checkpoint, for error messages.
    /// - Throws: `SavedModel.Error.noConfiguration`; `CheckpointError.invalidDocument` when it is not a JSON map.
    public static func configuration(_ documents: [String: String], path: String) throws -> ConfigurationValue {
        guard let text = documents["config"] else { throw SavedModel.Error.noConfiguration(path: path) }
        func invalid(_ reason: String) -> CheckpointError { .invalidDocument(path: path, name: "config", reason: reason) }
        let value: ConfigurationValue
        do { value = try ConfigurationValue(json: text) } catch { throw invalid("\(error)") }
        switch value {
        case .map: return value
        case .null: throw SavedModel.Error.noConfiguration(path: path)
        default: throw invalid("expected a map, found \(value.summary)")
        }
    }
}

/// The checkpoint that a path refers to: the file itself, or the newest intact one in the folder of a run.
package struct FoundCheckpoint: Sendable {
    /// Path of the checkpoint.
    package let url: URL
    /// Newer checkpoints of the folder that are not intact, newest first.
    package let skipped: [CheckpointFile.Skipped]

    /// - Throws: `SavedModel.Error.noCheckpoint` when a folder has none, `CheckpointError.noUsableCheckpoint` when none is
    ///   intact.
    package init(at url: URL) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue else {
            self.url = url
            skipped = []
            return
        }
        guard let latest = try RunFolder(url).newest() else { throw SavedModel.Error.noCheckpoint(folder: url.path) }
        self.url = latest.info.url
        skipped = latest.skipped
    }
    /// The checkpoint that a path refers to, with its content.
    ///
    /// A run that is still training may delete the newest checkpoint of its folder before it is read, after it has saved a newer
    /// one; then the folder is searched again.
    /// - Throws: the errors of `init(at:)` and `CheckpointFile.read`.
    package static func read(at url: URL) throws -> (found: FoundCheckpoint, archive: CheckpointArchive) {
        for _ in 0..<100 {
            let found = try FoundCheckpoint(at: url), archive = Result { try CheckpointFile.read(found.url) }
            if case .failure(CheckpointError.notFound) = archive, found.url != url { continue }
            return (found, try archive.get())
        }
        throw SavedModel.Error.noCheckpoint(folder: url.path)
    }
    /// A warning for the user about skipped checkpoints; nil without any.
    package var warning: String? { FoundCheckpoint.warning(skipped) }
    static func warning(_ skipped: [CheckpointFile.Skipped]) -> String? {
        guard !skipped.isEmpty else { return nil }
        return "warning: skipped \(skipped.count) newer checkpoint(s) that are not intact:"
            + skipped.map { "\n  - \($0)" }.joined()
    }
}

extension SavedModel {
    /// A warning for the user about skipped checkpoints; nil without any.
    public var warning: String? { FoundCheckpoint.warning(skipped) }
    /// Path and step of the checkpoint, for messages.
    public var title: String { "\(url.shortPath), step \(step)" }

    /// An error of loading a model from a checkpoint.
    public enum Error: Swift.Error, Sendable, Equatable, CustomStringConvertible {
        /// A folder has no checkpoints.
        case noCheckpoint(folder: String)
        /// The checkpoint has no configuration, because its model was built in code.
        case noConfiguration(path: String)
        /// The model has no layers with explicit states, which the operation requires.
        case noStates(path: String)

        public var description: String {
            switch self {
            case .noCheckpoint(let folder): "\(folder): the folder has no checkpoint (step-<n>.h5)"
            case .noStates(let path): "\(path): the model has no layers with explicit states"
            case .noConfiguration(let path):
                "\(path): the checkpoint has no configuration, because its model was built in code. Build the same model there and "
                    + "call model.load(archive)."
            }
        }
    }
}
