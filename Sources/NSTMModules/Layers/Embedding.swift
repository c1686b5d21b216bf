import NSTMAutograd
import NSTMTensor

/// Rows of a learned table by index: int32 [...] → [..., width].
public final class Embedding {
    public let weight: Parameter
    public init(
        _ parameters: ParameterBuilder, count: Int, width: Int, initializer: Initializer = .normal(standardDeviation: 0.02)
    ) {
        weight = parameters("weight", [count, width], initializer)
    }
    public func callAsFunction(_ indices: Tensor, _ context: ForwardContext) -> Variable { context[weight].rows(indices) }
}
