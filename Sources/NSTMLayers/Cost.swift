import NSTMAutograd
import NSTMModules
import NSTMTensor

/// The pass of a layer, for strategies that say what they cost in it.
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
    /// Of all tokens of a pass; of an interaction, of one conversation of all sequences.
    func multiplyAdds(_ pass: StatePass) -> Int
}
/// A routing policy that says what it costs and how many of so many active states it sends a token to.
public protocol RoutingCost: StrategyCost {
    func reached(of active: Int) -> Int
}

extension NSTMLayer: CostReporting {
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        let site = StrategySite(width: width, heads: manager.heads, states: manager.count)
        let active = manager.activity(batch: 1, ForwardContext(.evaluate)).active(of: manager.count).count
        guard let router = router.policy as? any RoutingCost, let rule = propagator.rule as? any StrategyCost,
            let readout = attention.readout as? any StrategyCost
        else { return nil }
        let states = StatePass(size: pass, site: site, active: active, reached: router.reached(of: active))
        var sum = router.multiplyAdds(states) + rule.multiplyAdds(states) + readout.multiplyAdds(states)
        if let interaction = propagator.interaction {
            guard let talk = interaction as? any StrategyCost else { return nil }
            let position = pass.carriesState ? pass.position : 0, interval = propagator.interval
            // Multiples of the interval among the positions of this pass, without 0.
            let times = (position + pass.tokens - 1) / interval - max(0, position - 1) / interval
            sum += times * talk.multiplyAdds(states)
        }
        // Projection, gate and output.
        sum += pass.rows * 5 * width * width + convolution.multiplyAdds(pass)
        return attention.window.map { sum + windowMultiplyAdds(pass, width: width, window: $0) } ?? sum
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

// MARK: Readouts and update rules

extension ContentRead: StrategyCost {
    /// Scores of the active states and the mix of their values.
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * 2 * pass.width * pass.active }
}
extension GatedSlots: StrategyCost {
    /// Key and value of every state that is written, in the scan; the second gate.
    public func multiplyAdds(_ pass: StatePass) -> Int {
        pass.rows * pass.width * (2 * pass.reached + (hasSecondGate ? pass.states : 0))
    }
}
extension MinGRU: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * (2 * pass.reached + pass.width) }
}
extension MinLSTM: StrategyCost {
    public func multiplyAdds(_ pass: StatePass) -> Int { pass.rows * pass.width * (2 * pass.reached + 2 * pass.width) }
}
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
