import Foundation
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Measures models at growing lengths of the sequence: work counted by the kernels, speed of training and of streaming, memory.
///
/// Everything is done with random tokens and initial parameters, which cost what trained ones do. Lengths rise, and a part that
/// would take longer than the limit, judged by the time of the length before, is left out with a note.
public struct Benchmark: Sendable {
    /// Tokens of a sequence, ascending.
    public var lengths: [Int]
    /// Tokens of a training step: as many sequences as fit, at least one.
    public var tokensPerStep = 4096
    /// Seconds that one part of a cell (the forward pass, a training step, a streamed token) may take.
    public var secondsPerPass = 60.0
    /// Seconds for which training and streaming are measured, when passes are short.
    public var secondsMeasured = 1.5
    /// Whether models stream with the weights of their linear maps in bfloat16.
    public var usesBFloat16Weights = false
    /// Bytes that tensors may take.
    public var memory = Int(ProcessInfo.processInfo.physicalMemory) / 10 * 7

    public init(lengths: [Int]) { self.lengths = lengths.sorted() }

    /// One model at one length. Nil: left out, and `notes` says why.
    public struct Cell: Sendable, Equatable {
        public var model: String
        public var length: Int
        public var parameters: Int
        /// A token of a forward pass over the whole sequence, counted; 2 FLOPs are one multiply-add.
        public var multiplyAdds: Int?
        public var elements: Int?
        public var bytesMoved: Int?
        /// A second: of forward and backward passes, and one after the other after so many tokens.
        public var trainingTokens: Double?
        public var streamedTokens: Double?
        /// The most that tensors took in a training step, and what is carried after the sequence.
        public var peakBytes: Int?
        public var stateBytes: Int?
        public var notes: [String] = []

        public init(model: String, length: Int, parameters: Int) {
            self.model = model
            self.length = length
            self.parameters = parameters
        }
    }

    /// Measures one model at all lengths and hands over each cell as it is done.
    public func run(_ test: ModelUnderTest, _ done: (Cell) throws -> Void) throws {
        var forward = Forecast(limit: secondsPerPass), training = Forecast(limit: secondsPerPass)
        var peaks: [(tokens: Int, bytes: Int)] = []
        for length in lengths {
            let model = try test.model(for: length + Benchmark.streamed)
            var cell = Cell(model: test.name, length: length, parameters: model.parameters.trainableCount)
            guard model.maxSequenceLength.map({ $0 >= length + Benchmark.streamed }) ?? true else {
                cell.notes.append("left out: the model reads at most \(model.maxSequenceLength!) tokens")
                try done(cell)
                continue
            }
            let batch = max(1, tokensPerStep / length)
            if let seconds = forward.excess(cost(model, 1, length)) {
                cell.notes.append("forward pass left out: it would take about \(Int(seconds)) s")
            } else {
                let seconds = read(model, length, &cell)
                forward.note(cost(model, 1, length), seconds)
            }
            let bytes = peaks.last.map { Double($0.bytes) * Double(batch * length) / Double($0.tokens) } ?? 0
            if let seconds = training.excess(cost(model, batch, length)) {
                cell.notes.append("training left out: a step would take about \(Int(seconds)) s")
            } else if bytes > Double(memory) {
                cell.notes.append("training left out: a step would take about \(Int(bytes) >> 20) MiB")
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

    /// The most tokens that are streamed to measure their speed.
    private static let streamed = 2048

    /// One pass over the sequence, which is counted and leaves the state that streaming goes on from.
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

    /// Training steps without the update: forward, loss, backward. Returns the seconds of one.
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
        // The first step takes its memory from the system; one so long that this does not show is enough.
        if times[0] < secondsPerPass / 4 {
            times.removeAll()
            while times.isEmpty || times.reduce(0, +) < secondsMeasured && times.count < 200 { times.append(step()) }
        }
        let median = times.sorted()[times.count / 2]
        cell.trainingTokens = Double(batch * length) / median
        return median
    }

    /// What a pass costs as far as the model says; else as if all tokens looked at all others.
    private func cost(_ model: SequenceModel, _ batch: Int, _ length: Int) -> Double {
        if let known = model.multiplyAdds(PassSize(batch: batch, tokens: length)) { return Double(known) }
        return Double(batch) * Double(length) * Double(length)
    }
}

/// How long something will take that costs more than what was measured.
private struct Forecast {
    let limit: Double
    private var last: (cost: Double, seconds: Double)?
    init(limit: Double) { self.limit = limit }
    /// The seconds expected when they are beyond the limit.
    func excess(_ cost: Double) -> Double? {
        guard let last, case let seconds = last.seconds * cost / last.cost, seconds > limit else { return nil }
        return seconds
    }
    mutating func note(_ cost: Double, _ seconds: Double) { last = (cost, seconds) }
}

/// Seconds of a clock that only goes forward.
func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }
