import NSTM

/// Erase and add by address (Graves, Wayne & Danihelka 2014, equations 3 and 4) for states whose keys do not change.
///
///     Vₘ ← Vₘ + wₘ e ⊙ (a − Vₘ)
///
/// A value is a convex combination of what was added and what it was at first, so it is bounded. Fused with every
/// `WeightedReadout`, by a kernel of this package.
public struct EraseAddUpdate: UpdateFamily {
    /// w [B, T, N]; 0 leaves a state as it was.
    public let write: Variable
    /// e [B, T, D] in 0 … 1, and a [B, T, D].
    public let erase: Variable, add: Variable

    public init(write: Variable, erase: Variable, add: Variable) {
        (self.write, self.erase, self.add) = (write, erase, add)
    }
    public static func canFuse(with readout: any StateReadout, states: Int) -> Bool { readout is any WeightedReadout }
    public func step(_ states: StateBank, _ token: RoutedToken) -> StateBank {
        var next = states
        next.values = states.values + write.squeezed(axis: 1).unsqueezed(axis: 2) * erase * (add - states.values)
        return next
    }
    public func scan(
        _ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext
    ) -> (reads: Variable, states: StateBank) {
        let readout = readout as! any WeightedReadout
        return states.scanningActive { states in
            let reads = readout.weights(tokens.split(heads: states.heads).queries, routing: tokens.readWeights, states)
            let scan = eraseAddScan(
                write: write, erase: erase, add: add,
                reads: reads.broadcast(to: [states.batch, states.heads, tokens.count, states.count]), values: states.values)
            var next = states
            next.values = scan.values
            return (scan.output, next)
        }
    }
}

/// An update rule of this family, e = σ(x E + b) and a = tanh(x A + c) for a token x.
///
/// The keys of the states are addresses that tokens read by; `EraseAdd` writes keys too, and runs token by token.
public final class AddressedEraseAdd: TokenDrivenUpdateRule {
    private let erase: Linear
    private let add: Linear

    public init(_ parameters: ParameterBuilder, width: Int) {
        erase = Linear(parameters.child("erase"), in: width, out: width)
        add = Linear(parameters.child("add"), in: width, out: width)
    }
    public func update(
        _ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext
    ) -> EraseAddUpdate {
        EraseAddUpdate(write: routing, erase: erase(tokens, context).sigmoid(), add: add(tokens, context).tanh())
    }
}

extension AddressedEraseAdd {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "addressed-erase-add"
        public static let summary = "the erase and add of a neural Turing machine, with a fused scan"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            AddressedEraseAdd(parameters, width: layer.width)
        }
    }
}
