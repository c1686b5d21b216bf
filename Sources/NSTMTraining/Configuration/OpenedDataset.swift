import Foundation
import NSTMConfiguration
import NSTMData
import NSTMLayers
import NSTMModules
import NSTMTensor

extension OpenedDataset {
    /// What a dataset may need while it is opened.
    public struct Options: Sendable {
        /// Told of bytes while a file is fetched.
        public var progress: DatasetFolder.Progress?
        /// The tokenizer of a model in use; nil makes one from the data.
        public var tokenizer: CharacterTokenizer?
        public init(progress: DatasetFolder.Progress? = nil, tokenizer: CharacterTokenizer? = nil) {
            self.progress = progress
            self.tokenizer = tokenizer
        }
        /// - Throws: `ConfigurationError` if a configuration requires other tokens than those of the model.
        func check(_ unit: CharacterTokenizer.Unit) throws(ConfigurationError) {
            guard let tokenizer, tokenizer.unit != unit else { return }
            throw ConfigurationError([
                ConfigurationError.Issue(
                    path: "data.unit", kind: .rule,
                    message: "\(unit.rawValue), and a token of the trained model is a \(tokenizer.unit.rawValue)")
            ])
        }
    }
}

/// A dataset ready for use, its tokenizer when it has one, and what the user should know about where it came from.
public struct OpenedDataset: Sendable {
    public let dataset: any Dataset
    public let tokenizer: CharacterTokenizer?
    public let warning: String?
    public init(_ dataset: any Dataset, tokenizer: CharacterTokenizer? = nil, warning: String? = nil) {
        self.dataset = dataset
        self.tokenizer = tokenizer
        self.warning = warning
    }
}
