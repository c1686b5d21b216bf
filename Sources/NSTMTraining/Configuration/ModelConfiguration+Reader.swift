import Foundation
import NSTMConfiguration
import NSTMData
import NSTMLayers
import NSTMModules
import NSTMTensor

extension ModelConfiguration {
    /// Reads `width`, `layers`, `heads`, `hidden`, `dropout` and `recompute`; heads and hidden width only for models that have them.
    init(
        _ config: ConfigurationReader, _ input: ModelInput, _ output: ModelOutput, layers count: Int = 4,
        heads headCount: Int? = 4,
        hidden hiddenWidth: ((Int) -> Int)?
    ) {
        self.init(input: input, output: output)
        width = config.int("width", default: 128, in: 1...65_536)
        layers = config.int("layers", default: count, in: 1...1_000)
        heads = headCount.map { config.int("heads", default: $0, in: 1...1_024) } ?? 1
        if width % heads != 0 { config.addIssue("heads", "\(heads) does not divide the width \(width)") }
        hidden = hiddenWidth.map { config.int("hidden", default: $0(width), in: 0...1_000_000) } ?? 0
        dropout = config.double("dropout", default: 0, in: 0..<1)
        recompute = config.bool("recompute", default: false)
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
        case .binary(let width): self = .perToken(width: width)
        case .classes(let count): self = .pooled(classes: count)
        }
    }
}
