import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Top-k routing with a balanced load.
///
/// The k largest of z + s are selected, z = x·R + b. The selection bias s does not enter the weights σ(z) of the selected states
/// and has no gradient: after the backward pass of a training step sₙ ← sₙ + rate · sign(mean load − loadₙ), where the load is
/// the number of tokens routed to state n (Wang et al., 2024, "Auxiliary-loss-free load balancing strategy for
/// mixture-of-experts"). s is saved with the model.
///
/// Optional losses, for each segment of tokens that is routed at once, with p = softmax(z):
/// - balance: λ · A · Σₙ fₙ p̄ₙ, A active states, fₙ the share of selections of n, p̄ₙ its mean probability; λ if the load is
///   balanced (Fedus, Zoph & Shazeer 2022, "Switch transformers", equation 4).
/// - entropy: λ · the mean entropy of p in nats, a penalty on undecided tokens.
public final class BalancedTopKRouting: RoutingPolicy {
    public let projection: Linear
    /// Selection bias s, [N].
    public let selectionBias: Parameter
    /// Number of states that a token reaches.
    public let k: Int
    /// Change of s in a training step; 0: none.
    public let rate: Double
    /// Weight λ of the balance loss.
    public let balanceLoss: Double
    /// Weight λ of the entropy loss.
    public let entropyLoss: Double

    public init(
        _ parameters: ParameterBuilder, width: Int, states: Int, k: Int, rate: Double = Configuration().rate,
        balanceLoss: Double = Configuration().balanceLoss, entropyLoss: Double = Configuration().entropyLoss
    ) {
        projection = Linear(parameters, in: width, out: states, initializer: .normal(standardDeviation: 0.02), stateAxis: 0)
        selectionBias = parameters("selectionBias", [states], .zeros, trainable: false, stateAxis: 0)
        self.k = k
        self.rate = rate
        self.balanceLoss = balanceLoss
        self.entropyLoss = entropyLoss
    }
    public func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext)
        -> Variable
    {
        let logits = activity.hidingInactive(projection(tokens, context))
        let chosen = (logits.value + selectionBias.value).largest(k), weights = logits.sigmoid() * context.constant(chosen)
        guard context.isTraining, tokens.shape[1] > 0 else { return weights }
        // Rows may select inactive states if fewer than k are active.
        let load = activity.masking(context.constant(chosen), context).value.sum(axes: [0, 1]).doubles(),
            active = activity.active(of: load.count)
        addLosses(logits, load, active, context)
        guard rate > 0 else { return weights }
        // In the backward pass, after all selections of the forward pass, including recomputed ones.
        return record(
            "load balance", [weights], weights.value,
            .pullback { [self] g, to in
                to.add(0, g)
                move(load, active)
            })
    }
    private func move(_ load: [Double], _ active: [Int]) {
        let mean = active.reduce(0) { $0 + load[$1] } / Double(max(1, active.count)), dtype = selectionBias.value.dtype
        var bias = selectionBias.value.doubles()
        for n in active { bias[n] += rate * (load[n] < mean ? 1 : load[n] > mean ? -1 : 0) }
        selectionBias.value = Tensor(bias, [bias.count]).cast(to: dtype)
    }
    private func addLosses(_ logits: Variable, _ load: [Double], _ active: [Int], _ context: ForwardContext) {
        guard balanceLoss > 0 || entropyLoss > 0 else { return }
        let p = logits.softmax()
        if balanceLoss > 0 {
            let total = max(1, active.reduce(0) { $0 + load[$1] })
            let share = Tensor(load.map { $0 / total }, [load.count]).cast(to: p.dtype)
            context.addLoss(
                "balance", (p.mean(axes: [0, 1]) * context.constant(share)).sum() * (balanceLoss * Double(active.count)))
        }
        if entropyLoss > 0 {
            // p of inactive states is 0, and so is p log p.
            let rows = Double(logits.shape[0] * logits.shape[1])
            context.addLoss("entropy", (p * p.clamped(min: 1e-30, max: 1).log()).sum() * (-entropyLoss / rows))
        }
    }
}

// MARK: Configuration

extension BalancedTopKRouting {
    public struct Configuration: RoutingConfiguration {
        public static let type = "balanced-top-k"
        public static let summary = "top-k gates whose load is balanced by a selection bias"
        /// Number of states that a token reaches; nil: 4, or all if there are fewer.
        public var k: Int?
        /// Change of the selection bias in a training step.
        public var rate = 0.001
        /// Weight of the balance loss.
        public var balanceLoss = 0.0
        /// Weight of the entropy loss.
        public var entropyLoss = 0.0
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            k = reader.int("k", default: k ?? layer.fewStates, in: layer.choices)
            rate = reader.double("rate", default: rate, in: 0...1)
            balanceLoss = reader.double("balance-loss", default: balanceLoss, in: 0...1e6)
            entropyLoss = reader.double("entropy-loss", default: entropyLoss, in: 0...1e6)
        }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any RoutingPolicy {
            BalancedTopKRouting(
                parameters, width: layer.width, states: layer.states, k: k ?? layer.fewStates, rate: rate,
                balanceLoss: balanceLoss, entropyLoss: entropyLoss)
        }
    }
}

extension RoutingConfiguration where Self == BalancedTopKRouting.Configuration {
    public static func balancedTopK(
        _ k: Int, rate: Double = Self().rate, balanceLoss: Double = Self().balanceLoss, entropyLoss: Double = Self().entropyLoss
    ) -> Self {
        var settings = Self()
        settings.k = k
        settings.rate = rate
        settings.balanceLoss = balanceLoss
        settings.entropyLoss = entropyLoss
        return settings
    }
}

// MARK: Cost

extension BalancedTopKRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func reached(of active: Int) -> Int { min(k, active) }
}
