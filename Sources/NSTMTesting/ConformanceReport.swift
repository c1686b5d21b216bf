import Foundation

/// The rules that hold for every strategy.
public enum Invariant: Int, CaseIterable, Sendable {
    case splits = 1
    case causality, gradients, inactivity, boundedness, memory, checkpoints, costs

    /// A few words for the report.
    public var title: String {
        switch self {
        case .splits: "any split is the same"
        case .causality: "causal, one sequence"
        case .gradients: "gradients"
        case .inactivity: "inactive states"
        case .boundedness: "bounded"
        case .memory: "constant memory"
        case .checkpoints: "checkpoints"
        case .costs: "stated costs"
        }
    }
    /// Where to look when it does not hold.
    public var advice: String {
        switch self {
        case .splits:
            """
            What a token needs of earlier ones has to lie in the states (or in what a CarryingRoutingPolicy carries), not in \
            properties of the strategy. Random numbers come from context.random(purpose).fold(position), not from a generator \
            that counts calls. Coefficients of a token may not depend on its place in the part that is worked on at once; for \
            a scan, compare `coefficients` of two parts with those of the whole.
            """
        case .causality:
            """
            Something reaches across positions or sequences: look for sums, means, sorts and softmaxes over axis 0 (batch) or \
            over the token axis, for slices that look ahead, and for convolutions that are padded on both sides.
            """
        case .gradients:
            """
            A parameter without a gradient is one that only `.value` or `.detached` was used of, or that never reaches what \
            is read; use context[parameter]. A wrong one is a wrong pullback: check the operation alone with gradientCheck. A \
            gradient that is meant to be an estimate is declared with EstimatesGradient.
            """
        case .inactivity:
            """
            Inactive states are found as zeros, which still count in a mean, a softmax or a sort over states: use \
            activity.hidingInactive(scores), activity.mask and activity.readBias. A state that a token reaches with weight 0 \
            stays as it is: everything that changes a state is multiplied by token.weights.
            """
        case .boundedness:
            """
            Something adds up over tokens. Replace instead of adding: s + w (new − s) with w in 0 ... 1 and new bounded (tanh, \
            a norm, a convex combination).
            """
        case .memory:
            """
            Something is kept for every token: a list that grows, a state whose shape grows, or a carried slice that keeps \
            the whole array alive it was cut from (use `.owned`).
            """
        case .checkpoints:
            """
            Something that decides about outputs is neither a parameter nor part of the state. Declare it with the \
            ParameterBuilder (trainable: false when it is not learned), or derive it from the path.
            """
        case .costs:
            """
            StrategyCost (for update rules that have a scan UpdateCost, for routing policies RoutingCost) states other products \
            than the kernels count. Element-wise operations count as none; a linear map of D to E counts D·E a token; what is \
            computed for all states counts for all, whoever is active. A strategy that does not state its cost is left alone.
            """
        }
    }
}

/// One number of a report.
public struct Measurement: Sendable {
    public let invariant: Invariant
    /// What was measured.
    public let subject: String
    /// The worst that was found; infinite when something was not a number.
    public let value: Double
    /// The most that is allowed.
    public let bound: Double
    /// Where the worst was found.
    public let place: String
    public var passed: Bool { value <= bound }
}

/// What `Conformance.check` found: a small table when printed.
public struct ConformanceReport: Sendable, CustomStringConvertible {
    /// What was checked.
    public let name: String
    public internal(set) var measurements: [Measurement] = []
    /// What could not be compared, and why.
    public internal(set) var notes: [String] = []

    init(_ name: String) { self.name = name }

    /// Whether every measurement is within its bound.
    public var passed: Bool { !measurements.isEmpty && failures.isEmpty }
    public var failures: [Measurement] { measurements.filter { !$0.passed } }
    /// The invariants that were measured and do not hold.
    public var broken: Set<Invariant> { Set(failures.map(\.invariant)) }

    /// Keeps the worst value of each measurement. NaN counts as infinite.
    mutating func note(
        _ invariant: Invariant, _ subject: String, _ value: Double, bound: Double, at place: @autoclosure () -> String
    ) {
        let value = value.isNaN ? .infinity : value
        let index = measurements.firstIndex { $0.invariant == invariant && $0.subject == subject }
        if let index, measurements[index].value >= value { return }
        let found = Measurement(invariant: invariant, subject: subject, value: value, bound: bound, place: place())
        if let index { measurements[index] = found } else { measurements.append(found) }
    }
    mutating func note(_ text: String) {
        if !notes.contains(text) { notes.append(text) }
    }

    public var description: String {
        func number(_ x: Double) -> String {
            x == x.rounded() && abs(x) < 1e6 ? String(Int(x)) : x.isFinite ? String(format: "%.1e", x) : "not finite"
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
                if !m.passed { lines.append("      worst \(m.place)") }
            }
            if broken.contains(invariant) { lines.append("      \(invariant.advice)") }
        }
        return (lines + notes.map { "  note: \($0)" }).joined(separator: "\n")
    }
}
