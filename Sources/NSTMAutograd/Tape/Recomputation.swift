import NSTMTensor

extension ForwardContext {
    /// Runs a part of the pass without saving intermediate results, and runs it again in the backward pass (gradient
    /// checkpointing: Griewank & Walther 2000; Chen et al., 2016, "Training deep nets with sublinear memory cost").
    ///
    /// Saves memory at the price of one more forward pass of the part.
    ///
    /// Values and gradients are bit-identical to those without it: random numbers are a function of key, path and purpose, and
    /// gradients are added up in the same order. Parameters that the body uses, losses that it adds and metrics that it logs
    /// count as they would without, and once. Parts may be nested. Where nothing is recorded the body just runs.
    ///
    /// - Parameters:
    ///   - inputs: every recorded variable that the body computes with, but for parameters.
    ///   - body: runs twice. It must use the context and the variables it is given, none from outside, and must do the same both
    ///     times: what else it reads may not change before backward has passed. The program stops when it sees otherwise.
    /// - Returns: what the body returns; an output that depends on nothing recorded is a constant.
    public func checkpointed(
        _ inputs: [Variable], _ body: @escaping (ForwardContext, [Variable]) -> [Variable]
    ) -> [Variable] {
        guard tape.isRecording else { return body(self, inputs) }
        let part = Recomputation(self, inputs, body)
        let recorded = tape.count, pass = part.run(again: isRecomputing)
        if tape.count > recorded { part.stop("the body computes '\(tape.entries[recorded].op)' outside; \(Recomputation.rule)") }
        metrics = pass.context.metrics
        // Ends are where gradients leave the part. What the body returns is one of them, or has a node of its own outside too.
        let ends = Recomputation.distinct(inputs, on: tape) + pass.context.tape.leafParameters.map { self[$0.parameter] }
        var outside = Dictionary(uniqueKeysWithValues: zip(pass.ends, ends)), inner: [Variable] = []
        for y in pass.results where y.node >= 0 && outside[y.node] == nil && !inner.contains(where: { $0.node == y.node }) {
            inner.append(y)
        }
        let nodes = inner.map(\.node), endCount = ends.count, trace = pass.trace
        let made = record("checkpointed", ends, inner.map(\.value)) { outputs, gradients in
            let again = part.run(again: true), tape = again.context.tape
            if again.trace != trace { part.stop("the body did not do the same again; it may depend on its arguments only") }
            // The ends begin with what they have so far: each sum is then added up in the order it has without recomputation.
            let seeds = outputs + (0..<endCount).map { gradients.take($0) }
            // One more operation, whose backward function passes on the gradients that come from outside.
            let zero = Tensor.scalar(0)
            let last = record(
                "checkpointed", (nodes + again.ends).map { Variable(zero, node: $0, tape: tape) }, zero,
                .pullback { _, gradients in
                    for (i, g) in seeds.enumerated() { if let g { gradients.add(i, g) } }
                })
            tape.backward(from: last.node, seed: .scalar(1)) { slots in
                for (i, node) in again.ends.enumerated() { if let g = slots[Int(node)] { gradients.add(i, g) } }
            }
        }
        for (node, y) in zip(nodes, made) { outside[node] = y }
        let results = pass.results.map { $0.node >= 0 ? outside[$0.node]! : constant($0.value) }
        let losses = pass.context.auxiliaryLosses.dropFirst(auxiliaryLosses.count)
        for (loss, value) in zip(losses, results.suffix(losses.count)) { auxiliaryLosses.append((loss.name, value)) }
        return Array(results.dropLast(losses.count))
    }

    /// As `checkpointed(_:_:)` for several inputs and outputs, with one input and one output.
    public func checkpointed(_ x: Variable, _ body: @escaping (ForwardContext, Variable) -> Variable) -> Variable {
        checkpointed([x]) { [body($0, $1[0])] }[0]
    }
}

