import CNSTMKernels

extension Tensor {
    /// An index or a range of an axis in `tensor[...]`, with the rules of NumPy's basic indexing.
    ///
    /// Negative indices count from the end.
    ///
    /// ```swift
    /// x[0, .all, .range(1..<9, step: 2)]   // x[0, :, 1:9:2]
    /// x[.rest, -1]                         // x[..., -1]
    /// x[.reversed, .new]                   // x[::-1, None]
    /// ```
    public enum AxisIndex: Sendable, Hashable, ExpressibleByIntegerLiteral {
        /// One position; the axis disappears.
        case at(Int)
        /// Every `step`-th position of a range; a negative step goes from its last position down.
        case range(Range<Int>, step: Int = 1)
        /// The whole axis.
        case all
        /// The whole axis from the end to the start.
        case reversed
        /// All axes without another entry; at most once. It is implied at the end.
        case rest
        /// A new axis of size 1.
        case new

        public init(integerLiteral position: Int) { self = .at(position) }
    }

    /// Elements by position along several axes at once, as a view.
    ///
    /// Assignment changes these elements (after a copy if the storage is shared); the assigned value is broadcast.
    public subscript(_ indices: AxisIndex...) -> Tensor {
        get { indexed(indices) }
        set { write(newValue, at: indices) }
    }

    /// The subscript with a list of indices.
    public func indexed(_ indices: [AxisIndex]) -> Tensor {
        let taken = indices.count { $0 != .new && $0 != .rest }, rests = indices.count { $0 == .rest }
        guard taken <= rank, rests <= 1 else {
            nstmFatal(.other(op: "index", "\(indices) does not fit shape \(shape)"))
        }
        var view = self, axis = 0
        for index in indices {
            switch index {
            case .at(let position): view = view.select(axis: axis, position)
            case .range(let range, let step):
                view = view.slice(axis: axis, range, step: step)
                axis += 1
            case .all: axis += 1
            case .reversed:
                view = view.flipped(axes: [axis])
                axis += 1
            case .rest: axis += rank - taken
            case .new:
                view = view.unsqueezed(axis: axis)
                axis += 1
            }
        }
        return view
    }

    /// Writes elements at given positions in place: `self[indices] = values`.
    public mutating func write(_ values: Tensor, at indices: [AxisIndex]) {
        write(values) { $0.indexed(indices) }
    }
    /// Writes the elements that a view of this tensor shows.
    package mutating func write(_ values: Tensor, to view: (Tensor) -> Tensor) {
        guard values.dtype == dtype else { nstmFatal(.dtype(op: "write", got: values.dtype, want: "\(dtype), as the target")) }
        let to = mutablePointer()
        let target = view(self)
        let from = values.broadcast(to: target.shape)
        // Values that share the storage were made to own theirs by `mutablePointer`, which copies what is shared.
        Tensor.move(from, from.pointer, to: target.strides, to + (target.pointer - pointer))
        withExtendedLifetime(from) {}
    }

    /// Copies a tensor of any layout into memory of given strides.
    static func move(_ x: Tensor, _ from: UnsafeRawPointer, to strides: SIMD8<Int32>, _ to: UnsafeMutableRawPointer) {
        withUnsafePointer(to: x.shape.sizes) { sizes in
            withUnsafePointer(to: x.strides) { own in
                withUnsafePointer(to: strides) { strides in
                    nstm_move_strided(
                        x.dtype.byteCount, Int32(x.rank), UnsafeRawPointer(sizes).assumingMemoryBound(to: Int32.self),
                        UnsafeRawPointer(own).assumingMemoryBound(to: Int32.self), from,
                        UnsafeRawPointer(strides).assumingMemoryBound(to: Int32.self), to)
                }
            }
        }
    }

    /// Zeros of a shape with this tensor at the elements of a view: the inverse of that view for gradients.
    package func placed(in whole: Shape, _ view: (Tensor) -> Tensor) -> Tensor {
        var out = Tensor.zeros(whole, dtype: dtype)
        out.write(self, to: view)
        return out
    }
}
