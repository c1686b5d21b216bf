import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Sparse access memory: read heads that read the K rows most similar to their keys, and a write head that writes to the rows read
/// last or to the row that has not been used for the longest time.
///
///     w = α (γ r̄⁻ + (1 − γ) 1_oldest);   M ← M ∘ (1 − α (1 − γ) 1_oldest) + w aᵀ;   r = softmax over K rows of β cos(k, M)
///
/// Rae et al. 2016, "Scaling memory-augmented neural networks with sparse reads and writes", with an exact search instead of an
/// approximate index. r̄⁻ is the mean of the heads' last weights. The oldest row is cleared to the degree to which it is written, so
/// that tokens which write nothing do not empty the memory. A step keeps the rows that it changes for the backward pass, not the
/// memory; no gradient flows through the choice of rows.
///
/// `Addressing.LeastRecentlyUsed` with `Addressing.Content` of top K is the same memory in dense form.
public final class SparseMemory: ExternalMemory {
    /// N and W, and the number of read heads; there is one write head.
    public let dimensions: MemoryDimensions
    /// K, the number of rows that a head reads.
    public let topK: Int
    private let type: DType

    public init(_ parameters: ParameterBuilder, _ dimensions: MemoryDimensions, topK: Int = 4) {
        self.dimensions = dimensions
        self.topK = topK
        type = parameters.dtype
    }
    private var heads: Int { dimensions.readHeads }
    private var width: Int { dimensions.width }
    /// Rows that a write may change: those read last, and the oldest.
    private var changed: Int { heads * topK + 1 }
    public var interfaceWidth: Int { heads * (width + 1) + width + 2 }
    public var readWidth: Int { heads * width }
    public var multiplyAdds: Int? {
        let search = (heads + 1) * (dimensions.rows + 1) * width, compare = heads * 2 * (topK + 1) * width
        return search + compare + 3 * changed * width + changed * changed + heads * topK * width
    }

    public var stateCount: Int? { dimensions.rows * (width + 1) + 2 * heads * topK }

    public func initialState(batch: Int, _ context: ForwardContext) -> MemoryState {
        var state = MemoryState()
        func set(_ name: String, _ value: Tensor) { state[name] = context.constant(value) }
        set("rows", Tensor(repeating: 1e-6, [batch, dimensions.rows, width], dtype: type))
        // Tokens since the last use; the first row is the oldest.
        let ages = Tensor((0..<dimensions.rows).map { Double(dimensions.rows - $0) }, [1, dimensions.rows]).cast(to: type)
        set("ages", ages.broadcast(to: [batch, dimensions.rows]).contiguous())
        set("readIndices", .zeros([batch, heads, topK], dtype: type))
        set("readWeights", .zeros([batch, heads, topK], dtype: type))
        return state
    }
    /// What a pass changes in place.
    private final class Pass {
        let rows: SparseMemoryRows
        /// The time of the last use in this pass, negative, or the age before it: the larger, the older.
        var stamps: Tensor
        /// Number of steps.
        var clock = 0.0
        init(_ rows: SparseMemoryRows, stamps: Tensor) { (self.rows, self.stamps) = (rows, stamps) }
    }
    private func pass(_ state: inout MemoryState, _ context: ForwardContext) -> Pass {
        if let pass = state.pass as? Pass { return pass }
        // The state lets go of the rows, so that they are not copied.
        let rows = state.rows, ages = state["ages"]!.value
        for name in ["rows", "ages"] { state[name] = context.constant(.zeros([0], dtype: type)) }
        let pass = Pass(SparseMemoryRows(rows, context), stamps: ages)
        state.pass = pass
        return pass
    }
    public func finish(_ state: inout MemoryState, _ context: ForwardContext) {
        guard let pass = state.pass as? Pass else { return }
        state.rows = pass.rows()
        state["ages"] = context.constant(pass.stamps.affine(1, pass.clock))
        state.pass = nil
    }

