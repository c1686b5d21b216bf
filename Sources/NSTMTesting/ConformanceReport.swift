import Foundation

/// The invariants that every strategy must satisfy, numbered as in the report.
public enum Invariant: Int, CaseIterable, Sendable {
    case splits = 1
    case causality, gradients, inactivity, boundedness, memory, checkpoints, costs, decisions

    /// A short title for the report.
    public var title: String {
        switch self {
        case .splits: "split invariance"
        case .causality: "causality"
        case .gradients: "gradients"
        case .inactivity: "inactive states"
        case .boundedness: "bounded"
        case .memory: "constant memory"
        case .checkpoints: "checkpoints"
        case .costs: "stated costs"
        case .decisions: "decisions"
        }
    }
    /// The likely causes of a violation, and remedies.
    public var advice: String {
        switch self {
        case .splits:
            """
            Information about earlier tokens must be stored in the states (or in the carried state of a CarryingRoutingPolicy), \
            not in properties of the strategy. Random numbers must come from context.random(purpose).fold(position), not from a \
            generator that counts calls. The parameters of a token must not depend on its index within the segment; for a scan, \
            compare the results for two segments with those for the whole sequence.
            """
        case .causality:
            """
            An operation mixes positions or sequences: look for sums, means, sorts and softmaxes over axis 0 (batch) or over \
            the token axis, for slices that include later tokens, and for convolutions that are padded on both sides.
            """
        case .gradients:
            """
            A parameter without a gradient is used only through `.value` or `.detached`, or does not affect the output; use \
            context[parameter]. A wrong gradient is an error in a pullback: check the operation alone with gradientCheck. \
            Declare intentional gradient estimates with EstimatesGradient.
            """
        case .inactivity:
            """
            Inactive states are passed as zeros, which still contribute to a mean, a softmax or a sort over states: use \
            activity.hidingInactive(scores), activity.mask and activity.readBias. A state with routing weight 0 must be \
            unchanged: multiply every update of a state by token.weights.
            """
        case .boundedness:
            """
            A value accumulates over tokens. Interpolate instead of adding: s + w (new − s) with w in 0 ... 1 and a bounded new \
            value (tanh, a norm, a convex combination).
            """
        case .memory:
            """
            Memory grows with every token: a list, the shape of a state, or a cached slice that keeps the tensor alive of which \
            it is a view (use `.owned`).
            """
        case .checkpoints:
            """
            A value that affects outputs is neither a parameter nor part of the state. Declare it with the ParameterBuilder \
            (trainable: false when it is not learned), or derive it from the path.
            """
        case .costs:
            """
            StrategyCost (UpdateCost for update rules with a scan, RoutingCost for routing policies) differs from the count of \
            the kernels. Element-wise operations count 0; a linear map from D to E counts D·E per token; operations on all \
            states count for all, active or not. The cost of a strategy that states none is not checked.
            """
        case .decisions:
            """
            A policy needs one finite score for each state of the view, and returns indices into the view's states, not `State.index`, \
            in ascending order of their scores. What it keeps between decisions must be its memory; random numbers must come \
            from the key.
            """
        }
    }
}

/// The result of `Conformance.check`.
///
/// Its description is a table.
public struct ConformanceReport: Sendable, CustomStringConvertible {
    /// A measured quantity.
    public struct Measurement: Sendable {
        /// The invariant that it belongs to.
        public let invariant: Invariant
        /// Description of the quantity.
        public let subject: String
        /// The largest value that was measured; infinite if any was NaN.
        public let value: Double
        /// The largest value that satisfies the invariant.
        public let bound: Double
        /// Location of the largest value.
        public let location: String
        /// Whether the value is within the bound.
        public var passed: Bool { value <= bound }
    }

    /// Description of the strategy.
    public let name: String
    /// All measured quantities, in the order of the checks.
    public internal(set) var measurements: [Measurement] = []
    /// Checks that were skipped, with reasons, and further information.
    public internal(set) var notes: [String] = []

    init(_ name: String) { self.name = name }

    /// Whether all measurements are within their bounds, and there are any.
    public var passed: Bool { !measurements.isEmpty && failures.isEmpty }
    /// The measurements above their bounds.
    public var failures: [Measurement] { measurements.filter { !$0.passed } }
    /// The violated invariants.
    public var broken: Set<Invariant> { Set(failures.map(\.invariant)) }

    /// Records a value of a quantity, of which the largest is kept.
    ///
    /// NaN counts as infinite.
    mutating func note(
        _ invariant: Invariant, _ subject: String, _ value: Double, bound: Double, at location: @autoclosure () -> String
    ) {
        let value = value.isNaN ? .infinity : value
        let index = measurements.firstIndex { $0.invariant == invariant && $0.subject == subject }
        if let index, measurements[index].value >= value { return }
        let measured = Measurement(invariant: invariant, subject: subject, value: value, bound: bound, location: location())
        if let index { measurements[index] = measured } else { measurements.append(measured) }
    }
    mutating func note(_ text: String) {
        if !notes.contains(text) { notes.append(text) }
    }

    public var description: String {
        func number(_ x: Double) -> String {
            x == x.rounded() && abs(x) < 1e6 ? String(Int(x)) : x.isFinite ? String(format: "%.1e", x) : "infinite"
        }
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        let measured = Set(measurements.map(\.invariant)), width = measurements.map(\.subject.count).max() ?? 0
        var lines = ["\(name): \(measured.count - broken.count) of \(measured.count) invariants hold"]
        for invariant in Invariant.allCases where measured.contains(invariant) {
            for (i, m) in measurements.filter({ $0.invariant == invariant }).enumerated() {
                let head = i == 0 ? "\(invariant.rawValue) \(invariant.title)" : ""
                lines.append(
                    "  " + padded(head, 25) + padded(m.subject, width + 2) + padded(number(m.value), 11)
                        + padded("≤ \(number(m.bound))", 11) + (m.passed ? "holds" : "FAILS"))
                if !m.passed { lines.append("      largest \(m.location)") }
            }
            if broken.contains(invariant) { lines.append("      \(invariant.advice)") }
        }
        return (lines + notes.map { "  note: \($0)" }).joined(separator: "\n")
    }
}
