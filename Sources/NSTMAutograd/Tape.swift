import NSTMTensor

/// The way back of an operation: given the gradients of its outputs, adds to those of its inputs.
public typealias Pullback = (_ gradient: Tensor, _ inputs: GradientSink) -> Void
/// The same for an operation with several outputs; an output nobody used has no gradient.
public typealias PullbackMany = (_ gradients: [Tensor?], _ inputs: GradientSink) -> Void

/// What the derivative of an operation is. It is not optional: an operation without one says so, and backward stops there by name.
public enum Derivative {
    case pullback(Pullback)
    case undefined(StaticString)
}

/// A flat list of what was computed (Wengert list) with integer ids: backward and teardown are loops, so that long sequences
/// cannot overflow the stack; saved tensors are freed as backward passes them; the order of accumulation is fixed.
///
/// A tape belongs to one forward pass of one worker. Gradients of gradients are not supported: pullbacks compute on tensors and
/// are not recorded themselves.
public final class Tape {
    struct Entry {
        let op: StaticString
        let path: Int32
        /// Inputs by node id, −1 for constants; operations with more than four keep them in `moreInputs`.
        let inputs: SIMD4<Int32>
        let moreInputs: [Int32]?
        /// Number of outputs; they take consecutive ids from this entry on.
        let outputs: Int32
        var pullback: Pullback?
        var pullbackMany: PullbackMany?
    }

    /// Off: operations compute values only; nothing is recorded or kept.
    public let isRecording: Bool
    /// Looks at every value and gradient, and stops at the first that is not finite, by operation, module path and index. −∞ that
    /// comes from a constant is a mask.
    public var checksFinite = false
    /// Path of the module at work; set by `ForwardContext.scope`.
    public internal(set) var path = "" { didSet { pathIndex = -1 } }

    private(set) var entries: ContiguousArray<Entry> = []
    private var isUsed = false
    private var leaves: [ObjectIdentifier: Int32] = [:]
    private(set) var leafParameters: [(parameter: Parameter, node: Int32)] = []
    private var paths: [String] = []
    private var pathIndex: Int32 = -1

    public init(recording: Bool = true) { isRecording = recording }

    /// Number of recorded nodes.
    public var count: Int { entries.count }

    func leaf(_ parameter: Parameter) -> Int32 {
        let key = ObjectIdentifier(parameter)
        if let id = leaves[key] { return id }
        let id = append("leaf", SIMD4(repeating: -1), nil, 1, nil, nil)
        leaves[key] = id
        leafParameters.append((parameter, id))
        return id
    }
    /// A node for an input whose gradient is wanted.
    func source() -> Int32 { append("input", SIMD4(repeating: -1), nil, 1, nil, nil) }

    func append(
        _ op: StaticString, _ inputs: SIMD4<Int32>, _ more: [Int32]?, _ outputs: Int32, _ pullback: Pullback?,
        _ pullbackMany: PullbackMany?
    ) -> Int32 {
        if pathIndex < 0 {
            if paths.last != path { paths.append(path) }
            pathIndex = Int32(paths.count - 1)
        }
        let id = Int32(entries.count)
        entries.append(
            Entry(
                op: op, path: pathIndex, inputs: inputs, moreInputs: more, outputs: outputs, pullback: pullback,
                pullbackMany: pullbackMany))
        // Further outputs are placeholders: the first one carries the way back.
        for _ in 1..<max(1, outputs) {
            entries.append(
                Entry(
                    op: op, path: pathIndex, inputs: SIMD4(repeating: -1), moreInputs: nil, outputs: 0, pullback: nil,
                    pullbackMany: nil))
        }
        return id
    }

    /// Stops at a value that is not finite. −∞ may be a mask: an operation that is given some may hand it on.
    func check(_ value: Tensor, _ op: StaticString, _ inputs: [Variable]) {
        guard value.firstNonFinite() != nil else { return }
        let isMasked = inputs.contains { $0.value.doubles().contains(-.infinity) }
        if let i = value.doubles().firstIndex(where: { !$0.isFinite && !(isMasked && $0 == -.infinity) }) {
            fatalError("\(op) in '\(path)': first non-finite value at index \(i) of shape \(value.shape)")
        }
    }

