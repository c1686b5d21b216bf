import NSTMTensor

/// A trainable array. Its path ("blocks.3.update.gate.weight") is its identity everywhere: gradients, optimizer slots, files, logs.
public final class Parameter {
    public let path: String
    /// Position in the order of declaration within its model.
    public let index: Int
    public var value: Tensor
    /// A frozen parameter is a constant on the tape.
    public var isTrainable = true
    /// Whether weight decay applies by default: matrices yes; gains, biases and other vectors no.
    public let decays: Bool
    /// Multiplies the learning rate, and bounds the product.
    public let rateFactor: Double
    public let rateLimit: Double

    public init(
        path: String, index: Int, value: Tensor, decays: Bool, rateFactor: Double = 1, rateLimit: Double = .infinity
    ) {
        self.path = path
        self.index = index
        self.value = value
        self.decays = decays
        self.rateFactor = rateFactor
        self.rateLimit = rateLimit
    }
}
