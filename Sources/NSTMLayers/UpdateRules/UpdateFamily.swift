import NSTMAutograd
import NSTMTensor

/// A form of recurrence together with the values that its tokens need.
public protocol UpdateFamily {
    /// The states after one token, by plain operations; for a segment of one token.
    func step(_ states: StateBank, _ token: RoutedToken) -> StateBank
    /// The states as the token itself reads them.
    func view(before: StateBank, after: StateBank, _ token: RoutedToken) -> StateBank
    /// The reads and states of all tokens of the segment by a fused scan; nil if it is not fused with the readout.
    func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
}

extension UpdateFamily {
    public func view(before: StateBank, after: StateBank, _ token: RoutedToken) -> StateBank { after }
}
