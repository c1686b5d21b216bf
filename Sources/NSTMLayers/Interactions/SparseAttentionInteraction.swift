import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Gated attention among states in which each head of a state attends only to the k states with the highest scores.
///
/// This is the sparse communication between recurrent modules of Goyal et al., 2019, "Recurrent independent mechanisms", with the
/// selection by the receiving states, because between tokens there is no input to select the receivers. With k = N it equals
/// `StateAttentionInteraction`.
public final class SparseAttentionInteraction: StateInteraction {
    public let k: Int
    private let heads: Int
    private let identity: Parameter
    private let norm: RMSNorm
    private let projection: Linear
    private let output: Linear
    private let change: GatedChange

    public init(_ parameters: ParameterBuilder, width: Int, states: Int, heads: Int, k: Int) {
        precondition(width % heads == 0, "width \(width) is not a multiple of \(heads) heads")
        self.k = k
        self.heads = heads
        let attention = parameters.child("attention")
        identity = parameters("identity", [states, width], .normal(standardDeviation: 0.02), stateAxis: 0)
        norm = RMSNorm(parameters.child("norm"), width: width)
        projection = Linear(attention.child("projection"), in: width, out: 3 * width, bias: false)
        output = Linear(attention.child("output"), in: width, out: width, bias: false)
        change = GatedChange(parameters, width: width)
    }
    public func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank {
        let b = states.batch, n = states.count, width = states.values.shape[2], d = width / heads
        // Without active states there is nothing to attend to.
        guard !states.activity.active(of: n).isEmpty else { return states }
        let seen = norm(states.values + context[identity], context)
        let parts = projection(seen, context).split(axis: 2, into: 3).map {
            $0.reshaped([b, n, heads, d]).permuted([0, 2, 1, 3])
        }
        var scores = parts[0].matmul(parts[1], transposeOther: true) / Double(d).squareRoot()
        if let bias = states.activity.readBias { scores = scores + bias.unsqueezed(axis: 1).unsqueezed(axis: 1) }
        if k < n { scores = scores.keeping(scores.value.largest(k)) }
        let message = scores.softmax().matmul(parts[2]).permuted([0, 2, 1, 3]).reshaped([b, n, width])
        return change(states, message: output(message, context), context)
    }
}

// MARK: Configuration

extension SparseAttentionInteraction {
    public struct Configuration: InteractionConfiguration {
        public static let type = "sparse-attention"
        public static let summary = "attention in which each state reads k others"
        /// Heads of the attention; nil: those of the layer.
        public var heads: Int?
        /// Number of states that each head of a state attends to; nil: 4, or all if there are fewer.
        public var k: Int?
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            heads = reader.heads(heads, layer)
            k = reader.int("k", default: k ?? layer.fewStates, in: layer.choices)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateInteraction {
            SparseAttentionInteraction(
                parameters, width: layer.width, states: layer.states, heads: heads ?? layer.heads, k: k ?? layer.fewStates)
        }
    }
}

extension InteractionConfiguration where Self == SparseAttentionInteraction.Configuration {
    public static func sparseAttention(_ k: Int, heads: Int? = nil) -> Self {
        var settings = Self()
        settings.k = k
        settings.heads = heads
        return settings
    }
}

// MARK: Cost

extension SparseAttentionInteraction: StrategyCost {
    /// The work is that of dense attention; only the attention weights are sparse.
    public func multiplyAdds(_ pass: StatePass) -> Int {
        pass.active == 0 ? 0 : pass.size.batch * pass.states * pass.width * (4 * pass.width + 2 * pass.states)
    }
}
