/// The information about a layer on which policies base a decision.
public struct StateView: Sendable {
    /// An active state.
    public struct State: Sendable {
        /// Index of the state: its row in the layer's parameters.
        public var index: Int
        /// Identity of the state, which is never reused.
        public var identity: Int
        /// Steps since it was allocated.
        public var age: Int
        /// Steps since it was last written to.
        public var idle: Int
        /// Moving average of the write weight per token.
        public var write: Double
        /// Moving average of the share of the reads; nil: not observed.
        public var read: Double?
        /// Moving average of |∂loss/∂log activity| summed over a batch; nil: not observed.
        public var saliency: Double?
        /// Value of the L0 gate in evaluation; 1 without a gate.
        public var l0Gate: Double
        /// Increase of the loss without this state; nil unless a policy requested it.
        public var ablation: Double?
        /// Number of consecutive decisions in which the state was a candidate for pruning.
        public var pruneVotes: Int

        public init(
            index: Int, identity: Int, age: Int = 0, idle: Int = 0, write: Double = 0, read: Double? = nil,
            saliency: Double? = nil,
            l0Gate: Double = 1, ablation: Double? = nil, pruneVotes: Int = 0
        ) {
            self.index = index
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
    /// Number of training steps done.
    public var step: Int
    /// Path of the layer.
    public var layer: String
    /// The active states, by index.
    public var states: [State]
    /// Number of indices without an active state.
    public var free: Int
    /// Mean training loss since the previous decision, in nats.
    public var loss: Double
    /// Moving mean of the training loss before that.
    public var usualLoss: Double
    /// Moving standard deviation of the training loss before that.
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
    /// Importance of each state as a multiple of the layer's mean: L0 gate × share of the reads (of the writes if reads are not
    /// observed).
    ///
    /// It is 1 for each if all are equally important.
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

extension StateView {
    /// The measure of the value of a state.
    public enum Measure: String, Sendable, CaseIterable {
        case importance, write, read, saliency
        /// The measure of each state of a view.
        public func callAsFunction(_ view: StateView) -> [Double] {
            switch self {
            case .importance: view.importance
            case .write: view.load
            case .read: view.states.map { $0.read ?? 0 }
            case .saliency: view.states.map { $0.saliency ?? 0 }
            }
        }
        var needs: Set<Observation> { self == .saliency ? [.write, .read, .saliency] : [.write, .read] }
    }
}
