import NSTMTensor

// Order: the gradient goes through the values, to the elements they came from. Among equals it goes to the one that was taken.

extension Variable {
    /// Elements along an axis in stable order, and where they came from (int32).
    ///
    /// NaN counts as larger than everything.
    public func sorted(axis: Int = -1, descending: Bool = false) -> (values: Variable, indices: Tensor) {
        let (values, indices) = value.sorted(axis: axis, descending: descending)
        return (gather("sort", axis, indices, values), indices)
    }
    /// The k largest (smallest) elements along an axis, in order, and where they are (int32); of equals, those of lower index.
    public func topK(_ k: Int, axis: Int = -1, largest: Bool = true) -> (values: Variable, indices: Tensor) {
        let (values, indices) = value.topK(k, axis: axis, largest: largest)
        return (gather("topK", axis, indices, values), indices)
    }
}
