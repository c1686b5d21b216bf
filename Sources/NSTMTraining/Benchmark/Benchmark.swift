import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// A benchmark of models at increasing sequence lengths: work counted by the kernels, speed of training and streaming, and
/// memory.
///
/// Tokens are random and parameters are initial ones, which have the same cost as trained ones. Lengths are measured in ascending
/// order. A measurement whose estimated time, extrapolated from the previous length, exceeds the limit is skipped with a note.
package struct Benchmark: Sendable {
    /// Sequence lengths in tokens, ascending.
    package var lengths: [Int]
    /// Number of tokens of a training step, which has as many sequences as fit, at least one.
    package var tokensPerStep = 4096
    /// Time limit of the forward pass and of a training step, in seconds.
    package var secondsPerPass = 60.0
    /// Duration of the measurement of training and of streaming when single passes are shorter, in seconds.
    package var secondsMeasured = 1.5
    /// Whether models stream with the weights of their linear maps in bfloat16.
    package var usesBFloat16Weights = false
    /// Maximum memory for tensors, in bytes.
    package var memory = Int(ProcessInfo.processInfo.physicalMemory) / 10 * 7

    package init(lengths: [Int]) { self.lengths = lengths.sorted() }

    /// The measurements of a model at a sequence length.
    ///
    /// Skipped ones are nil, with the reason in `notes`.
    package struct Cell: Sendable, Equatable {
        /// Name of the model.
        package var model: String
        /// Sequence length, in tokens.
        package var length: Int
        /// Number of trainable parameters.
        package var parameters: Int
        /// Multiply-adds per token of a forward pass over the whole sequence, counted by the kernels; 1 multiply-add is 2 FLOPs.
        package var multiplyAdds: Int?
        /// Elements of other operations per token of a forward pass, counted by the kernels.
        package var elements: Int?
        /// Bytes copied per token of a forward pass, counted by the kernels.
        package var bytesMoved: Int?
        /// Training speed in tokens per second: forward and backward passes without the update.
        package var trainingTokens: Double?
        /// Streaming speed in tokens per second, token by token after `length` tokens.
        package var streamedTokens: Double?
        /// Peak memory of tensors in a training step, in bytes.
        package var peakBytes: Int?
        /// Size of the cache after the sequence, in bytes.
        package var stateBytes: Int?
        /// Reasons for skipped measurements.
        package var notes: [String] = []

        package init(model: String, length: Int, parameters: Int) {
            self.model = model
            self.length = length
            self.parameters = parameters
        }
    }

    /// Measures a model at all lengths.
    /// - Parameter done: called with each cell when it is complete.
    package func run(_ test: ModelUnderTest, _ done: (Cell) throws -> Void) throws {
        var forward = Forecast(limit: secondsPerPass), training = Forecast(limit: secondsPerPass)
        var peaks: [(tokens: Int, bytes: Int)] = []
        for length in lengths {
            let model = try test.model(for: length + Benchmark.streamed)
            var cell = Cell(model: test.name, length: length, parameters: model.parameters.trainableCount)
            guard model.maxSequenceLength.map({ $0 >= length + Benchmark.streamed }) ?? true else {
                cell.notes.append("skipped: the maximum sequence length of the model is \(model.maxSequenceLength!)")
                try done(cell)
                continue
            }
            let batch = max(1, tokensPerStep / length)
            if let seconds = forward.excess(cost(model, 1, length)) {
                cell.notes.append("forward pass skipped: estimated time \(Int(seconds)) s")
            } else {
                let seconds = read(model, length, &cell)
                forward.note(cost(model, 1, length), seconds)
            }
            let bytes = peaks.last.map { Double($0.bytes) * Double(batch * length) / Double($0.tokens) } ?? 0
            if let seconds = training.excess(cost(model, batch, length)) {
                cell.notes.append("training skipped: estimated time of a step \(Int(seconds)) s")
            } else if bytes > Double(memory) {
                cell.notes.append("training skipped: estimated memory of a step \(Int(bytes) >> 20) MiB")
            } else {
                let seconds = train(model, batch, length, &cell)
                training.note(cost(model, batch, length), seconds)
                peaks.append((batch * length, cell.peakBytes!))
            }
            MemoryUse.releaseCached()
            try done(cell)
        }
    }

    // MARK: Parts

    /// Maximum number of tokens of the measurement of the streaming speed.
    private static let streamed = 2048

    /// Measures a forward pass over the sequence, with counted work, and streaming after it.
    /// - Returns: duration of the forward pass, in seconds.
    private func read(_ model: SequenceModel, _ length: Int, _ cell: inout Cell) -> Double {
        var state = model.initialState(batch: 1)
        let inputs = model.sample(batch: 1, tokens: length), start = now()
        let work = Work.counting { _ = model(inputs, state: &state, ForwardContext(.evaluate)) }
        let seconds = now() - start
        cell.multiplyAdds = work.multiplyAdds / length
        cell.elements = work.elements / length
        cell.bytesMoved = work.bytes / length
        cell.stateBytes = state.byteCount
        let tokens = (0..<64).map { model.sample(batch: 1, tokens: 1, seed: UInt64($0)) }
        let weights = usesBFloat16Weights ? BFloat16Weights(of: model.parameters.all) : nil
        var streamed = 0
        func next() {
            _ = model(tokens[streamed % 64], state: &state, ForwardContext(.evaluate, weights: weights))
            streamed += 1
        }
        for _ in 0..<3 { next() }
        let warm = streamed, begin = now()
        repeat { next() } while now() - begin < secondsMeasured && streamed < Benchmark.streamed
        cell.streamedTokens = Double(streamed - warm) / (now() - begin)
        return seconds
    }

    /// Measures training steps without the update: forward, loss, backward.
    /// - Returns: duration of a step, in seconds.
    private func train(_ model: SequenceModel, _ batch: Int, _ length: Int, _ cell: inout Cell) -> Double {
        let inputs = model.sample(batch: batch, tokens: length), targets = model.sample(batch: batch, tokens: length, seed: 2)
        func step() -> Double {
            let start = now()
            _ = model(inputs, ForwardContext(.train)).crossEntropy(targets).backward()
            return now() - start
        }
        MemoryUse.resetPeak()
        var times = [step()]
        cell.peakBytes = MemoryUse.current.peak
        // The first step includes the allocation of memory, which is negligible if the step is long.
        if times[0] < secondsPerPass / 4 {
            times.removeAll()
            while times.isEmpty || times.reduce(0, +) < secondsMeasured && times.count < 200 { times.append(step()) }
        }
        let median = times.sorted()[times.count / 2]
        cell.trainingTokens = Double(batch * length) / median
        return median
    }

    /// Multiply-adds of a pass, for extrapolation; length² without a formula.
    private func cost(_ model: SequenceModel, _ batch: Int, _ length: Int) -> Double {
        if let known = model.multiplyAdds(PassSize(batch: batch, tokens: length)) { return Double(known) }
        return Double(batch) * Double(length) * Double(length)
    }
}

/// A linear extrapolation of durations by cost.
private struct Forecast {
    let limit: Double
    private var last: (cost: Double, seconds: Double)?
    init(limit: Double) { self.limit = limit }
    /// The estimated duration in seconds if it exceeds the limit; nil otherwise, or without an earlier measurement.
    func excess(_ cost: Double) -> Double? {
        guard let last, case let seconds = last.seconds * cost / last.cost, seconds > limit else { return nil }
        return seconds
    }
    mutating func note(_ cost: Double, _ seconds: Double) { last = (cost, seconds) }
}

/// Time of a monotonic clock, in seconds.
func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }
