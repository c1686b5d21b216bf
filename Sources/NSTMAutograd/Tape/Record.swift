import NSTMTensor

/// Defines an operation: its name, inputs, value and derivative in one place. This is the public way to add one; check it with
/// `gradientCheck`.
///
/// ```swift
/// func cube(_ x: Variable) -> Variable {
///     let v = x.value
///     return record("cube", [x], v * v * v, .pullback { g, inputs in inputs.add(0, g * (v * v).affine(3)) })
/// }
/// ```
///
/// The derivative is evaluated only when it is wanted: what it captures costs nothing in a pass that records nothing.
public func record(
    _ op: StaticString, _ inputs: [Variable], _ value: Tensor, _ derivative: @autoclosure () -> Derivative
) -> Variable {
    guard let tape = commonTape(op, inputs) else { return Variable(value) }
    if tape.checksFinite { tape.check(value, op, inputs) }
    guard tape.isRecording, inputs.contains(where: { $0.node >= 0 }) else { return Variable(value, node: -1, tape: tape) }
    let (nodes, more) = pack(inputs)
    return Variable(value, node: tape.append(op, nodes, more, 1, .one(pullback(derivative(), op, tape))), tape: tape)
}
private func pullback(_ derivative: Derivative, _ op: StaticString, _ tape: Tape) -> Pullback {
    switch derivative {
    case .pullback(let p): return p
    case .undefined(let why):
        let path = tape.path
        return { _, _ in fatalError("\(op) in '\(path)' has no derivative: \(why)") }
    }
}

/// The same for up to three operands without a list of them; one that is missing keeps its position and needs no gradient.
func record(
    _ op: StaticString, _ a: Variable, _ b: Variable?, _ c: Variable?, _ value: Tensor,
    _ derivative: @autoclosure () -> Derivative
) -> Variable {
    // Operands of two tapes are rare: the general form sorts them out.
    guard let tape = a.tape, b.map({ $0.tape === tape }) ?? true, c.map({ $0.tape === tape }) ?? true, !tape.checksFinite else {
        let nothing = Variable(a.value)
        return record(op, [a, b ?? nothing, c ?? nothing], value, derivative())
    }
    let nodes = inputNodes(a, b, c)
    guard tape.isRecording, nodes != SIMD8(repeating: -1) else { return Variable(value, node: -1, tape: tape) }
    return Variable(value, node: tape.append(op, nodes, nil, 1, .one(pullback(derivative(), op, tape))), tape: tape)
}

/// The same for one operand, without a list of operands: what it costs is most of a small operation.
@inline(__always)
func record(_ op: StaticString, _ x: Variable, _ value: Tensor, _ pullback: @escaping Pullback) -> Variable {
    guard let tape = x.tape else { return Variable(value) }
    if tape.checksFinite { tape.check(value, op, [x]) }
    guard tape.isRecording, x.node >= 0 else { return Variable(value, node: -1, tape: tape) }
    return Variable(value, node: tape.append(op, inputNodes(x), nil, 1, .one(pullback)), tape: tape)
}
/// The same for two operands.
@inline(__always)
func record(_ op: StaticString, _ a: Variable, _ b: Variable, _ value: Tensor, _ pullback: @escaping Pullback) -> Variable {
    // Operands of two tapes are rare: the general form sorts them out.
    guard let tape = a.tape, b.tape === tape else { return record(op, [a, b], value, .pullback(pullback)) }
    if tape.checksFinite { tape.check(value, op, [a, b]) }
    guard tape.isRecording, a.node >= 0 || b.node >= 0 else { return Variable(value, node: -1, tape: tape) }
    return Variable(value, node: tape.append(op, inputNodes(a, b), nil, 1, .one(pullback)), tape: tape)
}

/// The same with a way back that captures nothing: what it needs lies on the tape, and no memory is asked for beyond the value's. It is evaluated
/// only when it is wanted.
@inline(__always)
func record<Values>(
    _ op: StaticString, _ a: Variable, _ b: Variable?, _ c: Variable?, _ value: Tensor,
    keeping values: @autoclosure () -> Values, _ pullback: @escaping PullbackSaved<Values>
) -> Variable {
    guard let tape = a.tape, b.map({ $0.tape === tape }) ?? true, c.map({ $0.tape === tape }) ?? true, !tape.checksFinite else {
        let nothing = Variable(a.value), values = values()
        return record(
            op, [a, b ?? nothing, c ?? nothing], value,
            .pullback { g, to in withUnsafePointer(to: values) { pullback(g, $0, to) } })
    }
    let nodes = inputNodes(a, b, c)
    guard tape.isRecording, nodes != SIMD8(repeating: -1) else { return Variable(value, node: -1, tape: tape) }
    return Variable(
        value, node: tape.append(op, nodes, nil, 1, tape.keep(Saved(values: values(), pullback: pullback))), tape: tape)
}

@inline(__always)
func record<Values>(
    _ op: StaticString, _ a: Variable, _ b: Variable?, _ value: Tensor, keeping values: @autoclosure () -> Values,
    _ pullback: @escaping PullbackSaved<Values>
) -> Variable {
    record(op, a, b, nil, value, keeping: values(), pullback)
}
@inline(__always)
func record<Values>(
    _ op: StaticString, _ a: Variable, _ value: Tensor, keeping values: @autoclosure () -> Values,
    _ pullback: @escaping PullbackSaved<Values>
) -> Variable {
    record(op, a, nil, nil, value, keeping: values(), pullback)
}

