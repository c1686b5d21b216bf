import NSTMTensor

/// A trainable array.
///
/// Its path ("blocks.3.update.gate.weight") identifies it in gradients, optimizer state, files and logs.
public final class Parameter {
    /// Path of the parameter.
    public let path: String
    /// Position in the order of declaration within its model.
    public let index: Int
    /// Current value.
    @exclusivity(unchecked) public var value: Tensor
    /// A frozen parameter is a constant on the tape.
    @exclusivity(unchecked) public var isTrainable = true
    /// Whether weight decay applies by default: matrices yes; gains, biases and other vectors no.
    public let decays: Bool
    /// Factor of the learning rate.
    public let learningRateScale: Double
    /// Upper bound of the scaled learning rate.
    public let maxLearningRate: Double
    /// The axis that indexes the states of a layer, which is resized with their number; nil: none.
    public let stateAxis: Int?

    public init(
        path: String, index: Int, value: Tensor, decays: Bool, learningRateScale: Double = 1, maxLearningRate: Double = .infinity,
        stateAxis: Int? = nil
    ) {
        self.path = path
        self.index = index
        self.value = value
        self.decays = decays
        self.stateAxis = stateAxis
        self.learningRateScale = learningRateScale
        self.maxLearningRate = maxLearningRate
    }
}
