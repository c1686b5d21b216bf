import NSTMTensor

/// Inputs and targets of one step: B sequences, T positions each, F features, C channels of targets.
public struct Batch: Sendable {
    /// The first input: int32 token ids [B, T] or float32 features [B, T, F].
    public let inputs: Tensor
    /// The further inputs of a dataset with several inputs, each int32 [B, T'] or float32 [B, T', F].
    public let others: [Tensor]
    /// All inputs, in order.
    public var streams: [Tensor] { [inputs] + others }
    /// int32 [B, T] (a token per position), int32 [B] (a class per sequence), or float32 [B, T, C] (bits, 0 or
    /// 1, or any numbers).
    public let targets: Tensor
    /// float32 [B, T], 1 for the positions that contribute to the loss and 0 elsewhere; nil when all positions do.
    public let mask: Tensor?
    /// Number of targets that contribute to the loss, which is the weight of this batch in a mean over batches: B·T without a
    /// mask, the number of nonzero elements of a mask, B for classification.
    public let tokenCount: Int
    /// Mean loss of the best possible predictor of these targets, in nats per target; nil if it is not known.
    public let optimalLoss: Double?

    /// B.
    public var sequenceCount: Int { inputs.shape[0] }
    /// T, summed over all inputs.
    public var length: Int { others.reduce(inputs.shape[1]) { $0 + $1.shape[1] } }
    /// B·T: number of positions that a model reads, masked or not; for throughput.
    public var positionCount: Int { sequenceCount * length }

    /// A batch of given tensors.
    ///
    /// Stops the program if their shapes or types do not match.
    /// - Parameter tokenCount: nil to count it from the mask and the targets.
    public init(
        inputs: Tensor, and others: [Tensor] = [], targets: Tensor, mask: Tensor? = nil, tokenCount: Int? = nil,
        optimalLoss: Double? = nil
    ) {
        if let issue = Batch.issue(inputs, others, targets, mask) { nstmFatal(.other(op: "Batch", issue)) }
        self.inputs = inputs
        self.others = others
        self.targets = targets
        self.mask = mask
        self.tokenCount = tokenCount ?? Batch.count(targets, mask)
        self.optimalLoss = optimalLoss
    }

    private static func count(_ targets: Tensor, _ mask: Tensor?) -> Int {
        if let mask { return mask.withElements(of: Float.self) { $0.reduce(0) { $0 + ($1 != 0 ? 1 : 0) } } }
        return targets.rank == 1 ? targets.shape[0] : targets.shape[0] * targets.shape[1]
    }

    private static func issue(_ inputs: Tensor, _ others: [Tensor], _ targets: Tensor, _ mask: Tensor?) -> String? {
        for x in [inputs] + others {
            guard x.dtype == .int32 && x.rank == 2 || x.dtype == .float32 && x.rank == 3 else {
                return "inputs are \(x.dtype) \(x.shape), expected int32 [B, T] or float32 [B, T, F]"
            }
            if x.shape[0] != inputs.shape[0] { return "inputs have different batch sizes, \(inputs.shape[0]) and \(x.shape[0])" }
        }
        let positions = Shape([inputs.shape[0], others.reduce(inputs.shape[1]) { $0 + $1.shape[1] }])
        switch (targets.dtype, targets.rank) {
        case (.int32, 1) where targets.shape[0] == positions[0]: break
        case (.int32, 2) where targets.shape == positions: break
        case (.float32, 3) where targets.shape.dropLast() == positions: break
        default:
            return "targets are \(targets.dtype) \(targets.shape), expected int32 [B], int32 [B, T] or float32 [B, T, C] "
                + "with [B, T] = \(positions)"
        }
        if let mask, mask.dtype != .float32 || mask.shape != positions {
            return "the mask is \(mask.dtype) \(mask.shape), expected float32 \(positions)"
        }
        return nil
    }
}

extension Batch {
    /// Number of correct tokens of each sequence, [B], over unmasked positions.
    ///
    /// A token is correct if its logit is strictly greater than all others; ties and NaN count as errors.
    /// - Parameter logits: floating-point [B, T, vocabulary]. The targets must be int32 [B, T]; the program stops otherwise.
    public func correctTokens(logits: Tensor) -> [Int] {
        guard targets.dtype == .int32, targets.rank == 2, logits.dtype.isFloatingPoint, logits.rank == 3,
            logits.shape.dropLast() == targets.shape
        else {
            nstmFatal(
                .other(
                    op: "correctTokens",
                    "logits \(logits.dtype) \(logits.shape), targets \(targets.dtype) \(targets.shape); "
                        + "expected floating-point [B, T, vocabulary] and int32 [B, T]"))
        }
        let outputs = logits.doubles(), expected = targets.elements(Int32.self), weights = mask?.elements(Float.self)
        let vocabulary = logits.shape[2]
        return (0..<sequenceCount).map { b in
            (b * length..<(b + 1) * length).reduce(0) { correct, position in
                guard weights.map({ $0[position] != 0 }) ?? true else { return correct }
                let first = position * vocabulary, target = first + Int(expected[position])
                // With this comparison NaN counts as an error.
                let isCorrect = (first..<first + vocabulary).allSatisfy { $0 == target || outputs[$0] < outputs[target] }
                return correct + (isCorrect ? 1 : 0)
            }
        }
    }

    /// Number of bit errors of each sequence, [B], over unmasked positions.
    ///
    /// A logit above 0 is read as 1; NaN counts as an error.
    ///
    /// The metric of the copy experiments of Graves, Wayne and Danihelka, "Neural Turing Machines" (2014), section 4.1.
    /// - Parameter logits: floating-point [B, T, C], the shape of the targets, which must be float32; the program stops
    ///   otherwise.
    public func bitErrors(logits: Tensor) -> [Int] {
        guard targets.dtype == .float32, targets.rank == 3 else {
            nstmFatal(.other(op: "bitErrors", "targets are \(targets.dtype) \(targets.shape), expected float32 [B, T, C]"))
        }
        guard logits.dtype.isFloatingPoint, logits.shape == targets.shape else {
            nstmFatal(
                .other(op: "bitErrors", "logits are \(logits.dtype) \(logits.shape), expected floating-point \(targets.shape)"))
        }
        let width = targets.shape[2]
        let outputs = logits.doubles(), expected = targets.elements(Float.self), weights = mask?.elements(Float.self)
        return (0..<sequenceCount).map { b in
            var errors = 0
            for position in b * length..<(b + 1) * length where weights.map({ $0[position] != 0 }) ?? true {
                for i in position * width..<(position + 1) * width {
                    // With this comparison NaN counts as an error.
                    let isCorrect = expected[i] > 0.5 ? outputs[i] > 0 : outputs[i] <= 0
                    if !isCorrect { errors += 1 }
                }
            }
            return errors
        }
    }
}
