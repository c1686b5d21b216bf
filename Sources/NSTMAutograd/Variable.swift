import NSTMTensor

/// What layers compute on: a tensor and its place on a tape. Without a place it is a constant, and nothing is recorded.
public struct Variable {
    public let value: Tensor
    /// Id on the tape, or −1 for a constant.
    let node: Int32
    public let tape: Tape?

    /// A constant.
    public init(_ constant: Tensor) {
        value = constant
        node = -1
        tape = nil
    }
    init(_ value: Tensor, node: Int32, tape: Tape?) {
        self.value = value
        self.node = node
        self.tape = tape
    }

    public var shape: Shape { value.shape }
    public var dtype: DType { value.dtype }
    /// Whether a gradient flows through it.
    public var isRecorded: Bool { node >= 0 }
    /// The same, without keeping more memory alive than it shows: a view that is carried on must not hold what it was cut from.
    public var owned: Variable { isRecorded ? self : Variable(value.owned, node: -1, tape: tape) }
    /// The same value as a constant: no gradient flows back.
    public var detached: Variable { Variable(value, node: -1, tape: tape) }

    /// Gradients of this scalar with respect to every parameter used on its tape. The tape can be used once: a second call stops
    /// with a message that says so.
    ///
    /// Gradients of gradients are not supported. What comes back are tensors, not variables: the way back is not recorded. For a
    /// product with a Hessian, take the difference of two gradients; for a gradient penalty, write the gradient as an operation.
    public func backward() -> Gradients {
        guard shape.count == 1 else { nstmFatal(.other(op: "backward", "needs a scalar, got shape \(shape)")) }
        guard let tape, node >= 0 else { return Gradients([]) }
        return tape.backward(from: node, seed: .ones(shape, dtype: dtype)) { slots in
            var entries: [Gradients.Entry] = []
            entries.reserveCapacity(tape.leaves.count)
            for i in 0..<tape.leaves.count {
                let leaf = tape.leaves[i]
                if let g = slots[Int(leaf.node)] { entries.append(Gradients.Entry(parameter: leaf.parameter, value: g)) }
            }
            return Gradients(entries)
        }
    }

    /// Gradients of this variable, weighted by `seed` (ones when nil), with respect to given inputs made by
    /// `ForwardContext.input`. As with `backward`, the tape can be used once, and gradients of gradients are not supported.
    public func gradients(of inputs: [Variable], seed: Tensor? = nil) -> [Tensor?] {
        guard let tape, node >= 0 else { return inputs.map { _ in nil } }
        return tape.backward(from: node, seed: seed ?? .ones(shape, dtype: dtype)) { slots in
            inputs.map { $0.node >= 0 ? slots[Int($0.node)] : nil }
        }
    }
}

/// The gradients of one backward pass, in the order in which the parameters were declared: a value that can be added, scaled
/// and reduced across workers.
public struct Gradients {
    struct Entry {
        let parameter: Parameter
        var value: Tensor
    }
    private(set) var entries: [Entry]

    init(_ entries: [Entry]) {
        self.entries = entries
        // Models use their parameters nearly in the order in which they declare them.
        let indices = entries.lazy.map(\.parameter.index)
        if zip(indices, indices.dropFirst()).contains(where: { $0 > $1 }) {
            self.entries.sort { $0.parameter.index < $1.parameter.index }
        }
    }

    public var paths: [String] { entries.map(\.parameter.path) }
    public subscript(path: String) -> Tensor? { entries.first { $0.parameter.path == path }?.value }
    public subscript(parameter: Parameter) -> Tensor? { position(of: parameter).map { entries[$0].value } }

    /// Where the gradient of a parameter is: that of its path, and so of its index.
    private func position(of parameter: Parameter) -> Int? {
        var low = 0, high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].parameter.index < parameter.index { low = middle + 1 } else { high = middle }
        }
        return entries[low...].prefix { $0.parameter.index == parameter.index }.firstIndex { $0.parameter.path == parameter.path }
    }

    /// Calls the body for each parameter and its gradient, in order of declaration.
    public func forEach(_ body: (Parameter, Tensor) throws -> Void) rethrows {
        for e in entries { try body(e.parameter, e.value) }
    }
    public static func + (a: Gradients, b: Gradients) -> Gradients {
        var entries = a.entries
        for e in b.entries {
            if let i = a.position(of: e.parameter) { entries[i].value.add(e.value) } else { entries.append(e) }
        }
        return Gradients(entries)
    }
    public func scaled(by factor: Double) -> Gradients {
        Gradients(entries.map { Entry(parameter: $0.parameter, value: $0.value.affine(factor)) })
    }
    /// Every gradient with its elements limited to ±bound (clipping by value).
    public func clamped(to bound: Double) -> Gradients {
        Gradients(entries.map { Entry(parameter: $0.parameter, value: $0.value.clamped(-bound, bound)) })
    }
    /// The Euclidean norm of all gradients together.
    public var globalNorm: Double {
        withScratch(byteCount: entries.count * MemoryLayout<Double>.stride) { scratch in
            let squares = scratch.assumingMemoryBound(to: Double.self)
            Parallel.for(entries.count) { squares[$0] = entries[$0].value.sumOfSquares() }
            return (0..<entries.count).reduce(0) { $0 + squares[$1] }.squareRoot()
        }
    }
    /// Path and index of the first gradient element that is NaN or infinite.
    public var firstNonFinite: (path: String, index: Int)? {
        for e in entries { if let i = e.value.firstNonFinite() { return (e.parameter.path, i) } }
        return nil
    }
    /// Path of the parameter whose gradient has the element that is largest by magnitude, and that magnitude.
    public var largestElement: (path: String, magnitude: Double)? {
        entries.map { e in (e.parameter.path, e.value.doubles().reduce(0) { max($0, abs($1)) }) }.max { $0.1 < $1.1 }
    }
}
