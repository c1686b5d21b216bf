import NSTMConfiguration
import NSTMData
import NSTMLayers
import NSTMModules

/// The settings of a model, which make it for the inputs and outputs of a dataset.
public protocol SequenceModelConfiguration: Configurable where Scope == Strategies {
    /// Settings that do not go with what the data has for inputs and outputs, with paths that begin below the model; none by
    /// default.
    func issues(_ input: ModelInput, _ output: ModelOutput) -> [ConfigurationError.Issue]
    /// The model, of settings that have been read and have no issues.
    func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel
}

extension SequenceModelConfiguration {
    public func issues(_ input: ModelInput, _ output: ModelOutput) -> [ConfigurationError.Issue] { [] }
}

extension Registry where Value == any SequenceModelConfiguration, Scope == Strategies {
    public init() { self.init("model", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds the settings of a model under the name of their type.
    public mutating func register<Settings: SequenceModelConfiguration>(_ type: Settings.Type) { register(type.init()) }
}

/// Sizes that models have in common, without those that the data gives.
public struct ModelSizes: Sendable, Equatable {
    /// Width of the model.
    public var width = 128
    /// Number of blocks.
    public var layers = 4
    /// Number of heads; nil: the model has none.
    public var heads: Int?
    /// Width of the feed-forward part; nil before it has been read, and in models without one.
    public var hidden: Int?
    /// Dropout probability.
    public var dropout = 0.0
    /// Whether blocks are recomputed in the backward pass.
    public var recompute = false
    public init(layers: Int = 4, heads: Int? = nil) {
        self.layers = layers
        self.heads = heads
    }

    /// Reads `width`, `layers`, `heads`, `hidden`, `dropout` and `recompute`; heads and hidden width only for models that have
    /// them.
    /// - Parameter usualHidden: default of the hidden width by the width; nil: the model has no feed-forward part.
    public mutating func read(_ reader: ConfigurationReader, hidden usualHidden: ((Int) -> Int)? = nil) {
        width = reader.int("width", default: width, in: 1...65_536)
        layers = reader.int("layers", default: layers, in: 1...1_000)
        if let given = heads {
            let count = reader.int("heads", default: given, in: 1...1_024)
            if width % count != 0 { reader.addIssue("heads", "\(count) does not divide the width \(width)") }
            heads = count
        }
        if let usualHidden { hidden = reader.int("hidden", default: hidden ?? usualHidden(width), in: 0...1_000_000) }
        dropout = reader.double("dropout", default: dropout, in: 0..<1)
        recompute = reader.bool("recompute", default: recompute)
    }
    /// Together with what the data gives.
    /// - Parameter positions: learned positions; nil: none.
    public func shape(_ input: ModelInput, _ output: ModelOutput, positions: Int? = nil) -> ModelConfiguration {
        var shape = ModelConfiguration(input: input, output: output)
        shape.width = width
        shape.layers = layers
        shape.heads = heads ?? 1
        shape.hidden = hidden ?? 0
        shape.dropout = dropout
        shape.recompute = recompute
        shape.positions = positions
        return shape
    }
}

extension ModelInput {
    public init(_ kind: InputKind) {
        switch kind {
        case .tokens(let vocabulary): self = .tokens(vocabulary: vocabulary)
        case .features(let width): self = .features(width: width)
        case .streams(let all): self = .streams(all.map { ModelInput($0) })
        }
    }
}

extension ModelOutput {
    public init(_ kind: TargetKind) {
        switch kind {
        case .nextToken(let vocabulary), .answers(let vocabulary): self = .nextToken(vocabulary: vocabulary)
        case .binary(let width), .values(let width): self = .perToken(width: width)
        case .classes(let count): self = .pooled(classes: count)
        }
    }
}
