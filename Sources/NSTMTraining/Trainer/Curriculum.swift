import NSTMConfiguration
import NSTMData
import NSTMTensor

extension TrainingSettings {
    /// Training lengths that grow with the step: the difficulty rises linearly from `start` to 1, its value from step `steps` on
    /// (Bengio et al., "Curriculum learning", 2009).
    ///
    /// The largest length of a step is lower + round(difficulty · (upper − lower)) of the dataset's `trainingLengths`. It is a
    /// function of the step alone, so that a resumed run continues exactly.
    public struct Curriculum: Sendable, Equatable {
        /// Difficulty of the first step, 0...1.
        public var start: Double
        /// Number of steps until the difficulty is 1, at least 1.
        public var steps: Int
        public init(start: Double = 0, steps: Int) { (self.start, self.steps) = (start, steps) }

        /// The difficulty of a step, 0...1.
        /// - Parameter step: number of completed steps.
        public func difficulty(at step: Int) -> Double {
            step >= steps ? 1 : start + (1 - start) * Double(step) / Double(steps)
        }

        /// Reads `steps` and `start`; nil without steps.
        package init?(_ config: ConfigurationReader) {
            let start = config.optionalDouble("start", in: 0...1)
            guard let steps = config.optionalInt("steps", in: 1...1_000_000_000) else {
                if start != nil { config.addIssue("steps", "required with start, but missing") }
                return nil
            }
            self.init(start: start ?? 0, steps: steps)
        }
    }

    /// The training batch of a step, with the difficulty of the curriculum.
    func trainingBatch(of dataset: any Dataset, step: Int, size: Int, key: RandomKey) -> Batch {
        guard let curriculum else { return dataset.trainingBatch(step: step, size: size, key: key) }
        return dataset.trainingBatch(step: step, size: size, key: key, difficulty: curriculum.difficulty(at: step))
    }
}
