import NSTMAutograd
import NSTMTensor

/// The update of a segment of tokens by one form of recurrence, with the gates of all its tokens.
public protocol UpdateFamily {
    /// Whether this form has a fused scan for a readout of so many states; the layer runs step by step otherwise.
    ///
    /// It is decided by types and sizes alone, so that a rule computes the gates of a segment only if its scan will use them.
    static func canFuse(with readout: any StateReadout, states: Int) -> Bool
    /// The states after the only token of a segment of one, by plain operations.
    func step(_ states: StateBank, _ token: RoutedToken) -> StateBank
    /// The states as the only token of a segment of one reads them; by default those after its own update.
    func view(before: StateBank, after: StateBank, _ token: RoutedToken) -> StateBank
    /// Updates and reads of all tokens of the segment at once, equal to those of the steps.
    /// - Precondition: `canFuse(with: readout, states: states.count)`.
    /// - Returns: what the tokens read, [B, T, D], and the states after the last one.
    func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)
}

extension UpdateFamily {
    public func view(before: StateBank, after: StateBank, _ token: RoutedToken) -> StateBank { after }
}
