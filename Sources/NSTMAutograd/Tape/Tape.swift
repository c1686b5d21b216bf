import NSTMTensor

/// The derivative of an operation.
///
/// It is required: an operation without one must say so, and the backward pass stops there with its name.
public enum Derivative {
    /// The backward function of an operation, which adds to the gradients of its inputs from the gradient of its output.
    public typealias Pullback = (_ gradient: Tensor, _ gradients: GradientSink) -> Void
    /// The backward function of an operation with several outputs; the gradient of an output that was not used is nil.
    public typealias PullbackMany = (_ outputs: [Tensor?], _ gradients: GradientSink) -> Void

    case pullback(Pullback)
    case undefined(StaticString)
}

/// A flat list of operations (Wengert list) with integer ids.
///
/// The backward pass and deallocation are loops, so that long sequences cannot overflow the stack; saved tensors are freed during
/// the backward pass; the order of accumulation is fixed.
///
/// A tape belongs to one forward pass of one worker. Gradients of gradients are not supported: pullbacks compute with tensors and
/// are not recorded.
public final class Tape {
    struct Entry {
        let op: StaticString
        let path: Int32
        /// Inputs by node id, −1 for constants; operations with more than eight have them in `moreInputs`.
        let inputs: SIMD8<Int32>
        let moreInputs: [Int32]?
        /// Number of outputs; they take consecutive ids from this entry on.
        let outputs: Int32
        /// Address of the saved values, which begin with their `SavedOperation`; nil for leaves, for further outputs, and after
        /// the backward pass.
        var saved: UnsafeMutableRawPointer?
    }

    /// Whether operations are recorded; otherwise they compute values only.
    public let isRecording: Bool
    /// Whether every value and gradient is checked; the program stops at the first non-finite one with operation, module path and
    /// index.
    ///
    /// −∞ in a constant is a mask.
    @exclusivity(unchecked) public var checksFinite = false
    /// Path of the current module, built on request; `ForwardContext.scope` adds to it.
    public internal(set) var path: String {
        get { path(of: scope) }
        set { scope = newValue.isEmpty ? -1 : enter(newValue, in: -1) }
    }

    @exclusivity(unchecked) private(set) var entries = PooledArray<Entry>()
    @exclusivity(unchecked) private var saved = SavedMemory()
    private var isUsed = false
    /// Parameters in the order in which they were first used.
    @exclusivity(unchecked) private(set) var leaves = PooledArray<(parameter: Parameter, node: Int32)>()
    /// Index into `leaves` by parameter index, of the parameter with this index that was used last; −1 for none.
    @exclusivity(unchecked) private var leafIndices = PooledArray<Int32>()
    /// The modules that were entered, with the index of the enclosing module (−1: none).
    @exclusivity(unchecked) private var scopes = PooledArray<(parent: Int32, name: String)>()
    /// Index of the current module.
    @exclusivity(unchecked) private(set) var scope: Int32 = -1

    public init(recording: Bool = true) {
        isRecording = recording
        if recording { entries.reserve(256) }
    }

    /// Number of recorded nodes.
    public var count: Int { entries.count }

    func leaf(_ parameter: Parameter) -> Int32 {
        let index = parameter.index
        while leafIndices.count <= index { leafIndices.append(-1) }
        if leafIndices[index] >= 0 {
            let known = leaves[Int(leafIndices[index])]
            if known.parameter === parameter { return known.node }
            // Parameters of two models may have one index.
            for i in 0..<leaves.count where leaves[i].parameter === parameter { return leaves[i].node }
        }
        let id = append("leaf", SIMD8(repeating: -1), nil)
        leafIndices[index] = Int32(leaves.count)
        leaves.append((parameter, id))
        return id
    }
    var leafParameters: [(parameter: Parameter, node: Int32)] { (0..<leaves.count).map { leaves[$0] } }
    /// A node for an input whose gradient can be requested.
    func source() -> Int32 { append("input", SIMD8(repeating: -1), nil) }

    /// Appends an operation, or a leaf (which saves nothing), and returns the id of its first output.
    func append(
        _ op: StaticString, _ inputs: SIMD8<Int32>, _ more: [Int32]?, outputs: Int32 = 1, _ saved: UnsafeMutableRawPointer? = nil
    ) -> Int32 {
        let id = Int32(entries.count)
        entries.append(Entry(op: op, path: scope, inputs: inputs, moreInputs: more, outputs: outputs, saved: saved))
        // Further outputs are placeholders: the first one has the backward function.
        var rest = outputs
        while rest > 1 {
            entries.append(
                Entry(op: op, path: scope, inputs: SIMD8(repeating: -1), moreInputs: nil, outputs: 0, saved: nil))
            rest -= 1
        }
        return id
    }
    private func enter(_ name: String, in parent: Int32) -> Int32 {
        scopes.append((parent, name))
        return Int32(scopes.count - 1)
    }
    /// Enters a module within the current one, and returns the index of the latter.
    @usableFromInline func enter(_ name: String) -> Int32 {
        let outer = scope
        scope = enter(name, in: outer)
        return outer
    }
    /// Returns to the module whose index `enter` returned.
    @usableFromInline func leave(to outer: Int32) {
        // Recorded operations refer to their modules; in a pass without them, the list does not grow.
        if !isRecording, Int(scope) == scopes.count - 1 { scopes.removeLast() }
        scope = outer
    }
    private func path(of scope: Int32) -> String {
        var names: [String] = [], at = scope
        while at >= 0 {
            names.append(scopes[Int(at)].name)
            at = scopes[Int(at)].parent
        }
        return names.reversed().joined(separator: ".")
    }

