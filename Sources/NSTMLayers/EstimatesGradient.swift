/// Declares that the gradient a strategy passes back is an estimate (straight-through, a score function …) and not the derivative
/// of its value, so that finite differences say nothing about it.
public protocol EstimatesGradient: AnyObject {}
