import NSTMTensor

extension Synthetic {
    /// The arrays of a batch, into which a task writes one sequence after the other.
    ///
    /// Inputs that are not written are 0. A position counts in the loss if a target is written there. The program stops at a
    /// position, channel or kind that the dataset does not have.
    public struct Writer {
        /// T, the number of positions.
        public let positions: Int
        private let sequences: Int
        private var inputs: Values
        private var targets: Values
        private var mask: [Float]
        private var index = 0
        private var optimalLoss: Double?

        /// One token (`width` nil) or a vector per position.
        private struct Values {
            let width: Int?
            var tokens: [Int32] = []
            var numbers: [Float] = []
            init(_ count: Int, width: Int?, empty: Int32) {
                self.width = width
                if let width {
                    numbers = Array(repeating: 0, count: count * width)
                } else {
                    tokens = Array(repeating: empty, count: count)
                }
            }
            func tensor(_ sequences: Int, _ positions: Int) -> Tensor {
                width.map { Tensor(numbers, [sequences, positions, $0]) } ?? Tensor(tokens, [sequences, positions])
            }
            mutating func set(_ position: Int, token: Int) {
                guard width == nil else { nstmFatal(.other(op: "Writer", "a token instead of a vector of \(width!)")) }
                tokens[position] = Int32(token)
            }
            mutating func set(_ position: Int, _ channel: Int, _ value: Float) {
                guard let width, 0..<width ~= channel else {
                    nstmFatal(.other(op: "Writer", "channel \(channel), there are \(width ?? 0)"))
                }
                numbers[position * width + channel] = value
            }
        }

        init(sequences: Int, positions: Int, inputs: InputKind, targets: TargetKind) {
            (self.sequences, self.positions) = (sequences, positions)
            let count = sequences * positions
            let inputWidth: Int? =
                switch inputs {
                case .tokens: nil
                case .features(let width): width
                case .streams: nstmFatal(.other(op: "Writer", "a synthetic task has one input"))
                }
            let targetWidth: Int? =
                switch targets {
                case .nextToken, .answers: nil
                case .binary(let width), .values(let width): width
                case .classes: nstmFatal(.other(op: "Writer", "a synthetic task has a target per position"))
                }
            self.inputs = Values(count, width: inputWidth, empty: 0)
            // −1 is not a token, so that masked targets are recognizable without the mask.
            self.targets = Values(count, width: targetWidth, empty: -1)
            mask = Array(repeating: 0, count: count)
        }
        /// Continues with another sequence.
        mutating func begin(_ sequence: Int) { index = sequence }
        var batch: Batch {
            let count = mask.reduce(0) { $0 + Int($1) }
            return Batch(
                inputs: inputs.tensor(sequences, positions), targets: targets.tensor(sequences, positions),
                mask: Tensor(mask, [sequences, positions]), tokenCount: count,
                optimalLoss: optimalLoss.map { $0 / max(1, Double(count)) })
        }
        private func row(_ position: Int) -> Int {
            guard 0..<positions ~= position else {
                nstmFatal(.other(op: "Writer", "position \(position), there are \(positions)"))
            }
            return index * positions + position
        }

        /// Sets the input token of a position.
        public mutating func setInput(_ position: Int, token: Int) { inputs.set(row(position), token: token) }
        /// Sets one channel of the input vector of a position.
        public mutating func setInput(_ position: Int, channel: Int, to value: Float) {
            inputs.set(row(position), channel, value)
        }
        /// Sets the first channels of the input vector of a position.
        public mutating func setInput(_ position: Int, to vector: some Collection<Float>) {
            for (channel, value) in vector.enumerated() { setInput(position, channel: channel, to: value) }
        }
        /// Sets the target token of a position.
        public mutating func setTarget(_ position: Int, token: Int) {
            targets.set(row(position), token: token)
            mask[row(position)] = 1
        }
        /// Sets one channel of the target vector of a position.
        public mutating func setTarget(_ position: Int, channel: Int, to value: Float) {
            targets.set(row(position), channel, value)
            mask[row(position)] = 1
        }
        /// Sets the first channels of the target vector of a position.
        public mutating func setTarget(_ position: Int, to vector: some Collection<Float>) {
            for (channel, value) in vector.enumerated() { setTarget(position, channel: channel, to: value) }
        }
        /// Adds to the loss, in nats, that the best possible predictor has on the targets (`Batch.optimalLoss`).
        public mutating func addOptimalLoss(_ loss: Double) { optimalLoss = (optimalLoss ?? 0) + loss }
    }
}
