import NSTMAutograd
import NSTMModules
import NSTMTensor

/// A pass of a layer, or of a segment of tokens between two boundaries, as strategies need it to state their cost.
public struct StatePass: Sendable {
    public var size: PassSize
    /// Sizes of the layer: D, H and N.
    public var dimensions: LayerDimensions
    /// Number of active states A.
    public var active: Int
    /// Number of active states to which a token is routed.
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

/// A strategy that states its cost: multiply-adds in evaluation by formula, equal to the count of `Work.counting`.
///
/// Stating it is optional; without it the cost of the layer is not stated either.
public protocol StrategyCost: AnyObject {
    /// Multiply-adds of all tokens of a pass; of an interaction, those of one run for all sequences.
    ///
    /// An update rule states those of the update alone, whatever the readout; if they depend on the readout, the rule is an
    /// `UpdateCost`.
    func multiplyAdds(_ pass: StatePass) -> Int
}

/// An update rule that states its cost together with that of the reads, because a scan computes both at once.
public protocol UpdateCost: AnyObject {
    /// Multiply-adds of a segment of tokens and their reads; nil if the cost with this readout is unknown.
    func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int?
}

/// A readout that states the cost of its read weights alone, for scans that include the mix of the values.
public protocol ReadWeightCost: StrategyCost {
    /// Multiply-adds of the read weights of all tokens of a pass.
    func weightMultiplyAdds(_ pass: StatePass) -> Int
}

/// A routing policy that states its cost and how many of the active states it routes a token to.
public protocol RoutingCost: StrategyCost {
    /// Number of states to which a token is routed.
    func reached(of active: Int) -> Int
}

// MARK: Update rules that run step by step

// Step by step the states that a token reaches are computed, or all when those are more than half; moving towards the result is
// element-wise.
extension StatePass {
    var stepped: Int { 2 * max(1, reached) <= states ? max(1, reached) : states }
}
