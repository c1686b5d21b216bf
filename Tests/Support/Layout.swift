import NSTMTensor

/// The memory layout of an input.
public enum Layout: String, CaseIterable, Sendable {
    case contiguous, transposed, sliced, broadcast

    /// Numbers of a given shape in this layout, made from a generator of dense tensors.
    public func tensor(_ dims: [Int], _ make: ([Int]) -> Tensor) -> Tensor {
        guard !dims.isEmpty else { return make(dims) }
        let rank = dims.count
        switch self {
        case .contiguous: return make(dims)
        case .transposed: return make(dims.reversed()).permuted(Array((0..<rank).reversed()))
        case .sliced:
            var larger = dims
            larger[rank - 1] = 2 * dims[rank - 1] + 1
            larger[0] += rank > 1 ? 2 : 0
            let t = make(larger).slice(axis: rank - 1, 1..<2 * dims[rank - 1] + 1, step: 2)
            return rank > 1 ? t.slice(axis: 0, 1..<1 + dims[0]) : t
        case .broadcast:
            // The first axis that can be is one value repeated.
            guard let axis = dims.firstIndex(where: { $0 > 1 }) else { return make(dims) }
            var smaller = dims
            smaller[axis] = 1
            return make(smaller).broadcast(to: Shape(dims))
        }
    }
}