/// A part of a forward pass that can be run repeatedly, each time on its own tape.
///
/// It must not hold variables of the outer tape, because that tape holds it.
private struct Recomputation {
    enum Input {
        case constant(Tensor)
        /// The n-th of the different recorded inputs.
        case recorded(Int, Tensor)
        case parameter(Parameter)
    }
    struct Pass {
        let context: ForwardContext
        /// The results of the body, then the losses that it added.
        let results: [Variable]
        /// Nodes of the distinct recorded inputs, then of the parameters used.
        let ends: [Int32]
        var trace: Trace {
            let tape = context.tape
            return Trace(
                count: tape.count, parameters: tape.leafParameters.map { ObjectIdentifier($0.parameter) },
                results: results.map(\.node))
        }
    }
    /// The properties that must be identical in both runs of the part.
    struct Trace: Equatable {
        let count: Int
        let parameters: [ObjectIdentifier]
        let results: [Int32]
    }
    static let rule = "use the context that the body is given, and pass the recorded variables that it needs as inputs"

    private let mode: ForwardContext.Mode
    private let key: RandomKey
    private let progress: Double?
    private let path: String
    private let checksFinite: Bool
    private let observer: (any ForwardContext.Observer)?
    /// The losses of the pass before the part, because a layer may check whether a loss has been added.
    private let losses: [(name: String, value: Variable)]
    private let metrics: [(name: String, value: Double)]
    private let inputs: [Input]
    private let body: (ForwardContext, [Variable]) -> [Variable]

    init(_ context: ForwardContext, _ variables: [Variable], _ body: @escaping (ForwardContext, [Variable]) -> [Variable]) {
        if variables.contains(where: { $0.node >= 0 && $0.tape !== context.tape }) {
            nstmFatal(.other(op: "checkpointed", "an input is recorded on another tape"), at: context.path)
        }
        mode = context.mode
        key = context.key
        progress = context.progress
        path = context.path
        checksFinite = context.tape.checksFinite
        observer = context.observer
        losses = context.auxiliaryLosses.map { ($0.name, Variable($0.value.value)) }
        metrics = context.metrics
        self.body = body
        let tape = context.tape, recorded = Recomputation.distinct(variables, on: tape).map(\.node)
        inputs = variables.map { x in
            if x.node < 0 { return .constant(x.value) }
            if let i = recorded.firstIndex(of: x.node) { return .recorded(i, x.value) }
            return .parameter(tape.leafParameters.first { $0.node == x.node }!.parameter)
        }
    }
    /// The distinct recorded variables among the inputs, except for parameters.
    static func distinct(_ inputs: [Variable], on tape: Tape) -> [Variable] {
        var found: [Variable] = []
        for x in inputs where x.node >= 0 && !found.contains(where: { $0.node == x.node }) {
            if !tape.leafParameters.contains(where: { $0.node == x.node }) { found.append(x) }
        }
        return found
    }

    func run(again: Bool) -> Pass {
        let context = ForwardContext(mode, key: key, recording: true, progress: progress), tape = context.tape
        tape.path = path
        tape.checksFinite = checksFinite
        context.observer = observer
        context.isRecomputing = again
        context.auxiliaryLosses = losses
        context.metrics = metrics
        var recorded: [Variable] = []
        let results = body(
            context,
            inputs.map { input in
                switch input {
                case .constant(let value): return context.constant(value)
                case .parameter(let parameter): return context[parameter]
                case .recorded(let i, let value):
                    if i == recorded.count { recorded.append(context.input(value)) }
                    return recorded[i]
                }
            })
        let all = results + context.auxiliaryLosses.dropFirst(losses.count).map(\.value)
        if all.contains(where: { $0.node >= 0 && $0.tape !== tape }) {
            stop("a result is recorded outside; \(Recomputation.rule)")
        }
        return Pass(context: context, results: all, ends: recorded.map(\.node) + tape.leafParameters.map(\.node))
    }
    func stop(_ why: String) -> Never { nstmFatal(.other(op: "checkpointed", why), at: path) }
}
