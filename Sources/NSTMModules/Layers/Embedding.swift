import NSTMAutograd
import NSTMTensor

/// A learned table that is read by index: int32 [...] → [..., width].
public final class Embedding {
    /// The table, [count, width].
    public let weight: Parameter
    public init(
        _ parameters: ParameterBuilder, count: Int, width: Int, initializer: Initializer = .normal(standardDeviation: 0.02)
    ) {
        weight = parameters("weight", [count, width], initializer)
    }
    public func callAsFunction(_ indices: Tensor, _ context: ForwardContext) -> Variable { context[weight].rows(indices) }
}
