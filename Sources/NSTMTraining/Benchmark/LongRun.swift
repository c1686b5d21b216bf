import Foundation
import NSTMAutograd
import NSTMModules
import NSTMOptim
import NSTMTensor

/// One sequence of very many tokens, streamed token by token or trained on part by part with a carried state, watched in tenths:
/// speed, memory and states must stay what they are.
///
/// How fast a machine is changes by more than a length could cost: with other programs, with its neighbors, with its temperature.
/// So stretches of the long sequence are timed in turn with the same stretches of a sequence that has just begun.
public struct LongRun: Sendable {
    public enum Kind: String, Sendable, CaseIterable { case streaming, training }

    /// One tenth of the run.
    public struct Part: Sendable {
        /// Tokens seen at its end.
        public var tokens: Int
        public var tokensPerSecond: Double
        /// The same for each second of processor time, of all threads: what other programs do shows less.
        public var tokensPerProcessorSecond: Double
        /// Speed as a multiple of that of a sequence just begun, the median over pairs of stretches that were timed in turn.
        /// Scatters with few pairs, as which of the two comes first shows. Nil when the part has no pair.
        public var besideBeginning: Double?
        /// The largest absolute value in the state at its end, and the length of the whole state as one vector.
        public var largest: Double
        public var norm: Double
        public var stateBytes: Int
        /// What tensors took at its end, and at most, the passes that it is compared with included.
        public var liveBytes: Int
        public var peakBytes: Int
        /// What the system says the process has; nil where it does not.
        public var residentBytes: Int?
        /// Mean loss in nats a token; nil when streaming.
        public var loss: Double?
    }

    public var tokens: Int
    /// Tokens of a stretch: between two updates in training, where the state goes on and gradients end.
    public var window = 512
    /// Whether a model streams with the weights of its linear maps in bfloat16.
    public var usesBFloat16Weights = false
    public init(tokens: Int) { self.tokens = tokens }

    /// - Throws: `LongRunError` at the first output, loss or state that is not finite.
    public func run(_ kind: Kind, _ test: ModelUnderTest, _ done: (Part) -> Void) throws -> [Part] {
        let step = min(window, max(1, tokens / 10)), model = try test.model(for: tokens)
        let key = RandomKey(1).fold("long run"), vocabulary = ModelUnderTest.vocabulary
        func sample(_ range: Range<Int>) -> Tensor {
            Tensor(range.map { Int32(key.integer($0, below: vocabulary)) }, [1, range.count])
        }
        let weights = usesBFloat16Weights ? BFloat16Weights(of: model.parameters.all) : nil
        let optimizer = ParameterUpdater(AdamW(), weightDecay: 0.1)
        /// A pass over tokens, from a state to the next one; in training also the way back.
        func read(_ range: Range<Int>, _ state: inout ModelCache) throws -> (loss: Double, gradients: Gradients?) {
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
                /// The same tokens, read by a sequence that begins with them.
                func other() throws -> Double {
                    var fresh = model.initialState(batch: 1), watch = Stopwatch()
                    try watch.time { _ = try read(range, &fresh) }
                    return watch.seconds
                }
                var beside = pair && first ? try other() : nil
                let before = own.seconds, result = try own.time { try read(range, &state) }, seconds = own.seconds - before
                // Before it and after it in turn, so that neither has the warmer cache; the update would cool it for one of them.
                if pair && !first { beside = try other() }
                if let beside { ratios.append(beside / seconds) }
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
                besideBeginning: ratios.isEmpty ? nil : ratios.sorted()[ratios.count / 2],
                largest: all.reduce(0) { max($0, abs($1)) },
                norm: all.reduce(0) { $0 + $1 * $1 }.squareRoot(), stateBytes: state.byteCount, liveBytes: memory.live,
                peakBytes: memory.peak, residentBytes: LongRun.resident,
                loss: kind == .training ? losses / Double(end - begin) : nil)
            parts.append(part)
            done(part)
        }
        return parts
    }

    /// How far the speed of a tenth is from the mean of all, at most, as a share of it.
    public static func deviation(_ speeds: [Double]) -> Double {
        let mean = speeds.reduce(0, +) / Double(max(1, speeds.count))
        return speeds.reduce(0) { max($0, abs($1 - mean) / mean) }
    }

    /// A table of the tenths.
    public static func markdown(_ parts: [Part]) -> String {
        func mib(_ bytes: Int?) -> String { bytes.map { String(format: "%.1f", Double($0) / 1_048_576) } ?? "–" }
        let hasLoss = parts.contains { $0.loss != nil }
        var header = ["tokens", "tokens/s", "tokens/s of processor time", "beside a sequence just begun", "largest in the state"]
        header += ["norm of the state", "tensors, now (MiB)", "at most", "resident"] + (hasLoss ? ["loss"] : [])
        let rows = parts.map { p in
            var fields = [
                grouped(p.tokens), grouped(Int(p.tokensPerSecond.rounded())),
                grouped(Int(p.tokensPerProcessorSecond.rounded())), p.besideBeginning.map { String(format: "%.3f", $0) } ?? "–",
                String(format: "%.3f", p.largest), String(format: "%.2f", p.norm), mib(p.liveBytes), mib(p.peakBytes),
                mib(p.residentBytes),
            ]
            if hasLoss { fields.append(p.loss.map { String(format: "%.4f", $0) } ?? "–") }
            return fields
        }
        var out = Markdown.table(header, rows)
        out += String(
            format: "\nLargest deviation of a tenth from the mean speed: %.1f %%, by processor time %.1f %%\n",
            100 * deviation(parts.map(\.tokensPerSecond)), 100 * deviation(parts.map(\.tokensPerProcessorSecond)))
        let ratios = parts.compactMap(\.besideBeginning)
        if let low = ratios.min(), let high = ratios.max() {
            out += String(format: "Speed beside a sequence just begun, timed in turn: %.3f … %.3f\n", low, high)
        }
        return out
    }

    /// Resident memory as Linux tells it.
    private static var resident: Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS") }
        return line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }.map { $0 * 1024 }
    }
}

/// Adds up the time of what it is shown.
private struct Stopwatch {
    private(set) var seconds = 0.0, processorSeconds = 0.0
    mutating func time<T>(_ body: () throws -> T) rethrows -> T {
        let start = now(), used = clock()
        defer {
            seconds += now() - start
            processorSeconds += Double(clock() - used) / Double(CLOCKS_PER_SEC)
        }
        return try body()
    }
}

public enum LongRunError: Error, Sendable, Equatable, CustomStringConvertible {
    case nonFinite(String, token: Int)
    public var description: String {
        switch self {
        case .nonFinite(let what, let token): "token \(token): \(what) is not finite"
        }
    }
}
