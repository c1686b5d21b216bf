import NSTMTensor

extension CheckpointArchive {
    /// The tensors whose paths start with `prefix/`, in the order of `expected`.
    ///
    /// They must match exactly.
    ///
    /// - Parameter expected: paths relative to `prefix`, each with its shape and element type.
    /// - Throws: one `CheckpointError.tensorMismatch` that lists every missing, unexpected and different tensor.
    @discardableResult
    public func tensors(
        under prefix: String, matching expected: [(path: String, shape: Shape, dtype: DType)]
    ) throws(CheckpointError) -> [Tensor] {
        var matched: [Tensor] = []
        matched.reserveCapacity(expected.count)
        var issues: [CheckpointError.TensorIssue] = []
        for (path, shape, dtype) in expected {
            guard let tensor = self[tensor: "\(prefix)/\(path)"] else {
                issues.append(.missing(path: path, shape: shape, dtype: dtype))
                continue
            }
            if tensor.shape != shape { issues.append(.shape(path: path, expected: shape, found: tensor.shape)) }
            if tensor.dtype != dtype { issues.append(.dtype(path: path, expected: dtype, found: tensor.dtype)) }
            matched.append(tensor)
        }
        let known = Set(expected.map(\.path))
        for (path, tensor) in tensors(under: prefix) where !known.contains(path) {
            issues.append(.unexpected(path: path, shape: tensor.shape, dtype: tensor.dtype))
        }
        guard issues.isEmpty else { throw .tensorMismatch(path: displayPath, prefix: prefix, issues: issues) }
        return matched
    }
}
