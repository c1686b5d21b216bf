import Foundation
import NSTMAutograd
import NSTMTensor

/// A readable summary of a model: parameters and their shapes by group, size of its cache, and work per token, counted by the
/// kernels during a forward pass.
package struct ModelSummary: Sendable {
    /// The summary, line by line.
    package let lines: [String]
    /// The lines, joined by newlines.
    package var text: String { lines.joined(separator: "\n") }

    /// - Parameters:
    ///   - kind: name of the model, for the first line.
    ///   - context: number of tokens of the pass in which work is counted; clamped to the model's `maxSequenceLength`.
    package init(_ model: SequenceModel, kind: String, context: Int = 64) {
        let shape = model.shape, length = max(1, min(context, model.maxSequenceLength ?? context))
        var lines = [
            "\(kind), \(shape.layers) layers of width \(shape.width), \(grouped(model.parameters.trainableCount)) parameters"
        ]
        let groups = ModelSummary.groups(model)
        let names = groups.map(\.name.count).max() ?? 0, counts = groups.map { grouped($0.count).count }.max() ?? 0
        for group in groups {
            let name = group.name.padding(toLength: names + 2, withPad: " ", startingAt: 0)
            lines.append("  " + name + leftPadded(grouped(group.count), counts) + "  " + group.shapes)
        }
        lines.append(contentsOf: ModelSummary.carried(model, context: length))
        let work = model.work(batch: 1, tokens: length)
        let tokens = model.samples(batch: 1, tokens: length).reduce(0) { $0 + $1.shape[1] }
        lines.append(
            "\(grouped(work.multiplyAdds / tokens)) multiply-adds and \(grouped(work.elements / tokens)) other elements per token, forward, "
                + "in a sequence of \(grouped(tokens))")
        self.lines = lines
    }

    /// Default length of the pass in which work is counted: that of the data, at most 4096 so that the pass is short.
    package static func usualContext(_ length: Int) -> Int { min(length, 4096) }

    private struct Group {
        let name: String
        var count = 0
        var parts: [(name: String, shape: Shape, times: Int)] = []
        /// Names and shapes such as `weight [384, 128], bias [384]`, with the number of occurrences over all layers.
        var shapes: String {
            let most = parts.map(\.times).max() ?? 1
            let text = parts.map { $0.name + " \($0.shape)" + ($0.times == most ? "" : " × \($0.times)") }.joined(
                separator: ", ")
            return (most > 1 ? "\(most) × " : "") + text
        }
    }
    private static func groups(_ model: SequenceModel) -> [Group] {
        var groups: [Group] = []
        for parameter in model.parameters.all where parameter.isTrainable {
            let (name, rest) = split(parameter.path), value = parameter.value
            let index = groups.firstIndex { $0.name == name } ?? groups.count
            if index == groups.count { groups.append(Group(name: name)) }
            groups[index].count += value.count
            if let same = groups[index].parts.firstIndex(where: { $0.name == rest && $0.shape == value.shape }) {
                groups[index].parts[same].times += 1
            } else {
                groups[index].parts.append((rest, value.shape, 1))
            }
        }
        return groups
    }
    /// Group and name of a parameter: `blocks.3.mixer.router.weight` is `weight` of `blocks.*.mixer.router`.
    private static func split(_ path: String) -> (group: String, rest: String) {
        let names = path.split(separator: ".").map(String.init)
        guard names.count > 1 else { return (path, path) }
        guard names[0] == "blocks", names.count > 2 else { return (names[0], names.dropFirst().joined(separator: ".")) }
        let inner = Array(names.dropFirst(2)), depth = inner.first == "mixer" ? max(1, min(2, inner.count - 1)) : 1
        let rest = inner.dropFirst(depth).joined(separator: ".")
        return ("blocks.*." + inner.prefix(depth).joined(separator: "."), rest.isEmpty ? inner.last! : rest)
    }

    private static func carried(_ model: SequenceModel, context: Int) -> [String] {
        if let limitation = model.streamingLimitation { return ["\(limitation): no streaming, no state between calls"] }
        let limit = model.maxSequenceLength
        var state = model.initialState(batch: 1)
        func read(_ tokens: Int) -> Int {
            _ = model(model.sample(batch: 1, tokens: tokens), state: &state, ForwardContext(.evaluate))
            return state.byteCount
        }
        if model.cacheGrowsWithLength {
            let first = read(1), growth = (limit ?? 2) > 1 ? read(1) - first : first
            return [
                "carries \(grouped(growth)) bytes of state per token"
                    + (limit.map { ", at most \(grouped($0)) tokens" } ?? "")
            ]
        }
        let bytes = read(context), layer = state.layers[0]
        let parts = layer.names.map { "\($0) \(Shape(Array(layer[$0]!.shape.dims.dropFirst())))" }
        let length = limit.map { "up to \(grouped($0)) tokens" } ?? "any length"
        return [
            "carries \(grouped(bytes)) bytes of state for a sequence of \(length), in each layer " + parts.joined(separator: ", ")
        ]
    }
}

extension SequenceModel {
    /// The text of the model's `ModelSummary`.
    /// - Parameters:
    ///   - kind: name of the model; nil for the name of its type.
    ///   - context: number of tokens of the pass in which work is counted.
    public func summary(_ kind: String? = nil, context: Int = 64) -> String {
        ModelSummary(self, kind: kind ?? "\(type(of: self))", context: context).text
    }

    /// Random inputs for measurements, one tensor per input of the model: int32 [batch, T] or floats [batch, T, F].
    ///
    /// A pure function of its arguments.
    /// - Parameter tokens: T of every input; clamped so that all inputs fit into `maxSequenceLength`, and replaced by
    ///   `Embedder.fixedLength` where there is one.
    public func samples(batch: Int, tokens: Int, seed: UInt64 = 1) -> [Tensor] {
        let tokens = max(1, min(tokens, (maxSequenceLength ?? .max) / embedders.count))
        func sample(_ input: ModelInput, _ embedder: any Embedder, _ key: RandomKey) -> Tensor {
            let length = embedder.fixedLength ?? tokens
            switch input {
            case .tokens(let vocabulary):
                return Tensor((0..<batch * length).map { Int32(key.integer($0, below: vocabulary)) }, [batch, length])
            case .features(let width): return .normal([batch, length, width], key: key)
            case .streams: nstmFatal(.other(op: "samples", "nested streams in the input \(shape.input)"))
            }
        }
        let key = RandomKey(seed).fold("sample")
        guard case .streams(let inputs) = shape.input, let streams else { return [sample(shape.input, embedder, key)] }
        return inputs.indices.map { sample(inputs[$0], streams.streams[$0], key.fold($0)) }
    }
    /// `samples` of a model with one input.
    public func sample(batch: Int, tokens: Int, seed: UInt64 = 1) -> Tensor {
        samples(batch: batch, tokens: tokens, seed: seed)[0]
    }
    /// Operations that the kernels execute in a forward pass over whole random sequences, in evaluation.
    public func work(batch: Int, tokens: Int) -> Work {
        let inputs = samples(batch: batch, tokens: tokens)
        return Work.counting { _ = self(inputs, ForwardContext(.evaluate)) }
    }
}

/// A number with thousands separators: 1234567 as `1,234,567`.
package func grouped(_ n: Int) -> String {
    var digits = String(n.magnitude), parts: [String] = []
    while digits.count > 3 {
        parts.insert(String(digits.suffix(3)), at: 0)
        digits = String(digits.dropLast(3))
    }
    return (n < 0 ? "-" : "") + ([digits] + parts).joined(separator: ",")
}
package func leftPadded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}
