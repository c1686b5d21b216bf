import NSTMTensor

/// An element function that can follow a linear map.
public enum Activation: String, Sendable, Codable, CaseIterable {
    case none, tanh, sigmoid, silu, gelu, relu
    case squaredReLU = "squared-relu"

    var kernel: UnaryFunction? {
        switch self {
        case .none: nil
        case .tanh: .tanh
        case .sigmoid: .sigmoid
        case .silu: .silu
        case .gelu: .gelu
        case .relu: .relu
        case .squaredReLU: .squaredReLU
        }
    }
}
