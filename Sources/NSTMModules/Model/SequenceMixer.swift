import NSTMAutograd
import NSTMTensor

/// What a layer carries from one part of a sequence to the next: named variables and the number of tokens seen. A value: it can
/// be kept, copied, saved and resumed. Detach it to stop gradients at the cut.
public struct MixerCache {
    // A few at most: looking through them is faster than hashing a name. Variables apart, so that looking copies none.
    /// In the order in which they were set first.
    public private(set) var names: [String] = []
    private var variables: [Variable] = []
    /// Tokens seen so far.
    public var position: Int

    public init(position: Int = 0) { self.position = position }
    init(position: Int, _ pairs: some Sequence<(String, Variable)>) {
        self.position = position
        for (name, variable) in pairs { self[name] = variable }
    }
    public subscript(name: String) -> Variable? {
        get { place(name).map { variables[$0] } }
        set {
            guard let newValue else { fatalError("MixerCache: '\(name)' cannot be removed") }
            // A constant belongs to no pass: it is there to be carried to others.
            let carried = newValue.isRecorded ? newValue : Variable(newValue.value)
            if let i = place(name) {
                variables[i] = carried
            } else {
                names.append(name)
                variables.append(carried)
            }
        }
    }
    private func place(_ name: String) -> Int? {
        // Lengths first: they tell most names apart for less than a comparison costs.
        let length = name.utf8.count
        for i in names.indices where names[i].utf8.count == length && names[i] == name { return i }
        return nil
    }
    public var detached: MixerCache {
        var s = self
        for i in variables.indices { s.variables[i] = variables[i].detached }
        return s
    }
    public var byteCount: Int { variables.reduce(0) { $0 + $1.shape.count * $1.dtype.byteCount } }
}

/// A layer that lets tokens of a sequence influence later ones: [B, T, D] → [B, T, D].
public protocol SequenceMixer: AnyObject {
    /// Whether no token influences an earlier one; true by default. A layer that is not causal reads whole sequences: it carries no
    /// state, to ask for one is an error that stops the program, and a model of such layers answers about whole sequences only.
    var isCausal: Bool { get }
    /// The state before the first token.
    func initialState(batch: Int, _ context: ForwardContext) -> MixerCache
    /// Works on the next T tokens. With a state, it goes on from there and leaves the new one; without, it starts from the
    /// beginning and keeps nothing. Any split of a sequence gives the same outputs.
    func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable
}
extension SequenceMixer {
    public var isCausal: Bool { true }
}
