import Foundation
import NSTMAutograd
import NSTMData
import NSTMIO
import NSTMLayers
import NSTMModules
import NSTMOptim
import NSTMTensor

extension SequenceModel {
    /// Loads the parameters of a checkpoint.
    ///
    /// After an error the model is unchanged.
    /// - Throws: `CheckpointError.tensorMismatch` with every missing, unexpected and different tensor; `invalidValues` for
    ///   invalid masks and identifiers of states.
    public func load(_ archive: CheckpointArchive) throws {
        let all = parameters.all
        let values = try archive.tensors(under: "model", matching: all.map { ($0.path, $0.value.shape, $0.value.dtype) })
        let issues = stateLayers.flatMap { layer in layer.manager.issues { values[$0.index] } }
        guard issues.isEmpty else {
            throw CheckpointError.invalidValues(path: archive.source ?? "the archive", issues: issues)
        }
        for (parameter, value) in zip(all, values) { parameter.value = value }
    }
}

extension SequenceModel {
    /// Checks that the model accepts the sequence lengths of a dataset.
    ///
    /// Nothing is computed, so that an outline suffices.
    /// - Throws: `TrainingError.unfit` with every length that the model does not accept.
    public func check(takes dataset: any Dataset) throws {
        var issues: [String] = []
        let length = max(dataset.contextLength, dataset.evaluationLength)
        if let longest = maxSequenceLength, length > longest {
            let key = shape.positions.map { $0 == longest } ?? false ? "model.positions" : "model.length"
            issues.append("sequences of \(length) positions, but the model accepts at most \(longest) (\(key))")
        }
        for (embedder, lengths) in zip(embedders, dataset.inputLengths) {
            guard let fixed = embedder.fixedLength, lengths != fixed...fixed else { continue }
            let range = lengths.count == 1 ? "\(lengths.lowerBound)" : "\(lengths.lowerBound) to \(lengths.upperBound)"
            issues.append(
                "inputs of \(range) positions, but the embedder accepts exactly \(fixed) (model.embedders; for images "
                    + "height · width, with one pixel per position: data.patch: 1)")
        }
        guard issues.isEmpty else { throw TrainingError.unfit(dataset: dataset.name, issues: issues) }
    }
}
