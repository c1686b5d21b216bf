import NSTMTensor

/// A tensor and its node on a tape; the value that layers compute with.
///
/// Without a node it is a constant, and operations on it are not recorded.
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
    /// The same value in storage of exactly its size, so that a carried view does not keep the memory of a larger tensor alive.
    public var owned: Variable { isRecorded ? self : Variable(value.owned, node: -1, tape: tape) }
    /// The same value as a constant, without a gradient.
    public var detached: Variable { Variable(value, node: -1, tape: tape) }

    /// Gradients of this scalar with respect to every parameter used on its tape.
    ///
    /// The tape can be used once: a second call stops the program with a message.
    ///
    /// Gradients of gradients are not supported: the results are tensors, and the backward pass is not recorded. For a product
    /// with a Hessian, take the difference of two gradients; for a gradient penalty, write the gradient as an operation.
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

    /// Gradients of this variable, weighted by `seed` (ones when nil), with respect to given inputs created by
    /// `ForwardContext.input`.
    ///
    /// As with `backward`, the tape can be used once, and gradients of gradients are not supported.
    public func gradients(of inputs: [Variable], seed: Tensor? = nil) -> [Tensor?] {
        guard let tape, node >= 0 else { return inputs.map { _ in nil } }
        return tape.backward(from: node, seed: seed ?? .ones(shape, dtype: dtype)) { slots in
            inputs.map { $0.node >= 0 ? slots[Int($0.node)] : nil }
        }
    }
}
