import NSTMAutograd
import NSTMModules
import NSTMTensor

/// The pass of a layer, or of a stretch of tokens between two boundaries, for strategies that say what they cost in it.
public struct StatePass: Sendable {
    public var size: PassSize
    /// D, H and N.
    public var site: StrategySite
    /// States that are active, A, and those of them that a token is routed to.
    public var active: Int
    public var reached: Int
    public init(size: PassSize, site: StrategySite, active: Int, reached: Int) {
        self.size = size
        self.site = site
        self.active = active
        self.reached = reached
    }
    var rows: Int { size.rows }
    var width: Int { site.width }
    var states: Int { site.states }
}

/// A strategy that says what it costs: multiply-adds in evaluation by formula, which are what `Work.counting` counts. A strategy
/// need not; the layer it is part of then does not say either.
public protocol StrategyCost: AnyObject {
    /// Of all tokens of a pass; of an interaction, of one conversation of all sequences. An update rule says it of the update alone,
    /// whatever reads; one for which that makes a difference is an `UpdateCost`.
    func multiplyAdds(_ pass: StatePass) -> Int
}
/// An update rule that says what it costs together with what its tokens read: a scan does both at once.
public protocol UpdateCost: AnyObject {
    /// Of a stretch of tokens and their reads; nil when it cannot say for this readout.
    func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int?
}
/// A readout that says what the weights of its reads cost by themselves: the mix of values is then part of a scan.
public protocol ReadWeightCost: StrategyCost {
    func weightMultiplyAdds(_ pass: StatePass) -> Int
}
/// A routing policy that says what it costs and how many of so many active states it sends a token to.
public protocol RoutingCost: StrategyCost {
    func reached(of active: Int) -> Int
}

extension NSTMLayer: CostReporting {
    /// nil also for a layer whose sequences switch states on as they need them: that depends on the tokens.
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        let site = StrategySite(width: width, heads: manager.heads, states: manager.count)
        let active = manager.activity(batch: 1, ForwardContext(.evaluate)).active(of: manager.count).count
        guard life?.activation == nil, let router = router.policy as? any RoutingCost else { return nil }
        let states = StatePass(size: pass, site: site, active: active, reached: router.reached(of: active))
        let position = pass.carriesState ? pass.position : 0, interval = propagator.interval
        var sum = router.multiplyAdds(states), cuts = looks
        if let interaction = propagator.interaction {
            guard let talk = interaction as? any StrategyCost else { return nil }
            // Multiples of the interval among the positions of this pass, without 0.
            let times = (position + pass.tokens - 1) / interval - max(0, position - 1) / interval
            sum += times * talk.multiplyAdds(states)
            cuts.append(interval)
        }
        for length in StatePropagator.lengths(of: pass.tokens, from: position, cuts) {
            var stretch = states
            stretch.size.tokens = length
            guard let cost = propagator.multiplyAdds(stretch, reading: attention.readout) else { return nil }
            sum += cost
        }
        // Projection, gate and output.
        sum += pass.rows * 5 * width * width + convolution.multiplyAdds(pass)
        return attention.window.map { sum + windowMultiplyAdds(pass, width: width, window: $0) } ?? sum
    }

    /// Bytes that are carried after a pass: keys and values of the states, what a rule counts and a router carries, the activity of each
    /// sequence, the last inputs of the convolution and the window.
    public func stateBytes(_ pass: PassSize) -> Int? {
        let dtype = manager.initialKeys.value.dtype, n = manager.count
        var elements = n * 2 * width + (convolution.width - 1) * 3 * width
        if propagator.rule.initialUsage != nil { elements += n }
        elements += router.beginning(batch: 1, dtype)?.count ?? 0
        if life?.activation != nil { elements += n }
        if let window = attention.window { elements += min(window - 1, pass.position + pass.tokens) * 3 * width }
        return pass.batch * elements * dtype.byteCount
    }
}

extension StatePropagator {
    /// Of a stretch of tokens and what they read; nil when a part does not say.
    func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        if let rule = rule as? any UpdateCost { return rule.multiplyAdds(pass, reading: readout) }
        guard let rule = rule as? any StrategyCost, let readout = readout as? any StrategyCost else { return nil }
        return rule.multiplyAdds(pass) + readout.multiplyAdds(pass)
    }
}

// MARK: Routing policies

extension TopKRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func reached(of active: Int) -> Int { min(k ?? active, active) }
}
extension SoftmaxRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func reached(of active: Int) -> Int { active }
}
extension BalancedTopKRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func reached(of active: Int) -> Int { min(k, active) }
}
extension GumbelRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func reached(of active: Int) -> Int { min(k, active) }
}
extension SinkhornRouting: RoutingCost {
    /// Each iteration keeps a fading sum for every state.
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.states * (pass.width + iterations) }
    public func reached(of active: Int) -> Int { active }
}
extension ContentRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * (pass.width + pass.states) }
    public func reached(of active: Int) -> Int { min(k ?? active, active) }
}
extension StateContentRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * (pass.width + pass.states) }
    public func reached(of active: Int) -> Int { min(k ?? active, active) }
}
extension HashRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * pass.states }
    public func reached(of active: Int) -> Int { min(k, active) }
}
extension AllRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { 0 }
    public func reached(of active: Int) -> Int { active }
}
extension RandomRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { 0 }
    public func reached(of active: Int) -> Int { min(k, active) }
}
extension RoundRobinRouting: RoutingCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { 0 }
    public func reached(of active: Int) -> Int { min(1, active) }
}

extension PointerRouting: RoutingCost {
    /// The moves and the gate of a token, and six products for each active state and rest.
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * (8 * pass.width + 6 * (pass.active + 1)) }
    public func reached(of active: Int) -> Int { moves == .hard ? min(1, active) : active }
}

// MARK: Update rules that run step by step

// Step by step the states that a token reaches are computed, or all when those are more than half; moving towards the result is
// element-wise.
extension StatePass {
    fileprivate var stepped: Int { 2 * max(1, reached) <= states ? max(1, reached) : states }
}
extension GRUStates: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * 3 * pass.width * pass.width * (1 + pass.stepped) }
}
extension LSTMStates: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int {
        pass.rows * (3 * pass.width / 2) * (pass.width + pass.stepped * (pass.width / 2))
    }
}
extension SlotAttentionStates: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int {
        pass.rows * pass.width * (pass.width * (3 + 4 * pass.states) + 2 * hidden * pass.states)
    }
}
extension IndependentMechanisms: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * 7 * pass.states * pass.width * pass.width }
}

// MARK: Interactions

extension GatedStateAttention: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int {
        pass.size.batch * pass.states * pass.width * (4 * pass.width + 2 * pass.states)
    }
}
extension RelationalInteraction: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int {
        pass.size.batch * pass.states * pass.width * (4 * pass.width + 2 * pass.states + 2 * hidden)
    }
}
extension SparseStateAttention: StrategyCost {
    /// Only who is heard is sparse, not the work.
    public func multiplyAdds(_ pass: StatePass) -> Int {
        pass.active == 0 ? 0 : pass.size.batch * pass.states * pass.width * (4 * pass.width + 2 * pass.states)
    }
}
extension LowRankMixing: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.size.batch * 2 * pass.states * rank * pass.width }
}
