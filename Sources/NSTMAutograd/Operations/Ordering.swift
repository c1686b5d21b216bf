import NSTMTensor

// Sorting and selection: the gradient of a value is that of its source element, of equal elements the selected one.

extension Variable {
    /// Elements along an axis in stable order, and their original indices (int32).
    ///
    /// NaN counts as larger than everything.
    public func sorted(axis: Int = -1, descending: Bool = false) -> (values: Variable, indices: Tensor) {
        let (values, indices) = value.sorted(axis: axis, descending: descending)
        return (gather("sort", axis, indices, values), indices)
    }
    /// The k largest (smallest) elements along an axis, in order, and their indices (int32); of equal elements, those with lower
    /// indices.
    public func topK(_ k: Int, axis: Int = -1, largest: Bool = true) -> (values: Variable, indices: Tensor) {
        let (values, indices) = value.topK(k, axis: axis, largest: largest)
        return (gather("topK", axis, indices, values), indices)
    }
}
