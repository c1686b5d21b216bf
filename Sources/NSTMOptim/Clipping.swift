/// How gradients are limited before an update.
public enum Clipping: Sendable, Equatable {
    case none
    /// All gradients together to a Euclidean norm (Pascanu et al., 2013).
    case norm(Double)
    /// Each element to ±bound.
    case value(Double)
}
