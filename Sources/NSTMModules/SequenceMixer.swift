import NSTMAutograd
import NSTMTensor

/// What a layer carries from one part of a sequence to the next: named variables and the number of tokens seen. A value: it can
/// be kept, copied, saved and resumed. Detach it to stop gradients at the cut.
public struct MixerState {
    public private(set) var names: [String] = []
    private var variables: [String: Variable] = [:]
    /// Tokens seen so far.
    public var position: Int

    public init(position: Int = 0) { self.position = position }
    init(position: Int, _ pairs: some Sequence<(String, Variable)>) {
        self.position = position
        for (name, variable) in pairs { self[name] = variable }
    }
    public subscript(name: String) -> Variable? {
        get { variables[name] }
        set {
            guard let newValue else { fatalError("MixerState: '\(name)' cannot be removed") }
            if variables.updateValue(newValue, forKey: name) == nil { names.append(name) }
        }
    }
    public var detached: MixerState {
        var s = self
        for name in names { s.variables[name] = variables[name]!.detached }
        return s
    }
    public var byteCount: Int { names.reduce(0) { $0 + variables[$1]!.shape.count * variables[$1]!.dtype.byteCount } }
}

/// A layer that lets tokens of a sequence influence later ones: [B, T, D] → [B, T, D].
public protocol SequenceMixer: AnyObject {
    /// The state before the first token.
    func initialState(batch: Int, _ context: ForwardContext) -> MixerState
    /// Works on the next T tokens. With a state, it goes on from there and leaves the new one; without, it starts from the
    /// beginning and keeps nothing. Any split of a sequence gives the same outputs.
    func callAsFunction(_ x: Variable, _ state: inout MixerState?, _ context: ForwardContext) -> Variable
}
