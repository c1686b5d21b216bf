import NSTMTensor

/// Defines an operation: its name, inputs, value and derivative in one place.
///
/// This is the public way to add one; check it with `gradientCheck`.
///
/// ```swift
/// func cube(_ x: Variable) -> Variable {
///     let v = x.value
///     return record("cube", [x], v * v * v, .pullback { g, gradients in gradients.add(0, g * (v * v).affine(3)) })
/// }
/// ```
///
/// The derivative is evaluated only if it is needed, so that it has no cost in a pass that is not recorded.
public func record(
    _ op: StaticString, _ inputs: [Variable], _ value: Tensor, _ derivative: @autoclosure () -> Derivative
) -> Variable {
    guard let tape = commonTape(op, inputs, [value]) else { return Variable(value) }
    guard tape.isRecording, inputs.contains(where: \.isRecorded) else { return Variable(value, node: -1, tape: tape) }
    let node: Int32, (nodes, more) = pack(inputs)
    switch derivative() {
    case .pullback(let pullback):
        node = tape.append(op, nodes, more, saving: Captured(pullback: pullback)) { g, saved, gradients in
            saved.pointee.pullback(g, gradients)
        }
    case .undefined(let why):
        node = tape.append(op, nodes, more, saving: (op, tape.path, why)) { _, saved, _ in
            let (op, path, why) = saved.pointee
            fatalError("\(op) in '\(path)' has no derivative: \(why)")
        }
    }
    return Variable(value, node: node, tape: tape)
}

/// A closure as a saved value, in a structure because a generic value that is a closure would need an adapter.
private struct Captured { let pullback: Derivative.Pullback }
private struct CapturedMany { let pullback: Derivative.PullbackMany }

/// Defines an operation with several outputs, such as a scan that returns outputs and the last state.
///
/// The pullback receives a gradient for each output, nil for an output that was not used. It must not capture variables: they
/// refer to the tape, which stores the pullback.
public func record(_ op: StaticString, _ inputs: [Variable], _ values: [Tensor], _ pullback: @escaping Derivative.PullbackMany)
    -> [Variable]
{
    guard let tape = commonTape(op, inputs, values) else { return values.map { Variable($0) } }
    guard tape.isRecording, inputs.contains(where: \.isRecorded) else {
        return values.map { Variable($0, node: -1, tape: tape) }
    }
    let (nodes, more) = pack(inputs)
    let id = tape.append(op, nodes, more, outputs: Int32(values.count), saving: CapturedMany(pullback: pullback)) {
        outputs, saved, gradients in
        saved.pointee.pullback((0..<outputs.count).map { outputs.take($0) }, gradients)
    }
    return values.enumerated().map { Variable($1, node: id + Int32($0), tape: tape) }
}

/// The form for the operations of this module, which a step records hundreds of times: up to three operands without a list of
/// them (one that is nil keeps its position and needs no gradient), and a backward function that captures nothing.
///
/// What the backward function needs is stored on the tape (`saving`, evaluated only when the operation is recorded), so that an
/// operation allocates nothing but its value. The public form costs a list of operands and a context of the pullback more.
@inline(__always)
func record<Values>(
    _ op: StaticString, _ a: Variable, _ b: Variable? = nil, _ c: Variable? = nil, value: Tensor,
    saving values: @autoclosure () -> Values, _ backward: @escaping BackwardFunction<Values>
) -> Variable {
    guard let tape = sharedTape(a, b, c) ?? commonTape(op, a, b, c, value) else { return Variable(value) }
    let nodes = inputNodes(a, b, c)
    guard tape.isRecording, nodes != SIMD8(repeating: -1) else { return Variable(value, node: -1, tape: tape) }
    return Variable(value, node: tape.append(op, nodes, nil, saving: values(), backward), tape: tape)
}

/// The same for up to six operands and three outputs.
@inline(__always)
func record<Values>(
    _ op: StaticString, _ a: Variable, _ b: Variable, _ c: Variable, _ d: Variable, _ e: Variable?, _ f: Variable?,
    values outputs: (Tensor, Tensor, Tensor), saving values: @autoclosure () -> Values,
    _ backward: @escaping BackwardFunctionOfOutputs<Values>
) -> (Variable, Variable, Variable) {
    let tape =
        sharedTape(a, b, c, d, e, f)
        ?? commonTape(op, [a, b, c, d, e, f].compactMap { $0 }, [outputs.0, outputs.1, outputs.2])
    let nodes = inputNodes(a, b, c, d, e, f)
    guard let tape, tape.isRecording, nodes != SIMD8(repeating: -1) else {
        func constant(_ value: Tensor) -> Variable { Variable(value, node: -1, tape: tape) }
        return (constant(outputs.0), constant(outputs.1), constant(outputs.2))
    }
    let node = tape.append(op, nodes, nil, outputs: 3, saving: values(), backward)
    func output(_ value: Tensor, _ i: Int32) -> Variable { Variable(value, node: node + i, tape: tape) }
    return (output(outputs.0, 0), output(outputs.1, 1), output(outputs.2, 2))
}

