import NSTMAutograd
import NSTMModules
import NSTMTensor

/// A layer with an external memory, [B, T, D] → [B, T, D]: a controller writes and reads the memory at every token.
///
///     h = controller(x, r⁻);   ξ = W h + b, limited to ±limit;   r = memory(ξ);   y = V [h, r] + c
///
/// Usable in any residual stack, or alone as the neural Turing machine and the differentiable neural computer. Tokens are processed one
/// by one; with `segment`, a pass keeps the carried state of every segment of that many tokens and computes each segment again in the
/// backward pass. With `truncation`, no gradient flows back over more than that many tokens (truncated backpropagation through time).
public final class MemoryMixer: SequenceMixer {
    public let controller: any MemoryController
    public let memory: any ExternalMemory
    /// W and b.
    public let interface: Linear
    /// V and c.
    public let output: Linear
    /// Bound of the interface vector, so that gates and strengths do not saturate.
    public static let limit = 20.0
    private let segment: Int?
    private let truncation: Int?
    private let dtype: DType

    /// - Parameters:
    ///   - width: D, the elements of a token.
    ///   - controller: makes the controller, given the number of elements of a token and of the reads.
    ///   - segment: tokens of a segment that is computed again in the backward pass; nil: nothing is computed again.
    ///   - truncation: tokens of a segment between which no gradient flows; nil: backpropagation through the whole pass.
    public init(
        _ parameters: ParameterBuilder, width: Int, memory: any ExternalMemory, segment: Int? = nil, truncation: Int? = nil,
        controller: (_ parameters: ParameterBuilder, _ inputs: Int, _ reads: Int) -> any MemoryController
    ) {
        self.memory = memory
        self.controller = controller(parameters.child("controller"), width, memory.readWidth)
        self.segment = segment
        self.truncation = truncation
        dtype = parameters.dtype
        interface = Linear(parameters.child("interface"), in: self.controller.width, out: memory.interfaceWidth)
        output = Linear(parameters.child("output"), in: self.controller.width + memory.readWidth, out: width)
    }

    // Variables of the controller, of the memory, and the last reads share the cache.
    private func joined(_ controller: MixerCache, _ memory: MemoryState, _ reads: Variable, position: Int) -> MixerCache {
        var cache = MixerCache(position: position)
        for name in controller.names { cache["controller." + name] = controller[name] }
        for name in memory.variables.names { cache["memory." + name] = memory[name] }
        cache["reads"] = reads
        return cache
    }
    private func part(_ cache: MixerCache, _ prefix: String) -> MixerCache {
        var part = MixerCache(position: cache.position)
        for name in cache.names where name.hasPrefix(prefix) { part[String(name.dropFirst(prefix.count))] = cache[name] }
        return part
    }

    public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
        let reads = context.constant(.zeros([batch, memory.readWidth], dtype: dtype))
        return joined(
            controller.initialState(batch: batch, context), memory.initialState(batch: batch, context), reads, position: 0)
    }
    public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        let (batch, count) = (x.shape[0], x.shape[1])
        guard count > 0 else { return x }
        let carries = state != nil
        var cache = state ?? initialState(batch: batch, context), outputs: [Variable] = []
        // Released, so that a memory can change its rows in place.
        state = nil
        let tokens = controller.prepare(x, context)
        var start = 0
        while start < count {
            if let truncation, start > 0, start % truncation == 0 { cache = cache.detached }
            let cut = truncation.map { (start / $0 + 1) * $0 } ?? count, end = min(count, cut, start + (segment ?? count))
            let part = tokens.slice(axis: 1, start..<end)
            let carriesOn = carries || end < count
            outputs.append(
                segment == nil ? run(part, &cache, carriesOn, context) : recomputed(part, &cache, carriesOn, context))
            start = end
        }
        if carries { state = cache }
        return output(outputs.count == 1 ? outputs[0] : .concatenate(outputs, axis: 1), context)
    }
    /// [h, r] of the tokens of a segment.
    /// - Parameter carriesOn: whether the cache after the segment is used.
    private func run(_ tokens: Variable, _ cache: inout MixerCache, _ carriesOn: Bool, _ context: ForwardContext) -> Variable {
        var carried = part(cache, "controller."), state = MemoryState(part(cache, "memory.")), reads = cache["reads"]!
        cache = MixerCache(position: cache.position)
        var outputs: [Variable] = []
        let count = tokens.shape[1]
        // One operation, whose backward pass does not add up gradients of all tokens for each of them.
        for token in tokens.split(axis: 1, into: count) {
            let h = controller.step(token.squeezed(axis: 1), reads: reads, &carried, context)
            let vector = interface(h, context).clamped(min: -Self.limit, max: Self.limit)
            reads = memory.step(vector, &state, context)
            outputs.append(.concatenate([h, reads], axis: 1).unsqueezed(axis: 1))
        }
        if carriesOn {
            memory.finish(&state, context)
            cache = joined(carried, state, reads, position: cache.position + count)
        }
        return outputs.count == 1 ? outputs[0] : .concatenate(outputs, axis: 1)
    }
    /// The same, of which the backward pass computes everything but the carried state again.
    private func recomputed(_ tokens: Variable, _ cache: inout MixerCache, _ carriesOn: Bool, _ context: ForwardContext)
        -> Variable
    {
        let names = cache.names, position = cache.position
        var after: [String] = []
        let results = context.checkpointed([tokens] + names.map { cache[$0]! }) { context, inputs in
            var cache = MixerCache(position: position)
            for (name, value) in zip(names, inputs.dropFirst()) { cache[name] = value }
            let y = self.run(inputs[0], &cache, carriesOn, context)
            after = cache.names
            return [y] + after.map { cache[$0]! }
        }
        cache = MixerCache(position: position + tokens.shape[1])
        for (name, value) in zip(after, results.dropFirst()) { cache[name] = value }
        return results[0]
    }
}

extension MemoryMixer: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        guard let controller = controller.multiplyAdds(pass), let memory = memory.multiplyAdds else { return nil }
        return controller + pass.rows * (memory + interface.weight.value.count + output.weight.value.count)
    }
    public func stateBytes(_ pass: PassSize) -> Int? {
        guard let controller = controller.stateCount, let memory = memory.stateCount else { return nil }
        return [pass.batch, controller + memory + self.memory.readWidth, dtype.byteCount].saturatedProduct
    }
}
