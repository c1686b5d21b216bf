import NSTMTensor

/// What a forward pass carries, passed explicitly: mode, tape, random key, module path, auxiliary losses and metrics.
///
/// One per worker; there are no globals.
public final class ForwardContext {
    public enum Mode: Sendable { case train, evaluate }
    public let mode: Mode
    public let tape: Tape
    let key: RandomKey
    /// Losses that layers add to the task's (balance, sparsity …), already weighted.
    public internal(set) var auxiliaryLosses: [(name: String, value: Variable)] = []
    /// Weights of linear maps in bfloat16, in place of the parameters; nil: the parameters.
    public let weights: BFloat16Weights?
    /// Is shown the values and gradients that it requests; nil: no observer.
    public var observer: (any PassObserver)?
    /// Whether this is the second run of a part that is computed again in the backward pass.
    var isRecomputing = false
    /// Numbers that layers report, by path.
    public internal(set) var metrics: [(name: String, value: Double)] = []

    /// - Parameters:
    ///   - recording: whether gradients will be requested; by default in training only.
    ///   - key: the step's random key; layers fold their path and purpose into it.
    ///   - weights: of linear maps, in bfloat16; a pass that records has none.
    public init(_ mode: Mode, key: RandomKey = RandomKey(0), recording: Bool? = nil, weights: BFloat16Weights? = nil) {
        self.mode = mode
        self.key = key
        self.weights = weights
        tape = Tape(recording: recording ?? (mode == .train))
        if weights != nil, tape.isRecording {
            nstmFatal(.other(op: "ForwardContext", "no gradients come to weights in bfloat16"))
        }
    }

    public var isTraining: Bool { mode == .train }
    public var path: String { tape.path }

    /// A parameter as a variable: recorded when it is trainable and gradients are wanted.
    public subscript(_ parameter: Parameter) -> Variable {
        guard tape.isRecording, parameter.isTrainable else { return Variable(parameter.value, node: -1, tape: tape) }
        return Variable(parameter.value, node: tape.leaf(parameter), tape: tape)
    }
    /// A constant on this pass, so that shape errors know where they happen.
    public func constant(_ value: Tensor) -> Variable { Variable(value, node: -1, tape: tape) }
    /// An input whose gradient can be requested with `Variable.gradients(of:)`.
    public func input(_ value: Tensor) -> Variable {
        tape.isRecording ? Variable(value, node: tape.source(), tape: tape) : constant(value)
    }
    /// The random stream of the module at work, for one purpose ("dropout").
    public func random(_ purpose: String) -> RandomKey { key.fold(tape.path).fold(purpose) }

    /// Runs a body with a name added to the module path.
    // Inlined, so that what the body returns needs no memory and no detour through generic code.
    @inlinable @inline(__always) public func scope<R>(_ name: String, _ body: () throws -> R) rethrows -> R {
        let outer = tape.enter(name)
        defer { tape.leave(to: outer) }
        return try body()
    }
    public func addLoss(_ name: String, _ value: Variable) {
        auxiliaryLosses.append((path(to: name), value))
    }
    public func log(_ name: String, _ value: Double) {
        metrics.append((path(to: name), value))
    }
    private func path(to name: String) -> String { path.isEmpty ? name : path + "." + name }
}
