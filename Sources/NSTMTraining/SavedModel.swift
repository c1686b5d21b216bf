import Foundation
import NSTMData
import NSTMIO
import NSTMModules

/// A trained model as a checkpoint holds it: built again from the stored configuration, without the data it was trained on.
public struct SavedModel {
    /// Where the checkpoint was read from.
    public let url: URL
    public let archive: CheckpointArchive
    public let configuration: ConfigValue
    public let data: DataDescription
    public let tokenizer: CharacterTokenizer?
    public let step: Int
    public let model: SequenceModel

    /// - Parameters:
    ///   - url: a checkpoint, or the folder of a run, of which the newest intact checkpoint is taken.
    ///   - catalogue: must know all strategies that the configuration names.
    /// - Throws: `CheckpointError`, `ConfigurationError`, `SavedModelError`.
    public init(_ url: URL, catalogue: Catalogue = .standard) throws {
        self.url = try SavedModel.checkpoint(at: url)
        archive = try CheckpointFile.read(self.url)
        configuration = try SavedModel.configuration(archive.documents, path: self.url.path)
        data = try archive.decode(DataDescription.self, document: "data")
        let hasTokenizer = archive.documents["tokenizer"] != nil
        tokenizer = hasTokenizer ? try archive.decode(CharacterTokenizer.self, document: "tokenizer") : nil
        step = try archive.decode(Trainer.Position.self, document: "training").step
        let experiment = try Experiment(configuration, catalogue: catalogue)
        model = try experiment.model(input: data.input, target: data.target)
        try model.load(archive)
    }

    /// The checkpoint itself, or the newest intact one of a folder.
    public static func checkpoint(at url: URL) throws -> URL {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue else { return url }
        guard let latest = try RunFolder(url).newest() else { throw SavedModelError.noCheckpoint(folder: url.path) }
        return latest.info.url
    }
    /// The configuration among the documents of a checkpoint.
    public static func configuration(_ documents: [String: String], path: String) throws -> ConfigValue {
        guard let text = documents["config"], case let value = try ConfigValue(json: text), value != .null else {
            throw SavedModelError.noConfiguration(path: path)
        }
        return value
    }
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