    /// Runs backward from a node. Returns the gradient slots; those of leaves and inputs are filled, the others were freed on the way.
    func backward(from node: Int32, seed: Tensor) -> [Tensor?] {
        guard !isUsed else {
            fatalError(
                "backward: this tape was used already, and what it kept is gone. Record the pass again; gradients of gradients are "
                    + "not supported.")
        }
        isUsed = true
        var gradients = [Tensor?](repeating: nil, count: entries.count)
        gradients[Int(node)] = seed
        if checksFinite, let i = seed.firstNonFinite() {
            fatalError("backward: first non-finite seed at index \(i) of shape \(seed.shape)")
        }
        gradients.withUnsafeMutableBufferPointer { slots in
            var id = Int(node)
            // A node that is a further output of its operation is handled with the first one, further down.
            while id >= 0 {
                let outputs = Int(entries[id].outputs)
                if outputs == 1, let pullback = entries[id].pullback {
                    if let g = slots[id] {
                        let sink = GradientSink(slots.baseAddress!, entries[id].inputs, entries[id].moreInputs)
                        entries[id].pullback = nil
                        slots[id] = nil
                        pullback(g, sink)
                        if checksFinite { checkGradients(from: id, slots) }
                    } else {
                        entries[id].pullback = nil
                    }
                } else if let pullback = entries[id].pullbackMany {
                    let incoming = (id..<id + outputs).map { slots[$0] }
                    entries[id].pullbackMany = nil
                    if incoming.contains(where: { $0 != nil }) {
                        for i in id..<id + outputs { slots[i] = nil }
                        pullback(incoming, GradientSink(slots.baseAddress!, entries[id].inputs, entries[id].moreInputs))
                        if checksFinite { checkGradients(from: id, slots) }
                    }
                }
                id -= 1
            }
        }
        return gradients
    }
    /// Looks at what an operation has just given its inputs, so that the operation named is the one at fault, and gradients
    /// that end in a leaf are seen too.
    private func checkGradients(from id: Int, _ slots: UnsafeMutableBufferPointer<Tensor?>) {
        let entry = entries[id]
        for (position, input) in (entry.moreInputs ?? (0..<4).map { entry.inputs[$0] }).enumerated() where input >= 0 {
            guard let g = slots[Int(input)], let i = g.firstNonFinite() else { continue }
            let place = "\(entry.op) in '\(paths[Int(entry.path)])'"
            fatalError("\(place): first non-finite gradient at index \(i) of shape \(g.shape), of input \(position)")
        }
    }
}

/// Where a pullback puts the gradients of its operation's inputs.
public struct GradientSink {
    private let slots: UnsafeMutablePointer<Tensor?>
    private let inputs: SIMD4<Int32>
    private let more: [Int32]?

    init(_ slots: UnsafeMutablePointer<Tensor?>, _ inputs: SIMD4<Int32>, _ more: [Int32]?) {
        self.slots = slots
        self.inputs = inputs
        self.more = more
    }
    @inline(__always) private func node(_ i: Int) -> Int { Int(more.map { $0[i] } ?? inputs[i]) }

    /// Whether the gradient of the i-th input is wanted.
    public func needs(_ i: Int) -> Bool { node(i) >= 0 }
    /// Adds a gradient for the i-th input; the expression is evaluated only when it is wanted.
    public func add(_ i: Int, _ gradient: @autoclosure () -> Tensor) {
        let id = node(i)
        guard id >= 0 else { return }
        let g = gradient()
        if slots[id] == nil { slots[id] = g } else { slots[id]!.add(g) }
    }
    /// Takes out what has been added up for the i-th input so far.
    func take(_ i: Int) -> Tensor? {
        let id = node(i)
        guard id >= 0 else { return nil }
        defer { slots[id] = nil }
        return slots[id]
    }
}
