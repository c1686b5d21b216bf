import NSTMData
import NSTMModules
import NSTMTensor

/// The least memory that a model takes, from its outline: a bound from below, so that nothing is refused that could work.
struct MemoryNeed {
    let parameterCount: Int
    /// Bytes of all parameters.
    let parameters: Int
    /// Bytes of the trainable ones.
    private let trainable: Int
    private let outline: SequenceModel

    /// - Parameter outline: a model whose parameters may be views of nothing (`ParameterBuilder.outline`).
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

    /// What the backward pass of a step finds in memory: the residual stream before each block, in blocks that are not computed again
    /// the inner vectors of the feed-forward part, and the answers of every position.
    func activations(batch: Int, positions: Int) -> Int {
        let shape = outline.shape, inner = shape.recompute ? 0 : shape.hidden
        let blocks = [shape.layers, [shape.width, inner].saturatedSum].saturatedProduct
        let answers =
            switch shape.output {
            case .nextToken(let vocabulary): vocabulary
            case .perToken(let width): width
            case .pooled: 0
            }
        return [batch, positions, [blocks, answers].saturatedSum, DType.float32.byteCount].saturatedProduct
    }

    /// - Throws: `MemoryError` when parameters, their gradients, the optimizer's moments and the activations of a step need more
    ///   than there is.
    func check(training settings: TrainingSettings, on dataset: any Dataset) throws(MemoryError) {
        // Of an input that an embedder takes as a whole it makes fewer positions.
        let positions = outline.embedders.contains { $0.fixedLength != nil } ? 1 : dataset.contextLength
        let activations = activations(batch: settings.batch, positions: positions)
        let moments = [trainable, settings.optimizer.momentNames.count].saturatedProduct
        try AvailableMemory.check(
            [parameters, trainable, moments, activations].saturatedSum,
            for: "a step of training: \(grouped(parameterCount)) parameters with gradients and moments (model.width, …), and "
                + "\(grouped(settings.batch)) sequences of up to \(grouped(positions)) positions (training.batch, data)")
    }
}
