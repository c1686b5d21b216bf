/// What policies see of a layer when they decide.
public struct StateView: Sendable {
    /// An active state.
    public struct State: Sendable {
        /// Row of the layer's parameters.
        public var place: Int
        public var identity: Int
        /// Steps since it was allocated.
        public var age: Int
        /// Steps since it was last written to.
        public var idle: Int
        /// Moving averages: write weight of a token; share of a read; |∂loss/∂log activity| summed over a batch.
        ///
        /// nil: not observed.
        public var write: Double
        public var read: Double?
        public var saliency: Double?
        /// The learned keep gate as evaluation sees it, 1 without one.
        public var l0Gate: Double
        /// Growth of the loss without this state, where a policy asked for it.
        public var ablation: Double?
        /// Decisions in a row in which a policy wanted it gone.
        public var pruneVotes: Int

        public init(
            place: Int, identity: Int, age: Int = 0, idle: Int = 0, write: Double = 0, read: Double? = nil,
            saliency: Double? = nil,
            l0Gate: Double = 1, ablation: Double? = nil, pruneVotes: Int = 0
        ) {
            self.place = place
            self.identity = identity
            self.age = age
            self.idle = idle
            self.write = write
            self.read = read
            self.saliency = saliency
            self.l0Gate = l0Gate
            self.ablation = ablation
            self.pruneVotes = pruneVotes
        }
    }
    public var step: Int
    public var layer: String
    /// The active ones, by place.
    public var states: [State]
    /// Places without an active state.
    public var free: Int
    /// Mean training loss since the decision before, in nats.
    public var loss: Double
    /// Mean and deviation of the loss of a step before that, moving.
    public var usualLoss: Double
    public var lossDeviation: Double
    /// Mean of 1 − max cos(key, K) over tokens; nil: not observed.
    public var novelty: Double?

    public init(
        step: Int, layer: String = "", states: [State], free: Int = 0, loss: Double = 0, usualLoss: Double = 0,
        lossDeviation: Double = 0, novelty: Double? = nil
    ) {
        self.step = step
        self.layer = layer
        self.states = states
        self.free = free
        self.loss = loss
        self.usualLoss = usualLoss
        self.lossDeviation = lossDeviation
        self.novelty = novelty
    }
    /// How much each state is worth: what is learned times what is observed, as a multiple of the layer's mean: keep gate × share
    /// of the reads (of the writes, where reads are not observed).
    ///
    /// 1 for each when all are alike.
    public var importance: [Double] {
        let seen = states.map { $0.l0Gate * ($0.read ?? $0.write) }, total = seen.reduce(0, +)
        return total > 0 ? seen.map { $0 * Double(seen.count) / total } : seen.map { _ in 1 }
    }
    /// Write weight of each state as a multiple of the layer's mean.
    public var load: [Double] {
        let total = states.reduce(0) { $0 + $1.write }
        return states.map { total > 0 ? $0.write * Double(states.count) / total : 1 }
    }
}

/// What a state's worth is measured by.
public enum StateMeasure: String, Sendable, CaseIterable {
    case importance, write, read, saliency
    /// One number for each state of a view.
    public func callAsFunction(_ view: StateView) -> [Double] {
        switch self {
        case .importance: view.importance
        case .write: view.load
        case .read: view.states.map { $0.read ?? 0 }
        case .saliency: view.states.map { $0.saliency ?? 0 }
        }
    }
    var needs: Set<StateObservation> { self == .saliency ? [.write, .read, .saliency] : [.write, .read] }
}