    public func step(_ vector: Variable, _ state: inout MemoryState, _ context: ForwardContext) -> Variable {
        var interface = MemoryInterface(vector)
        let pass = pass(&state, context), batch = vector.shape[0]
        pass.clock += 1
        let gate = interface.take(1).sigmoid(), share = interface.take(1).sigmoid(), add = interface.take(heads: 1, width)

        // Write.
        let last = state.readWeights, fresh = gate * (1 - share)
        let plan = writePlan(state["readIndices"]!.value, pass.stamps)
        let wanted = Variable.concatenate(
            [last.reshaped([batch, heads * topK]) * (gate * share * (1 / Double(heads))), fresh], axis: 1)
        // The same row may be read by several heads: the plan sums the weights of a row.
        let weights = wanted.unsqueezed(axis: 1).matmul(context.constant(plan.assignment), transposeOther: true)
        let retention = 1 - fresh * context.constant(plan.assignment.select(axis: 2, changed - 1))
        let noErase = context.constant(.zeros([batch, 1, width], dtype: type))
        pass.rows.replace(
            plan.indices,
            with: pass.rows(plan.indices).erasedAndAdded(weights: weights, erase: noErase, add: add, retention: retention))
        touch(plan.indices, weights.value, pass)

        // Read.
        let keys = interface.take(heads: heads, width), strengths = interface.take(heads: heads, 1).softplus().affine(1, 1)
        let indices = pass.rows.nearest(keys.value, topK)
        let rows = pass.rows(indices.reshaped([batch, heads * topK])).reshaped([batch * heads, topK, width])
        let scores =
            keys.reshaped([batch * heads, 1, width]).cosineSimilarity(to: rows) * strengths.reshaped([batch * heads, 1, 1])
        let read = scores.softmax()
        state.readWeights = read.reshaped([batch, heads, topK])
        state["readIndices"] = context.constant(indices.cast(to: type))
        touch(indices, read.value, pass)
        return read.matmul(rows).reshaped([batch, readWidth])
    }
    /// Sets the time of use of rows whose weight is above the threshold.
    private func touch(_ indices: Tensor, _ weights: Tensor, _ pass: Pass) {
        let all = indices.elements(Int32.self), values = weights.doubles(), each = all.count / indices.shape[0],
            n = dimensions.rows
        func set<T: BinaryFloatingPoint & Element>(_ type: T.Type) {
            pass.stamps.withMutableElements(of: T.self) { stamps in
                for (i, index) in all.enumerated() where values[i] > Addressing.LeastRecentlyUsed.threshold {
                    stamps[i / each * n + Int(index)] = T(-pass.clock)
                }
            }
        }
        if type == .float64 { set(Double.self) } else { set(Float.self) }
    }
    /// Different rows of each sequence [B, J], those read last and the oldest, and which of the weights belong to each row,
    /// [B, J, J].
    private func writePlan(_ last: Tensor, _ stamps: Tensor) -> (indices: Tensor, assignment: Tensor) {
        let J = changed, batch = stamps.shape[0], oldest = stamps.largest(J).elements(Int32.self)
        let read = last.doubles().map { Int32($0) }
        var indices: [Int32] = [], assignment = [Double](repeating: 0, count: batch * J * J)
        for b in 0..<batch {
            var rows: [Int32] = []
            func assign(_ row: Int32, _ weight: Int) {
                let i = rows.firstIndex(of: row) ?? rows.count
                if i == rows.count { rows.append(row) }
                assignment[(b * J + i) * J + weight] = 1
            }
            for i in 0..<J - 1 { assign(read[b * (J - 1) + i], i) }
            assign(oldest[b * J], J - 1)
            // Unchanged rows fill the list.
            for row in oldest[b * J..<(b + 1) * J] where rows.count < J && !rows.contains(row) { rows.append(row) }
            indices += rows
        }
        return (Tensor(indices, [batch, J]), Tensor(assignment, [batch, J, J]).cast(to: type))
    }
}

extension SparseMemory {
    public struct Configuration: ExternalMemoryConfiguration {
        public static let type = "sparse"
        public static let summary = "sparse access memory: few rows of many are read and written in a step"
        public var dimensions = MemoryDimensions(rows: 1024)
        /// Number of rows that a head reads.
        public var topK = 4
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: MemoryStrategies) {
            dimensions.rows = reader.int("rows", default: dimensions.rows, in: 2...1_048_576)
            dimensions.width = reader.int("width", default: dimensions.width, in: 1...65_536)
            dimensions.readHeads = reader.int("read-heads", default: dimensions.readHeads, in: 1...256)
            topK = reader.int("top-k", default: topK, in: 1...256)
            if dimensions.readHeads * topK >= dimensions.rows {
                reader.addIssue(
                    "top-k",
                    "\(dimensions.readHeads) heads that read \(topK) rows each, and a row to write, need more than \(dimensions.rows) rows"
                )
            }
        }
        public func make(_ parameters: ParameterBuilder) -> any ExternalMemory {
            SparseMemory(parameters, dimensions, topK: topK)
        }
    }
}