/// The same for a function of elements.
@inline(__always)
func record(
    _ op: StaticString, _ a: Variable, _ b: Variable? = nil, keeping x: Tensor, _ y: Tensor, code: UInt32 = 0, _ value: Tensor,
    _ pullback: @escaping SavedPair.Pullback
) -> Variable {
    guard let tape = a.tape, b.map({ $0.tape === tape }) ?? true, !tape.checksFinite else {
        return record(op, b.map { [a, $0] } ?? [a], value, .pullback { g, to in pullback(g, x, y, code, to) })
    }
    let nodes = inputNodes(a, b)
    guard tape.isRecording, nodes != SIMD8(repeating: -1) else { return Variable(value, node: -1, tape: tape) }
    let way = tape.keep(SavedPair(x: x, y: y, code: code, pullback: pullback))
    return Variable(value, node: tape.append(op, nodes, nil, 1, way), tape: tape)
}

/// The same for an operation with three outputs.
func record<Values>(
    _ op: StaticString, _ a: Variable, _ b: Variable, _ c: Variable, _ d: Variable, _ e: Variable?, _ f: Variable?,
    _ outputs: (Tensor, Tensor, Tensor), keeping values: @autoclosure () -> Values,
    _ pullback: @escaping PullbackSavedMany<Values>
) -> (Variable, Variable, Variable) {
    func isHere(_ x: Variable?) -> Bool { x.map { $0.tape === a.tape } ?? true }
    guard let tape = a.tape, isHere(b), isHere(c), isHere(d), isHere(e), isHere(f), !tape.checksFinite else {
        let nothing = Variable(a.value), values = values()
        let made = record(op, [a, b, c, d, e ?? nothing, f ?? nothing], [outputs.0, outputs.1, outputs.2]) { gradients, to in
            withUnsafePointer(to: values) { values in
                withUnsafeTemporaryAllocation(of: Tensor?.self, capacity: gradients.count) { slots in
                    _ = slots.initialize(from: gradients)
                    pullback(OutputGradients(slots: slots.baseAddress!, count: slots.count), values, to)
                    slots.deinitialize()
                }
            }
        }
        return (made[0], made[1], made[2])
    }
    let nodes = inputNodes(a, b, c, d, e, f), isRecorded = tape.isRecording && nodes != SIMD8(repeating: -1)
    let node = isRecorded ? tape.append(op, nodes, nil, 3, tape.keep(SavedMany(values: values(), pullback: pullback))) : -1
    func output(_ value: Tensor, _ i: Int32) -> Variable { Variable(value, node: isRecorded ? node + i : -1, tape: tape) }
    return (output(outputs.0, 0), output(outputs.1, 1), output(outputs.2, 2))
}

/// Defines an operation with several outputs.
public func record(_ op: StaticString, _ inputs: [Variable], _ values: [Tensor], _ pullback: @escaping PullbackMany) -> [Variable]
{
    guard let tape = commonTape(op, inputs) else { return values.map { Variable($0) } }
    if tape.checksFinite { for v in values { tape.check(v, op, inputs) } }
    guard tape.isRecording, inputs.contains(where: { $0.node >= 0 }) else {
        return values.map { Variable($0, node: -1, tape: tape) }
    }
    let (nodes, more) = pack(inputs)
    let id = tape.append(op, nodes, more, Int32(values.count), .many(pullback))
    return values.enumerated().map { Variable($1, node: id + Int32($0), tape: tape) }
}

/// An operation's value as a constant of the pass of its first operand, when nothing is recorded and nobody looks at values: the
/// value is all that the operation costs then. Nil: it has to be recorded, or looked at.
@inline(__always) func unrecorded(_ value: Tensor, of x: Variable, isRecorded: Bool) -> Variable? {
    guard !isRecorded, let tape = x.tape, !tape.checksFinite else { return nil }
    return Variable(value, node: -1, tape: tape)
}
/// The pass of operands of which none is recorded, when it keeps nothing and looks at nothing: their result is a constant of it.
func quietTape(_ inputs: [Variable]) -> Tape? {
    for x in inputs where x.node >= 0 { return nil }
    guard let tape = inputs.first(where: { $0.tape != nil })?.tape, !tape.checksFinite else { return nil }
    return tape
}
private func commonTape(_ op: StaticString, _ inputs: [Variable]) -> Tape? {
    var tape: Tape?
    for x in inputs {
        guard let t = x.tape else { continue }
        if let known = tape, known !== t {
            // Constants made on another tape (a carried state, say) are fine; recorded values are not.
            if x.node < 0 { continue }
            if known.isRecording && inputs.contains(where: { $0.tape === known && $0.node >= 0 }) {
                fatalError(
                    "\(op) in '\(t.path)': operands are recorded on two different tapes. A state carried to another pass must be "
                        + "detached; the body of `checkpointed` may compute with its arguments only.")
            }
        }
        tape = t
    }
    return tape
}
/// Nodes of the operands, −1 for one that is missing.
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

/// Where to say an operand does not fit: the module path of the first operand that has a tape.
func path(of inputs: Variable...) -> String { inputs.lazy.compactMap { $0.tape?.path }.first { !$0.isEmpty } ?? "" }
