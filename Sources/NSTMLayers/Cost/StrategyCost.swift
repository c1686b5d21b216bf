import NSTMAutograd
import NSTMModules
import NSTMTensor

/// The pass of a layer, or of a stretch of tokens between two boundaries, for strategies that say what they cost in it.
public struct StatePass: Sendable {
    public var size: PassSize
    /// D, H and N.
    public var dimensions: LayerDimensions
    /// States that are active, A, and those of them that a token is routed to.
    public var active: Int
    public var reached: Int
    public init(size: PassSize, dimensions: LayerDimensions, active: Int, reached: Int) {
        self.size = size
        self.dimensions = dimensions
        self.active = active
        self.reached = reached
    }
    var rows: Int { size.rows }
    var width: Int { dimensions.width }
    var states: Int { dimensions.states }
}

/// A strategy that says what it costs: multiply-adds in evaluation by formula, which are what `Work.counting` counts.
///
/// A strategy need not; the layer it is part of then does not say either.
public protocol StrategyCost: AnyObject {
    /// Of all tokens of a pass; of an interaction, of one conversation of all sequences. An update rule says it of the update
    /// alone, whatever reads; one for which that makes a difference is an `UpdateCost`.
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

// MARK: Update rules that run step by step

// Step by step the states that a token reaches are computed, or all when those are more than half; moving towards the result is
// element-wise.
extension StatePass {
    var stepped: Int { 2 * max(1, reached) <= states ? max(1, reached) : states }
}

/// How often the gates of a token are computed step by step: when a scan is asked for and there is none, for the update, and for
/// what is seen of it.
let stepwise = 3
