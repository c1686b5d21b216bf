import NSTMAutograd
import NSTMModules
import NSTMTensor

/// Sizes of an external memory.
public struct MemoryDimensions: Sendable, Equatable {
    /// N, the number of rows.
    public var rows: Int
    /// W, the number of elements of a row.
    public var width: Int
    /// Hᵣ, the number of read heads.
    public var readHeads: Int
    /// H_w, the number of write heads.
    public var writeHeads: Int
    public init(rows: Int = 128, width: Int = 20, readHeads: Int = 1, writeHeads: Int = 1) {
        self.rows = rows
        self.width = width
        self.readHeads = readHeads
        self.writeHeads = writeHeads
    }
    /// What the heads of an addressing do.
    public enum Role: String, Sendable {
        case read, write
    }
    /// Number of heads of a role.
    public func heads(_ role: Role) -> Int { role == .read ? readHeads : writeHeads }
}

/// The state of an external memory of B sequences between two steps: its rows, the last weights of its heads, and what its
/// addressings carry, by name.
///
/// A value type, stored in the streaming cache of the layer.
public struct MemoryState {
    /// Rows and everything carried, by name.
    public private(set) var variables: MixerCache
    /// Factors of the rows before the write of this step, [B, N]; nil: 1.
    ///
    /// Set by the addressing of the write heads, not carried.
    public var retention: Variable?

    /// What a memory changes in place during a pass, until `ExternalMemory.finish`; not carried.
    public var pass: AnyObject?

    public init(_ variables: MixerCache = MixerCache()) { self.variables = variables }
    /// A carried variable, which has the batch as its first axis.
    public subscript(name: String) -> Variable? {
        get { variables[name] }
        set { variables[name] = newValue }
    }
    private subscript(required name: String) -> Variable {
        guard let variable = variables[name] else { nstmFatal(.other(op: "MemoryState", "'\(name)' has no value yet")) }
        return variable
    }
    /// The rows that addressing compares with keys, [B, N, W].
    public var rows: Variable {
        get { self[required: "rows"] }
        set { self["rows"] = newValue }
    }
    /// Weights of the write heads in the last write, [B, H, N].
    public var writeWeights: Variable {
        get { self[required: "writeWeights"] }
        set { self["writeWeights"] = newValue }
    }
    /// Weights of the read heads in the last read, [B, H, N].
    public var readWeights: Variable {
        get { self[required: "readWeights"] }
        set { self["readWeights"] = newValue }
    }
    /// The last weights of the heads of a role.
    public func weights(_ role: MemoryDimensions.Role) -> Variable { role == .read ? readWeights : writeWeights }
}

/// The vector that a controller emits for a memory in one step, [B, I], from which addressings and heads take their parts in order.
public struct MemoryInterface {
    private let vector: Variable
    private var used = 0
    private var batch: Int { vector.shape[0] }

    public init(_ vector: Variable) { self.vector = vector }
    /// The next elements, [B, count].
    public mutating func take(_ count: Int) -> Variable {
        defer { used += count }
        return vector.slice(axis: 1, used..<used + count)
    }
    /// The next elements of each head, [B, heads, count].
    public mutating func take(heads: Int, _ count: Int) -> Variable { take(heads * count).reshaped([batch, heads, count]) }
}