    /// Appends an operation with one output.
    @inline(__always) func append<Values>(
        _ op: StaticString, _ inputs: SIMD8<Int32>, _ more: [Int32]?, saving values: consuming Values,
        _ backward: @escaping BackwardFunction<Values>
    ) -> Int32 {
        append(op, inputs, more, saved.store(Saved(values, backward)))
    }
    /// Appends an operation with several outputs.
    @inline(__always) func append<Values>(
        _ op: StaticString, _ inputs: SIMD8<Int32>, _ more: [Int32]?, outputs: Int32, saving values: consuming Values,
        _ backward: @escaping BackwardFunctionOfOutputs<Values>
    ) -> Int32 {
        append(op, inputs, more, outputs: outputs, saved.store(SavedOfOutputs(values, backward)))
    }

    deinit {
        for i in 0..<entries.count { if let saved = entries[i].saved { Tape.operation(saved).pointee.destroy(saved) } }
        entries.free()
        saved.free()
        leaves.free()
        leafIndices.free()
        scopes.free()
    }

    private static func operation(_ saved: UnsafeMutableRawPointer) -> UnsafePointer<SavedOperation> {
        UnsafePointer(saved.assumingMemoryBound(to: SavedOperation.self))
    }

    /// Stops the program at a non-finite value.
    ///
    /// −∞ may be a mask: an operation with −∞ among its inputs may return it.
    func check(_ value: Tensor, _ op: StaticString, _ inputs: [Variable]) {
        guard value.firstNonFinite() != nil else { return }
        let isMasked = inputs.contains { $0.value.doubles().contains(-.infinity) }
        if let i = value.doubles().firstIndex(where: { !$0.isFinite && !(isMasked && $0 == -.infinity) }) {
            fatalError("\(op) in '\(path)': first non-finite value at index \(i) of shape \(value.shape)")
        }
    }

    /// Runs the backward pass from a node, and passes the gradients by node to the body: those of leaves and inputs, because the
    /// others are freed during the pass.
    func backward<R>(from node: Int32, seed: Tensor, _ body: (UnsafePointer<Tensor?>) -> R) -> R {
        guard !isUsed else {
            fatalError(
                "backward: this tape was used already, and what it saved is gone. Record the pass again; gradients of gradients are "
                    + "not supported.")
        }
        isUsed = true
        if checksFinite, let i = seed.firstNonFinite() {
            fatalError("backward: first non-finite seed at index \(i) of shape \(seed.shape)")
        }
        // Not an array, because its destruction visits every empty slot.
        let count = entries.count, bytes = count * MemoryLayout<Tensor?>.stride
        let slots = CachedMemory.allocate(byteCount: bytes).bindMemory(to: Tensor?.self, capacity: count)
        for i in 0..<count { (slots + i).initialize(to: nil) }
        defer {
            for i in 0..<count where slots[i] != nil { slots[i] = nil }
            CachedMemory.free(slots, byteCount: bytes)
        }
        slots[Int(node)] = seed
        var id = Int(node)
        while id >= 0 {
            if let saved = entries[id].saved {
                entries[id].saved = nil
                let outputs = OutputGradients(slots: slots + id, count: Int(entries[id].outputs))
                if !outputs.isEmpty {
                    Tape.operation(saved).pointee.run(
                        saved, outputs, GradientSink(slots, entries[id].inputs, entries[id].moreInputs))
                    for i in 0..<outputs.count { _ = outputs.take(i) }
                    if checksFinite { checkGradients(from: id, slots) }
                }
                Tape.operation(saved).pointee.destroy(saved)
            }
            id -= 1
        }
        return body(slots)
    }
    /// Checks the gradients that an operation has just added, so that the operation that caused an issue is reported, including
    /// gradients of leaves.
    private func checkGradients(from id: Int, _ slots: UnsafeMutablePointer<Tensor?>) {
        let entry = entries[id]
        for (position, input) in (entry.moreInputs ?? (0..<8).map { entry.inputs[$0] }).enumerated() where input >= 0 {
            guard let g = slots[Int(input)], let i = g.firstNonFinite() else { continue }
            let operation = "\(entry.op) in '\(path(of: entry.path))'"
            fatalError("\(operation): first non-finite gradient at index \(i) of shape \(g.shape), of input \(position)")
        }
    }
}

/// The gradients of an operation's inputs, to which its backward function adds.
public struct GradientSink {
    private let slots: UnsafeMutablePointer<Tensor?>
    private let inputs: SIMD8<Int32>
    private let more: [Int32]?

    init(_ slots: UnsafeMutablePointer<Tensor?>, _ inputs: SIMD8<Int32>, _ more: [Int32]?) {
        self.slots = slots
        self.inputs = inputs
        self.more = more
    }
    @inline(__always) private func node(_ i: Int) -> Int { Int(more.map { $0[i] } ?? inputs[i]) }

    /// Whether the gradient of the i-th input is needed.
    public func needs(_ i: Int) -> Bool { node(i) >= 0 }
    /// Adds a gradient of the i-th input; the expression is evaluated only if it is needed.
    public func add(_ i: Int, _ gradient: @autoclosure () -> Tensor) {
        let id = node(i)
        guard id >= 0 else { return }
        let g = gradient()
        if slots[id] == nil { slots[id] = g } else { slots[id]!.add(g) }
    }
    /// Updates the gradient of the i-th input in place if it is needed; the argument of the body is the sum so far, nil at first.
    func accumulate(_ i: Int, _ body: (inout Tensor?) -> Void) {
        let id = node(i)
        if id >= 0 { body(&slots[id]) }
    }
    /// Removes the sum of the gradients of the i-th input and returns it.
    func take(_ i: Int) -> Tensor? {
        let id = node(i)
        guard id >= 0 else { return nil }
        defer { slots[id] = nil }
        return slots[id]
    }
}
