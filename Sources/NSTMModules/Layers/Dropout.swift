import NSTMAutograd
import NSTMTensor

/// Dropout (Srivastava et al. 2014), in training only.
public final class Dropout {
    public let rate: Double
    public init(_ rate: Double) { self.rate = rate }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable { x.dropout(rate, context) }
}
