import Foundation
import NSTMAutograd
import NSTMModules
import NSTMOptim
import NSTMTensor

/// One sequence of very many tokens, streamed token by token or trained on part by part with a carried state, watched in tenths:
/// speed, memory and states must stay what they are.
public struct LongRun: Sendable {
    public enum Kind: String, Sendable, CaseIterable { case streaming, training }

    /// One tenth of the run.
    public struct Part: Sendable {
        /// Tokens seen at its end.
        public var tokens: Int
        public var tokensPerSecond: Double
        /// The same for each second of processor time, of all threads: what other programs do shows less.
        public var tokensPerProcessorSecond: Double
        /// The largest absolute value in the state at its end, and the length of the whole state as one vector.
        public var largest: Double
        public var norm: Double
        public var stateBytes: Int
        /// What tensors took at its end and at most.
        public var liveBytes: Int
        public var peakBytes: Int
        /// What the system says the process has; nil where it does not.
        public var residentBytes: Int?
        /// Mean loss in nats a token; nil when streaming.
        public var loss: Double?
    }

    public var tokens: Int
    /// Tokens between two updates in training; the state goes on and gradients end there.
    public var window = 512
    public init(tokens: Int) { self.tokens = tokens }

    /// - Throws: `LongRunError` at the first output, loss or state that is not finite.
    public func run(_ kind: Kind, _ test: ModelUnderTest, _ done: (Part) -> Void) throws -> [Part] {
        let step = kind == .training ? min(window, max(1, tokens / 10)) : 1, model = try test.model(for: tokens)
        let optimizer = Optimizer(.adamW(beta1: 0.9, beta2: 0.99), decay: 0.1)
        let key = RandomKey(1).fold("long run"), vocabulary = ModelUnderTest.vocabulary
        func sample(_ range: Range<Int>) -> Tensor {
            Tensor(range.map { Int32(key.integer($0, below: vocabulary)) }, [1, range.count])
        }
        var state = model.initialState(batch: 1), parts: [Part] = [], at = 0
        for tenth in 1...10 {
            let end = kind == .training ? tokens * tenth / 10 / step * step : tokens * tenth / 10, begin = at
            guard end > begin else { continue }
            MemoryUse.resetPeak()
            var losses = 0.0
            let start = now(), processor = clock()
            while at < end {
                let inputs = sample(at..<at + step)
                if kind == .streaming {
                    let y = model(inputs, state: &state, ForwardContext(.evaluate)).value
                    guard y.firstNonFinite() == nil else { throw LongRunError.nonFinite("an output", token: at) }
                } else {
                    let context = ForwardContext(.train, key: key.fold(at))
                    let loss = model(inputs, state: &state, context).crossEntropy(sample(at + 1..<at + 1 + step))
                    let gradients = loss.backward(), norm = gradients.globalNorm, value = loss.value.item()
                    guard norm.isFinite, value.isFinite else { throw LongRunError.nonFinite("the loss or a gradient", token: at) }
                    optimizer.update(gradients, rate: 3e-4, scale: norm > 1 ? 1 / norm : 1)
                    state = state.detached
                    losses += value * Double(step)
                }
                at += step
            }
            let seconds = now() - start, used = Double(clock() - processor) / Double(CLOCKS_PER_SEC)
            let values = state.layers.flatMap { layer in layer.names.map { layer[$0]!.value } }
            guard values.allSatisfy({ $0.firstNonFinite() == nil }) else { throw LongRunError.nonFinite("a state", token: at) }
            let all = values.flatMap { $0.doubles() }, memory = MemoryUse.current
            let part = Part(
                tokens: at, tokensPerSecond: Double(end - begin) / seconds,
                tokensPerProcessorSecond: Double(end - begin) / max(used, 1e-9), largest: all.reduce(0) { max($0, abs($1)) },
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
        var out = "| tokens | tokens/s | tokens/s of processor time | largest in the state | norm of the state "
        out += "| tensors, now (MiB) | at most | resident |"
        out += (hasLoss ? " loss |" : "") + "\n|---|---|---|---|---|---|---|---|" + (hasLoss ? "---|" : "") + "\n"
        for p in parts {
            var fields = [
                grouped(p.tokens), grouped(Int(p.tokensPerSecond.rounded())),
                grouped(Int(p.tokensPerProcessorSecond.rounded())), String(format: "%.3f", p.largest),
                String(format: "%.2f", p.norm), mib(p.liveBytes), mib(p.peakBytes), mib(p.residentBytes),
            ]
            if hasLoss { fields.append(p.loss.map { String(format: "%.4f", $0) } ?? "–") }
            out += "| " + fields.joined(separator: " | ") + " |\n"
        }
        return out
            + String(
                format: "\nLargest deviation of a tenth from the mean speed: %.1f %%, by processor time %.1f %%\n",
                100 * deviation(parts.map(\.tokensPerSecond)), 100 * deviation(parts.map(\.tokensPerProcessorSecond)))
    }

    /// Resident memory as Linux tells it.
    private static var resident: Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS") }
        return line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }.map { $0 * 1024 }
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
