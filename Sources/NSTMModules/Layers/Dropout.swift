import NSTMAutograd
import NSTMTensor

/// Dropout (Srivastava et al., 2014) of any shape; the identity in evaluation.
public final class Dropout {
    /// Probability that an element is set to zero, 0..<1.
    public let rate: Double
    public init(_ rate: Double) { self.rate = rate }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable { x.dropout(rate, context) }
}
