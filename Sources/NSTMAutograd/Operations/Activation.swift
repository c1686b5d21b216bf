import CNSTMKernels
import NSTMTensor

/// Element functions a linear map can end with.
public enum Activation: String, Sendable, Codable, CaseIterable {
    case none, tanh, sigmoid, silu, gelu, relu
    case squaredReLU = "squared-relu"

    var kernel: nstm_unary_fast_op? {
        switch self {
        case .none: nil
        case .tanh: NSTM_TANH
        case .sigmoid: NSTM_SIGMOID
        case .silu: NSTM_SILU
        case .gelu: NSTM_GELU
        case .relu: NSTM_RELU
        case .squaredReLU: NSTM_RELU2
        }
    }
}
