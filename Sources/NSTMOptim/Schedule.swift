import Foundation

/// The learning rate as a function of the step: linear warm-up from 0, then a decay to `final` at `steps`.
public struct Schedule: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable { case constant, linear, cosine }
    public var kind: Kind
    public var peak: Double
    public var final: Double
    public var warmup: Int
    public var steps: Int

    public init(_ kind: Kind = .cosine, peak: Double, final: Double = 0, warmup: Int = 0, steps: Int) {
        self.kind = kind
        self.peak = peak
        self.final = final
        self.warmup = warmup
        self.steps = steps
    }

    /// Rate of a step, counted from 0.
    public func rate(_ step: Int) -> Double {
        if step < warmup { return peak * Double(step + 1) / Double(warmup + 1) }
        if kind == .constant { return peak }
        let span = max(1, steps - warmup)
        let t = min(1, Double(step - warmup) / Double(span))
        switch kind {
        case .constant: return peak
        case .linear: return peak + (final - peak) * t
        case .cosine: return final + (peak - final) * 0.5 * (1 + cos(Double.pi * t))
        }
    }
}

/// How gradients are limited before an update.
public enum Clipping: Sendable, Equatable {
    case none
    /// All gradients together to a Euclidean norm (Pascanu et al. 2013).
    case norm(Double)
    /// Each element to ±bound.
    case value(Double)
}
