import NSTMData
import NSTMModules
import NSTMTensor

/// A lower bound of the memory for training a model, so that no feasible configuration is rejected.
struct MemoryNeed {
    let parameterCount: Int
    /// Size of all parameters, in bytes.
    let parameters: Int
    /// Size of the trainable parameters, in bytes.
    private let trainable: Int
    private let outline: SequenceModel

    /// - Parameter outline: a model, whose parameters may be without memory (`ParameterBuilder.outline`).
    init(_ outline: SequenceModel) {
        self.outline = outline
        let all = outline.parameters.all
        parameterCount = all.map(\.value.count).saturatedSum
        parameters = MemoryNeed.bytes(all.map { ($0.value.count, $0.value.dtype) })
        trainable = MemoryNeed.bytes(all.filter(\.isTrainable).map { ($0.value.count, $0.value.dtype) })
    }
    private static func bytes(_ sizes: [(count: Int, dtype: DType)]) -> Int {
        sizes.map { [$0.count, $0.dtype.byteCount].saturatedProduct }.saturatedSum
    }

    /// Lower bound of the activations saved for the backward pass, in bytes: the residual stream before each block, the hidden
    /// vectors of the feed-forward layers unless they are recomputed, and the outputs of every position.
    func activations(batch: Int, positions: Int) -> Int {
        let shape = outline.shape, inner = shape.recompute ? 0 : shape.hidden
        let blocks = [shape.layers, [shape.width, inner].saturatedSum].saturatedProduct
        let outputs =
            switch shape.output {
            case .nextToken(let vocabulary): vocabulary
            case .perToken(let width): width
            case .pooled: 0
            }
        return [batch, positions, [blocks, outputs].saturatedSum, DType.float32.byteCount].saturatedProduct
    }

    /// State that mixers carry for a batch, in bytes, as far as they have a formula; a backward pass keeps it at least once.
    func state(batch: Int) -> Int {
        outline.blocks.compactMap {
            ($0.mixer as? any CostReporting)?.stateBytes(PassSize(batch: batch, tokens: 1, carriesState: true))
        }.saturatedSum
    }

    /// Checks the available memory for parameters, gradients, the optimizer's moments and the activations of a step.
    /// - Throws: `MemoryError` if it is not sufficient.
    func check(training settings: TrainingSettings, on dataset: any Dataset) throws(MemoryError) {
        // An embedder of whole inputs reduces the number of positions; 1 is a lower bound.
        let positions = outline.embedders.contains { $0.fixedLength != nil } ? 1 : dataset.contextLength
        let activations = activations(batch: settings.batch, positions: positions)
        let moments = [trainable, settings.optimizer.momentNames.count].saturatedProduct
        try AvailableMemory.check(
            [parameters, trainable, moments, activations, state(batch: settings.batch)].saturatedSum,
            for: "a training step: \(grouped(parameterCount)) parameters with gradients and moments (model.width, …), and "
                + "\(grouped(settings.batch)) sequences of up to \(grouped(positions)) positions (training.batch, data) with the state of the layers (model.memory, …)"
        )
    }
}
