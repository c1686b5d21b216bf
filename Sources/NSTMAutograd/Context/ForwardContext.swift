import NSTMTensor

/// The context of a forward pass, passed explicitly: mode, tape, random key, module path, auxiliary losses and metrics.
///
/// There is one per worker, and no global state.
public final class ForwardContext {
    public enum Mode: Sendable { case train, evaluate }
    public let mode: Mode
    public let tape: Tape
    let key: RandomKey
    /// Progress of the training, from 0 at the first step to 1 at the last one; nil outside training and where it is unknown.
    ///
    /// Layers that anneal depend on it. It is a function of the step, so that a resumed run continues exactly.
    public let progress: Double?
    /// Losses that layers add to the main loss (balance, sparsity …), already weighted.
    public internal(set) var auxiliaryLosses: [(name: String, value: Variable)] = []
    /// Weights of linear maps in bfloat16, used instead of the parameters; nil: the parameters.
    public let weights: BFloat16Weights?
    /// The observer of the pass; nil: none.
    public var observer: (any Observer)?
    /// Whether this is the second run of a part that is recomputed in the backward pass.
    var isRecomputing = false
    /// Metrics logged by layers, with their paths.
    public internal(set) var metrics: [(name: String, value: Double)] = []

    /// - Parameters:
    ///   - recording: whether gradients will be requested; by default in training only.
    ///   - key: the step's random key; layers fold their path and purpose into it.
    ///   - weights: weights of linear maps in bfloat16; only for a pass that is not recorded.
    ///   - progress: progress of the training, 0 … 1; nil if it is unknown.
    public init(
        _ mode: Mode, key: RandomKey = RandomKey(0), recording: Bool? = nil, weights: BFloat16Weights? = nil,
        progress: Double? = nil
    ) {
        self.mode = mode
        self.key = key
        self.progress = progress
        self.weights = weights
        tape = Tape(recording: recording ?? (mode == .train))
        if weights != nil, tape.isRecording {
            nstmFatal(.other(op: "ForwardContext", "no gradients come to weights in bfloat16"))
        }
    }

    public var isTraining: Bool { mode == .train }
    public var path: String { tape.path }

    /// A parameter as a variable: recorded if it is trainable and the pass is recorded.
    public subscript(_ parameter: Parameter) -> Variable {
        guard tape.isRecording, parameter.isTrainable else { return Variable(parameter.value, node: -1, tape: tape) }
        return Variable(parameter.value, node: tape.leaf(parameter), tape: tape)
    }
    /// A constant of this pass, so that shape errors report the module path.
    public func constant(_ value: Tensor) -> Variable { Variable(value, node: -1, tape: tape) }
    /// An input whose gradient can be requested with `Variable.gradients(of:)`.
    public func input(_ value: Tensor) -> Variable {
        tape.isRecording ? Variable(value, node: tape.source(), tape: tape) : constant(value)
    }
    /// The random stream of the current module for one purpose ("dropout").
    public func random(_ purpose: String) -> RandomKey { key.fold(tape.path).fold(purpose) }

    /// Runs a body with a name added to the module path.
    // Inlined, so that the result of the body needs no allocation and no generic code.
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
