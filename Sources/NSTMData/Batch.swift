import NSTMTensor

/// What a model sees in one step, and what it should answer. B sequences, T positions each, F features, C binary channels.
public struct Batch: Sendable {
    /// int32 token ids [B, T], or float32 features [B, T, F]: of the first input, when there are several.
    public let inputs: Tensor
    /// The further inputs of a dataset that has several, of the same forms.
    public let others: [Tensor]
    /// All inputs.
    public var streams: [Tensor] { [inputs] + others }
    /// int32 [B, T] (a token at every position that counts), int32 [B] (a class for every sequence), or float32 [B, T, C] (bits, 0 or 1).
    public let targets: Tensor
    /// float32 [B, T], 1 where the position counts in the loss and 0 elsewhere; nil when every position counts.
    public let mask: Tensor?
    /// How many answers count in the loss: the weight of this batch in a mean over batches. B·T without a mask, the sum of
    /// the mask with one, B for classification.
    public let tokenCount: Int

    /// B.
    public var sequenceCount: Int { inputs.shape[0] }
    /// T, of all inputs together.
    public var length: Int { others.reduce(inputs.shape[1]) { $0 + $1.shape[1] } }
    /// B·T: the positions a model has to read, whether they count in the loss or not; for throughput.
    public var positionCount: Int { sequenceCount * length }

    /// Shapes and types that do not fit together are a programmer's error and stop the program.
    /// - Parameter tokenCount: counted from the mask and the targets when nil.
    public init(inputs: Tensor, and others: [Tensor] = [], targets: Tensor, mask: Tensor? = nil, tokenCount: Int? = nil) {
        if let issue = Batch.issue(inputs, others, targets, mask) { nstmFatal(.other(op: "Batch", issue)) }
        self.inputs = inputs
        self.others = others
        self.targets = targets
        self.mask = mask
        self.tokenCount = tokenCount ?? Batch.count(targets, mask)
    }

    private static func count(_ targets: Tensor, _ mask: Tensor?) -> Int {
        if let mask { return mask.withElements(of: Float.self) { $0.reduce(0) { $0 + ($1 != 0 ? 1 : 0) } } }
        return targets.rank == 1 ? targets.shape[0] : targets.shape[0] * targets.shape[1]
    }

    private static func issue(_ inputs: Tensor, _ others: [Tensor], _ targets: Tensor, _ mask: Tensor?) -> String? {
        for x in [inputs] + others {
            guard x.dtype == .int32 && x.rank == 2 || x.dtype == .float32 && x.rank == 3 else {
                return "inputs are \(x.dtype) \(x.shape); they must be int32 [B, T] or float32 [B, T, F]"
            }
            if x.shape[0] != inputs.shape[0] { return "inputs of \(inputs.shape[0]) and \(x.shape[0]) sequences" }
        }
        let positions = Shape([inputs.shape[0], others.reduce(inputs.shape[1]) { $0 + $1.shape[1] }])
        switch (targets.dtype, targets.rank) {
        case (.int32, 1) where targets.shape[0] == positions[0]: break
        case (.int32, 2) where targets.shape == positions: break
        case (.float32, 3) where targets.shape.dropLast() == positions: break
        default:
            return "targets are \(targets.dtype) \(targets.shape); for \(positions) positions they must be "
                + "int32 [B], int32 [B, T] or float32 [B, T, C]"
        }
        if let mask, mask.dtype != .float32 || mask.shape != positions {
            return "the mask is \(mask.dtype) \(mask.shape); it must be float32 \(positions)"
        }
        return nil
    }
}

extension Batch {
    /// Right answers of every sequence, [B] numbers, at the positions that count: those where the target's logit stands above all
    /// others. Ties and what is not a number are wrong.
    /// - Parameter logits: floating-point [B, T, vocabulary]; the targets must be int32 [B, T].
    public func correctTokens(logits: Tensor) -> [Int] {
        guard targets.dtype == .int32, targets.rank == 2, logits.dtype.isFloatingPoint, logits.rank == 3,
            logits.shape.dropLast() == targets.shape
        else {
            nstmFatal(
                .other(
                    op: "correctTokens",
                    "logits \(logits.dtype) \(logits.shape), targets \(targets.dtype) \(targets.shape); "
                        + "need floating-point [B, T, vocabulary] and int32 [B, T]"))
        }
        let answers = logits.doubles(), wanted = targets.elements(Int32.self), counts = mask?.elements(Float.self)
        let vocabulary = logits.shape[2]
        return (0..<sequenceCount).map { b in
            (b * length..<(b + 1) * length).reduce(0) { right, position in
                guard counts.map({ $0[position] != 0 }) ?? true else { return right }
                let first = position * vocabulary, target = first + Int(wanted[position])
                // Compared so that NaN, which is below nothing, makes an answer wrong.
                let isRight = (first..<first + vocabulary).allSatisfy { $0 == target || answers[$0] < answers[target] }
                return right + (isRight ? 1 : 0)
            }
        }
    }

    /// Wrong bits of every sequence, [B] numbers, at the positions that count. A logit above 0 is read as 1; a logit that is
    /// not a number is always wrong.
    ///
    /// The measure of the copy experiments of Graves, Wayne and Danihelka, "Neural Turing Machines" (2014), section 4.1.
    /// - Parameter logits: floating-point [B, T, C], the shape of the targets, which must be binary.
    public func bitErrors(logits: Tensor) -> [Int] {
        guard targets.dtype == .float32, targets.rank == 3 else {
            nstmFatal(.other(op: "bitErrors", "targets are \(targets.dtype) \(targets.shape), need float32 [B, T, C]"))
        }
        guard logits.dtype.isFloatingPoint, logits.shape == targets.shape else {
            nstmFatal(.other(op: "bitErrors", "logits are \(logits.dtype) \(logits.shape), targets \(targets.shape)"))
        }
        let width = targets.shape[2]
        let answers = logits.doubles(), wanted = targets.elements(Float.self), counts = mask?.elements(Float.self)
        return (0..<sequenceCount).map { b in
            var wrong = 0
            for position in b * length..<(b + 1) * length where counts.map({ $0[position] != 0 }) ?? true {
                for i in position * width..<(position + 1) * width {
                    // Compared so that NaN, which is neither above nor below, never counts as right.
                    let right = wanted[i] > 0.5 ? answers[i] > 0 : answers[i] <= 0
                    if !right { wrong += 1 }
                }
            }
            return wrong
        }
    }
}
