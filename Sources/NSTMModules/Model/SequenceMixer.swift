import NSTMAutograd
import NSTMTensor

/// The streaming cache of a layer: named variables and the number of tokens processed.
///
/// A value type: a copy can be saved and resumed later. Use `detached` to truncate backpropagation between segments.
public struct MixerCache {
    // There are a few names at most: a linear search is faster than hashing. Variables are stored apart, so that it retains none.
    /// Names of the variables, in order of first assignment.
    public private(set) var names: [String] = []
    private var variables: [Variable] = []
    /// Number of tokens processed so far.
    public var position: Int

    public init(position: Int = 0) { self.position = position }
    init(position: Int, _ pairs: some Sequence<(String, Variable)>) {
        self.position = position
        for (name, variable) in pairs { self[name] = variable }
    }
    /// The variable of a name; nil when there is none.
    ///
    /// A variable cannot be removed.
    public subscript(name: String) -> Variable? {
        get { index(of: name).map { variables[$0] } }
        set {
            guard let newValue else { nstmFatal(.other(op: "MixerCache", "variable '\(name)' cannot be removed")) }
            // A constant is detached from the tape of this pass, so that other passes can use it.
            let carried = newValue.isRecorded ? newValue : Variable(newValue.value)
            if let i = index(of: name) {
                variables[i] = carried
            } else {
                names.append(name)
                variables.append(carried)
            }
        }
    }
    private func index(of name: String) -> Int? {
        // Lengths are cheaper to compare than characters and differ for most names.
        let length = name.utf8.count
        for i in names.indices where names[i].utf8.count == length && names[i] == name { return i }
        return nil
    }
    /// A copy through which no gradients flow.
    public var detached: MixerCache {
        var s = self
        for i in variables.indices { s.variables[i] = variables[i].detached }
        return s
    }
    /// Size of all variables, in bytes.
    public var byteCount: Int { variables.reduce(0) { $0 + $1.shape.count * $1.dtype.byteCount } }
}

/// A layer that mixes information along the sequence: [B, T, D] → [B, T, D].
public protocol SequenceMixer: AnyObject {
    /// Whether the output at a position is independent of later tokens; true by default. A non-causal mixer accepts whole
    /// sequences only: it has no cache, `initialState` stops the program, and its model must have a pooled output.
    var isCausal: Bool { get }
    /// The cache before the first token of `batch` sequences.
    func initialState(batch: Int, _ context: ForwardContext) -> MixerCache
    /// The output [B, T, D] for the next T tokens x [B, T, D].
    ///
    /// The outputs must not depend on how a sequence is split into calls.
    /// - Parameter state: the cache to continue from, replaced by the new one; nil starts a sequence and caches nothing.
    func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable
}
extension SequenceMixer {
    public var isCausal: Bool { true }
}
