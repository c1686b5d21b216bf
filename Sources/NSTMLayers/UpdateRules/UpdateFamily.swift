import NSTMAutograd
import NSTMTensor

/// One form of recurrence, with what its tokens need.
public protocol UpdateFamily {
    /// One token, with plain operations; the numbers are those of a stretch of one.
    func step(_ states: StateBank, _ token: RoutedToken) -> StateBank
    func view(before: StateBank, after: StateBank, _ token: RoutedToken) -> StateBank
    /// All tokens of the stretch; nil when it is not fused with the readout.
    func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
}

extension UpdateFamily {
    public func view(before: StateBank, after: StateBank, _ token: RoutedToken) -> StateBank { after }
}
