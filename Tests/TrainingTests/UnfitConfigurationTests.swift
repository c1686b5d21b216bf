import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules
import NSTMTensor
import Testing

import NSTMTraining

/// Settings that are valid one by one and cannot work together, and models that are too large, are refused before anything is
/// built.
@Suite struct UnfitConfigurationTests {
    private func experiment(_ text: String...) throws -> Experiment {
        var config = ConfigurationValue.map([:])
        try config.apply(overrides: ["data.type=copy", "data.maximum-length=4", "model.width=8"] + text)
        return try Experiment(config)
    }
    private func refusal(_ experiment: Experiment, input: InputKind? = nil) throws -> String {
        let data = try experiment.openDataset()
        let error = #expect(throws: (any Error).self) {
            if let input {
                _ = try experiment.model(input: input, target: .classes(count: 2))
            } else {
                _ = try experiment.trainer(data)
            }
        }
        return error.map { "\($0)" } ?? ""
    }

    @Test func lengthsThatDoNotFit() throws {
        let hyena = try refusal(try experiment("model.type=hyena", "model.length=8"))
        #expect(hyena.contains("sequences of 9 positions") && hyena.contains("(model.length)"), "\(hyena)")
        let image = try refusal(
            try experiment(
                "model.embedders.features.type=image", "model.embedders.features.height=8", "model.embedders.features.width=8"))
        #expect(image.contains("model.embedders"), "\(image)")
        _ = try experiment("model.type=hyena", "model.length=9").trainer(try experiment().openDataset())
    }
    @Test func bytesTakeBytesOnly() throws {
        let bytes = try experiment("model.embedders.tokens.type=bytes")
        let error = try refusal(bytes, input: .tokens(vocabulary: 60))
        #expect(error.contains("model.embedders.tokens.type") && error.contains("60"), "\(error)")
        _ = try bytes.model(input: .tokens(vocabulary: 256), target: .classes(count: 2))
    }
    /// Would take terabytes; nothing is allocated until it is known.
    @Test func modelsBeyondTheMemoryAreRefused() throws {
        for settings in [
            ["model.width=65536", "model.layers=1000"], ["model.type=transformer", "model.width=65536", "model.layers=1000"],
            ["training.batch=1000000", "data.maximum-length=100000", "model.layers=100"],
        ] {
            var config = ConfigurationValue.map([:])
            try config.apply(overrides: ["data.type=copy"] + settings)
            let experiment = try Experiment(config)
            let error = #expect(throws: (any Error).self, "\(settings)") { try experiment.trainer(try experiment.openDataset()) }
            guard settings[0] != "model.type=transformer" else { continue }
            let memory = try #require(error as? MemoryError)
            #expect(memory.needed > memory.available && memory.description.contains("bytes"))
        }
    }
    /// The outline has the shapes of the model for every kind, and no memory.
    @Test func outlinesHaveTheShapesOfModels() throws {
        for kind in Registries.standard.models.names {
            let own = try experiment("model.type=\(kind)", "model.width=32"), input = InputKind.tokens(vocabulary: 7)
            let outline = try own.outline(input: input, target: .nextToken(vocabulary: 7))
            let model = try own.model(input: input, target: .nextToken(vocabulary: 7))
            #expect(outline.parameters.all.map(\.path) == model.parameters.all.map(\.path))
            #expect(outline.parameters.all.map(\.value.shape) == model.parameters.all.map(\.value.shape))
            #expect(outline.parameters.trainableCount == model.parameters.trainableCount)
            #expect(outline.maxSequenceLength == model.maxSequenceLength)
        }
    }
}
