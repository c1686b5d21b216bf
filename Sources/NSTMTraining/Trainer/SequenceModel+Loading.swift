import Foundation
import NSTMAutograd
import NSTMData
import NSTMIO
import NSTMLayers
import NSTMModules
import NSTMOptim
import NSTMTensor

extension SequenceModel {
    /// Takes the parameters of a checkpoint over; nothing is changed when they do not fit.
    /// - Throws: `CheckpointError.tensorMismatch` naming every missing, unexpected and different tensor; `invalidValues` for masks and
    ///   identities of states that are none.
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
    /// Compares what the model needs of its inputs' lengths with what a dataset has. Nothing is computed, so an outline will do.
    /// - Throws: `TrainingError.unfit` with every length that the model cannot take.
    public func check(takes dataset: any Dataset) throws {
        var issues: [String] = []
        let length = max(dataset.contextLength, dataset.evaluationLength)
        if let longest = maxSequenceLength, length > longest {
            let key = shape.positions.map { $0 == longest } ?? false ? "model.positions" : "model.length"
            issues.append("sequences of \(length) positions, and the model takes at most \(longest) (\(key))")
        }
        for (embedder, lengths) in zip(embedders, dataset.inputLengths) {
            guard let fixed = embedder.fixedLength, lengths != fixed...fixed else { continue }
            let range = lengths.count == 1 ? "\(lengths.lowerBound)" : "\(lengths.lowerBound) to \(lengths.upperBound)"
            issues.append(
                "inputs of \(range) positions, and the embedder takes exactly \(fixed) (model.embedders; for images "
                    + "height · width pixels, one for each position: data.patch: 1)")
        }
        guard issues.isEmpty else { throw TrainingError.unfit(dataset: dataset.name, issues: issues) }
    }
}
