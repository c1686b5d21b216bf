import Foundation
import NSTMAutograd
import NSTMModules
import NSTMOptim
import NSTMTensor

/// A benchmark of one very long sequence, streamed token by token or trained on in segments with a cache.
///
/// It reports ten parts, over which speed, memory and states should be constant.
///
/// The speed of a host varies more than the sequence length could cause: with other programs and virtual machines, and with its
/// temperature. So segments of the long sequence are timed alternately with the same segments at the start of a new sequence.
package struct LongRun: Sendable {
    /// What is done with the sequence.
    package enum Kind: String, Sendable, CaseIterable { case streaming, training }

    /// The measurements of a tenth of the run.
    package struct Part: Sendable {
        /// Number of tokens processed at its end.
        package var tokens: Int
        /// Speed in tokens per second.
        package var tokensPerSecond: Double
        /// Speed in tokens per second of processor time, summed over threads, which other programs affect less.
        package var tokensPerProcessorSecond: Double
        /// Speed relative to that at the start of a new sequence: median over pairs of segments timed alternately.
        ///
        /// With few pairs it depends on which segment of a pair is first. nil without pairs.
        package var speedVersusStart: Double?
        /// Largest absolute value in the state at its end.
        package var largest: Double
        /// Euclidean norm of the whole state at its end.
        package var norm: Double
        /// Size of the state at its end, in bytes.
        package var stateBytes: Int
        /// Memory of all tensors at its end, in bytes.
        package var liveBytes: Int
        /// Peak memory of all tensors, in bytes, including the passes of the comparison.
        package var peakBytes: Int
        /// Resident memory of the process, in bytes; nil where the system does not report it.
        package var residentBytes: Int?
        /// Mean loss in nats per token; nil for streaming.
        package var loss: Double?
    }

    /// Length of the sequence, in tokens.
    package var tokens: Int
    /// Number of tokens of a segment.
    ///
    /// In training, gradients are truncated and parameters are updated after each segment.
    package var window = 512
    /// Whether a model streams with the weights of its linear maps in bfloat16.
    package var usesBFloat16Weights = false
    package init(tokens: Int) { self.tokens = tokens }

    /// Runs a model on the sequence.
    /// - Parameter done: called with each part when it is complete.
    /// - Throws: `LongRunError` at the first non-finite output, loss, gradient or state.
    package func run(_ kind: Kind, _ test: ModelUnderTest, _ done: (Part) -> Void) throws -> [Part] {
        let step = min(window, max(1, tokens / 10)), model = try test.model(for: tokens)
        let key = RandomKey(1).fold("long run"), vocabulary = ModelUnderTest.vocabulary
        func sample(_ range: Range<Int>) -> Tensor {
            Tensor(range.map { Int32(key.integer($0, below: vocabulary)) }, [1, range.count])
        }
        let weights = usesBFloat16Weights ? BFloat16Weights(of: model.parameters.all) : nil
        let optimizer = ParameterUpdater(AdamW(), weightDecay: 0.1)
        /// A forward pass over tokens that updates the cache, followed in training by a backward pass.
        func read(_ range: Range<Int>, _ state: inout SequenceModel.Cache) throws -> (loss: Double, gradients: Gradients?) {
            guard kind == .training else {
                for at in range {
                    let pass = ForwardContext(.evaluate, weights: weights),
                        y = model(sample(at..<at + 1), state: &state, pass).value
                    guard y.firstNonFinite() == nil else { throw LongRunError.nonFinite("an output", token: at) }
                }
                return (0, nil)
            }
            let context = ForwardContext(.train, key: key.fold(range.lowerBound))
            let targets = sample(range.lowerBound + 1..<range.upperBound + 1)
            let loss = model(sample(range), state: &state, context).crossEntropy(targets), gradients = loss.backward()
            state = state.detached
            return (loss.value.item(), gradients)
        }
        var state = model.initialState(batch: 1), parts: [Part] = [], at = 0
        for tenth in 1...10 {
            let end = kind == .training ? tokens * tenth / 10 / step * step : tokens * tenth / 10, begin = at
            guard end > begin else { continue }
            MemoryUse.resetPeak()
            var losses = 0.0, own = Stopwatch(), ratios: [Double] = []
            while at < end {
                let range = at..<min(end, at + step), pair = at / step % 8 == 0, first = at / step % 16 == 0
                /// Duration of the same tokens at the start of a new sequence.
                func other() throws -> Double {
                    var fresh = model.initialState(batch: 1), watch = Stopwatch()
                    try watch.time { _ = try read(range, &fresh) }
                    return watch.seconds
                }
                var reference = pair && first ? try other() : nil
                let before = own.seconds, result = try own.time { try read(range, &state) }, seconds = own.seconds - before
                // Alternately before and after it, so that on average both have the same processor caches. The update follows,
                // because it would evict the caches for one of the two.
                if pair && !first { reference = try other() }
                if let reference { ratios.append(reference / seconds) }
                try own.time {
                    guard let gradients = result.gradients else { return }
                    let norm = gradients.globalNorm
                    guard norm.isFinite, result.loss.isFinite else {
                        throw LongRunError.nonFinite("the loss or a gradient", token: at)
                    }
                    optimizer.update(gradients, learningRate: 3e-4, scale: norm > 1 ? 1 / norm : 1)
                }
                losses += result.loss * Double(range.count)
                at = range.upperBound
            }
            let values = state.layers.flatMap { layer in layer.names.map { layer[$0]!.value } }
            guard values.allSatisfy({ $0.firstNonFinite() == nil }) else { throw LongRunError.nonFinite("a state", token: at) }
            let all = values.flatMap { $0.doubles() }, memory = MemoryUse.current
            let part = Part(
                tokens: at, tokensPerSecond: Double(end - begin) / own.seconds,
                tokensPerProcessorSecond: Double(end - begin) / max(own.processorSeconds, 1e-9),
                speedVersusStart: ratios.isEmpty ? nil : ratios.sorted()[ratios.count / 2],
                largest: all.reduce(0) { max($0, abs($1)) },
                norm: all.reduce(0) { $0 + $1 * $1 }.squareRoot(), stateBytes: state.byteCount, liveBytes: memory.live,
                peakBytes: memory.peak, residentBytes: LongRun.resident,
                loss: kind == .training ? losses / Double(end - begin) : nil)
            parts.append(part)
            done(part)
        }
        return parts
    }

    /// The largest relative difference between a speed and the mean of all.
    package static func largestDifference(_ speeds: [Double]) -> Double {
        let mean = speeds.reduce(0, +) / Double(max(1, speeds.count))
        return speeds.reduce(0) { max($0, abs($1 - mean) / mean) }
    }

    /// A Markdown table of the parts, followed by a summary of the speeds.
    package static func markdown(_ parts: [Part]) -> String {
        func mib(_ bytes: Int?) -> String { bytes.map { String(format: "%.1f", Double($0) / 1_048_576) } ?? "–" }
        let hasLoss = parts.contains { $0.loss != nil }
        var header = ["tokens", "tokens/s", "tokens/s of processor time", "speed vs. start of a sequence", "largest state value"]
        header += ["state norm", "tensors (MiB)", "peak (MiB)", "resident (MiB)"] + (hasLoss ? ["loss"] : [])
        let rows = parts.map { p in
            var fields = [
                grouped(p.tokens), grouped(Int(p.tokensPerSecond.rounded())),
                grouped(Int(p.tokensPerProcessorSecond.rounded())), p.speedVersusStart.map { String(format: "%.3f", $0) } ?? "–",
                String(format: "%.3f", p.largest), String(format: "%.2f", p.norm), mib(p.liveBytes), mib(p.peakBytes),
                mib(p.residentBytes),
            ]
            if hasLoss { fields.append(p.loss.map { String(format: "%.4f", $0) } ?? "–") }
            return fields
        }
        var out = Markdown.table(header, rows)
        out += String(
            format: "\nLargest difference of a part from the mean speed: %.1f %%, by processor time %.1f %%\n",
            100 * largestDifference(parts.map(\.tokensPerSecond)),
            100 * largestDifference(parts.map(\.tokensPerProcessorSecond)))
        let ratios = parts.compactMap(\.speedVersusStart)
        if let low = ratios.min(), let high = ratios.max() {
            out += String(format: "Speed relative to the start of a new sequence, timed alternately: %.3f … %.3f\n", low, high)
        }
        return out
    }

    /// Resident memory of the process in bytes, from /proc; nil on systems other than Linux.
    private static var resident: Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS") }
        return line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }.map { $0 * 1024 }
    }
}

/// A sum of durations.
private struct Stopwatch {
    /// Elapsed time, in seconds.
    private(set) var seconds = 0.0
    /// Processor time of all threads, in seconds.
    private(set) var processorSeconds = 0.0
    mutating func time<T>(_ body: () throws -> T) rethrows -> T {
        let start = now(), used = clock()
        defer {
            seconds += now() - start
            processorSeconds += Double(clock() - used) / Double(CLOCKS_PER_SEC)
        }
        return try body()
    }
}

/// An error of a `LongRun`.
package enum LongRunError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A value at a token is NaN or infinite.
    case nonFinite(String, token: Int)
    package var description: String {
        switch self {
        case .nonFinite(let what, let token): "token \(token): \(what) is non-finite (NaN or infinite)"
        }
    }
}
