import NSTMTensor

// Elements by index, with the rules of the tensor operations of the same names. Gradients of elements that are selected several
// times are added in the order of the indices.

extension Variable {
    /// Slices along an axis by int32 index; the shape of the indices replaces the axis.
    public func indexSelect(axis: Int, _ indices: Tensor) -> Variable {
        let whole = shape
        return record(
            "indexSelect", [self], value.indexSelect(axis: axis, indices),
            .pullback { g, gradients in gradients.add(0, .zeros(whole, dtype: g.dtype).indexAdd(axis: axis, indices, g)) })
    }
    /// This variable with slices of `source` added at int32 indices along an axis, `alpha` times each.
    public func indexAdd(axis: Int, _ indices: Tensor, _ source: Variable, alpha: Double = 1) -> Variable {
        requireSameType("indexAdd", self, source)
        return record(
            "indexAdd", [self, source], value.indexAdd(axis: axis, indices, source.value, alpha: alpha),
            .pullback { g, gradients in
                gradients.add(0, g)
                gradients.add(1, g.indexSelect(axis: axis, indices).affine(alpha))
            })
    }
    /// Rows of this table [n, ...] by int32 index: an embedding.
    public func rows(_ indices: Tensor) -> Variable {
        record("rows", self, value: value.rows(indices), saving: (indices, shape[0])) { g, saved, gradients in
            gradients.add(0, .addingRows(g, at: saved.pointee.0, count: saved.pointee.1))
        }
    }

    /// Elements along an axis by int32 index, one for each index: y[i, j, k] = self[i, indices[i, j, k], k] for axis 1.
    public func gather(axis: Int, _ indices: Tensor) -> Variable {
        gather("gather", axis, indices, value.gather(axis: axis, indices))
    }
    /// As `gather(axis:_:)`, with a value that is already known.
    func gather(_ name: StaticString, _ axis: Int, _ indices: Tensor, _ taken: Tensor) -> Variable {
        let whole = shape
        return record(
            name, [self], taken,
            .pullback { g, gradients in gradients.add(0, .zeros(whole, dtype: g.dtype).scatterAdd(axis: axis, indices, g)) })
    }
    /// This variable with elements of `source` written along an axis at int32 indices; of elements with the same index the last
    /// one is kept and has the gradient.
    public func scatter(axis: Int, _ indices: Tensor, _ source: Variable) -> Variable {
        requireSameType("scatter", self, source)
        let whole = shape
        return record(
            "scatter", [self, source], value.scatter(axis: axis, indices, source.value),
            .pullback { g, gradients in
                gradients.add(0, g.scatter(axis: axis, indices, .zeros(indices.shape, dtype: g.dtype)))
                if gradients.needs(1) {
                    // To find the kept elements, every element writes its number, which is compared with the stored one
                    // afterwards.
                    let numbers = Tensor((0..<indices.count).map { Int32($0) }, indices.shape)
                    let stayed = Tensor.zeros(whole, dtype: .int32).scatter(axis: axis, indices, numbers).gather(
                        axis: axis, indices)
                    gradients.add(1, .where(stayed .== numbers, g.gather(axis: axis, indices), .scalar(0, dtype: g.dtype)))
                }
            })
    }
    /// This variable with elements of `source` added along an axis at int32 indices.
    public func scatterAdd(axis: Int, _ indices: Tensor, _ source: Variable) -> Variable {
        requireSameType("scatterAdd", self, source)
        return record(
            "scatterAdd", [self, source], value.scatterAdd(axis: axis, indices, source.value),
            .pullback { g, gradients in
                gradients.add(0, g)
                gradients.add(1, g.gather(axis: axis, indices))
            })
    }
}