/// The tape of all operands, when it does not look at values.
///
/// Nil: `commonTape` has to decide.
@inline(__always)
private func sharedTape(
    _ a: Variable, _ b: Variable?, _ c: Variable?, _ d: Variable? = nil, _ e: Variable? = nil, _ f: Variable? = nil
) -> Tape? {
    guard let tape = a.tape, !tape.checksFinite else { return nil }
    if let b, b.tape !== tape { return nil }
    if let c, c.tape !== tape { return nil }
    if let d, d.tape !== tape { return nil }
    if let e, e.tape !== tape { return nil }
    if let f, f.tape !== tape { return nil }
    return tape
}
/// The tape on which an operation is recorded, nil when no operand has one.
///
/// It checks the values if `checksFinite` is set.
private func commonTape(_ op: StaticString, _ inputs: [Variable], _ values: [Tensor]) -> Tape? {
    var tape: Tape?
    for x in inputs {
        guard let t = x.tape else { continue }
        if let known = tape, known !== t {
            // Constants of another tape (such as a carried state) are allowed; recorded values are not.
            if x.node < 0 { continue }
            if known.isRecording && inputs.contains(where: { $0.tape === known && $0.node >= 0 }) {
                fatalError(
                    "\(op) in '\(t.path)': operands are recorded on two different tapes. A state carried to another pass must be "
                        + "detached; the body of `checkpointed` may compute with its arguments only.")
            }
        }
        tape = t
    }
    if let tape, tape.checksFinite { for value in values { tape.check(value, op, inputs) } }
    return tape
}
// Not inlined: operations of two tapes, and passes that check values, are rare.
@inline(never) private func commonTape(_ op: StaticString, _ a: Variable, _ b: Variable?, _ c: Variable?, _ value: Tensor)
    -> Tape?
{
    commonTape(op, [a, b, c].compactMap { $0 }, [value])
}
/// Nodes of the operands, −1 for one that is nil.
@inline(__always)
private func inputNodes(
    _ a: Variable, _ b: Variable? = nil, _ c: Variable? = nil, _ d: Variable? = nil, _ e: Variable? = nil, _ f: Variable? = nil
) -> SIMD8<Int32> {
    SIMD8(a.node, b?.node ?? -1, c?.node ?? -1, d?.node ?? -1, e?.node ?? -1, f?.node ?? -1, -1, -1)
}
private func pack(_ inputs: [Variable]) -> (SIMD8<Int32>, [Int32]?) {
    var nodes = SIMD8<Int32>(repeating: -1)
    if inputs.count > 8 { return (nodes, inputs.map(\.node)) }
    for (i, x) in inputs.enumerated() { nodes[i] = x.node }
    return (nodes, nil)
}

/// Whether a gradient flows through one of the operands.
@inline(__always) func isAnyRecorded(
    _ a: Variable, _ b: Variable?, _ c: Variable? = nil, _ d: Variable? = nil, _ e: Variable? = nil, _ f: Variable? = nil,
    _ g: Variable? = nil, _ h: Variable? = nil
) -> Bool {
    // Not a list: it would have to be allocated.
    a.node >= 0 || b?.node ?? -1 >= 0 || c?.node ?? -1 >= 0 || d?.node ?? -1 >= 0 || e?.node ?? -1 >= 0 || f?.node ?? -1 >= 0
        || g?.node ?? -1 >= 0 || h?.node ?? -1 >= 0
}
extension [Variable] {
    /// The operands with those appended that are not nil, and the index of each of these; nil for one that is missing.
    func appending(_ optional: [Variable?]) -> (inputs: [Variable], positions: [Int?]) {
        var inputs = self
        let positions = optional.map { x -> Int? in
            guard let x else { return nil }
            inputs.append(x)
            return inputs.count - 1
        }
        return (inputs, positions)
    }
}

/// Stops when an operand of a fused kernel has another element type: kernels read all of them as the first one's.
@inline(__always) func requireSameType(
    _ op: StaticString, _ first: Variable, _ a: Variable?, _ b: Variable? = nil, _ c: Variable? = nil, _ d: Variable? = nil,
    _ e: Variable? = nil, _ f: Variable? = nil, _ g: Variable? = nil
) {
    // Not a list: it would have to be allocated.
    requireType(op, first, a)
    requireType(op, first, b)
    requireType(op, first, c)
    requireType(op, first, d)
    requireType(op, first, e)
    requireType(op, first, f)
    requireType(op, first, g)
}
@inline(__always) private func requireType(_ op: StaticString, _ first: Variable, _ x: Variable?) {
    if let x, x.dtype != first.dtype { refuseType(op, first, x) }
}
@inline(never) private func refuseType(_ op: StaticString, _ first: Variable, _ x: Variable) -> Never {
    nstmFatal(.dtype(op: "\(op)", got: x.dtype, want: "\(first.dtype), as the first operand"), at: path(of: first, x))
}

/// The module path for an error of an operation: that of the first operand that has a tape.
func path(of inputs: Variable...) -> String { inputs.lazy.compactMap { $0.tape?.path }.first { !$0.isEmpty } ?? "" }
