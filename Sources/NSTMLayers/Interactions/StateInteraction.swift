import NSTMAutograd
import NSTMTensor

/// States talk to states, every so many tokens.
public protocol StateInteraction: AnyObject {
    func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank
}
