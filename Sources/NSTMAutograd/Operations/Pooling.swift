import NSTMTensor

extension Variable {
    /// The largest element of each window of planes [B, C, H, W] → [B, C, H', W'], H' = ⌊(H + 2·padding − kernel)/stride⌋ + 1.
    ///
    /// Padding is never selected; it is at most half the kernel. The gradient goes to the first largest element. The default
    /// stride is the kernel.
    public func maxPool2d(_ kernel: PlaneSize, stride: PlaneSize? = nil, padding: PlaneSize = 0)
        -> Variable
    {
        maxPool2dWithIndices(kernel, stride: stride, padding: padding).values
    }
    /// As `maxPool2d`, with the index of each largest element in its plane: int32, row · W + column.
    public func maxPool2dWithIndices(
        _ kernel: PlaneSize, stride: PlaneSize? = nil, padding: PlaneSize = 0
    ) -> (
        values: Variable, indices: Tensor
    ) {
        let windows = poolingWindows("maxPool2d", kernel, stride, padding, countsPadding: false)
        let (values, indices) = windows.maximum(value.contiguous())
        let y = record(
            "maxPool2d", [self], values,
            .pullback { g, gradients in gradients.add(0, windows.maximumGradient(g.contiguous(), indices)) })
        return (y, indices)
    }
    /// The mean of each window of planes [B, C, H, W]; sizes as for `maxPool2d`.
    /// - Parameter countsPadding: whether padding counts as zeros (PyTorch's default, `count_include_pad`); otherwise the mean is
    ///   over the elements of the plane.
    public func averagePool2d(
        _ kernel: PlaneSize, stride: PlaneSize? = nil, padding: PlaneSize = 0,
        countsPadding: Bool = true
    ) -> Variable {
        averaged("averagePool2d", poolingWindows("averagePool2d", kernel, stride, padding, countsPadding: countsPadding))
    }
    /// Means of windows whose sizes follow from the number of outputs: ⌊i·H/H'⌋ ..< ⌈(i + 1)·H/H'⌉.
    ///
    /// With 1 output it is the mean of each plane ("global average pooling").
    public func adaptiveAveragePool2d(_ outputs: PlaneSize) -> Variable {
        guard shape.rank == 4, outputs.rows >= 1, outputs.columns >= 1, shape[2] >= 1, shape[3] >= 1 else {
            nstmFatal(
                .other(op: "adaptiveAveragePool2d", "x \(shape) to \(outputs.rows) × \(outputs.columns)"), at: path(of: self))
        }
        return averaged(
            "adaptiveAveragePool2d",
            PoolingWindows(adaptive: (outputs.rows, outputs.columns), height: shape[2], width: shape[3]))
    }

    /// `maxPool2d` along a sequence: [B, C, T] → [B, C, T'].
    public func maxPool1d(_ kernel: Int, stride: Int? = nil, padding: Int = 0) -> Variable {
        asPlane("maxPool1d").maxPool2d([1, kernel], stride: [1, stride ?? kernel], padding: [0, padding]).squeezed(axis: 2)
    }
    /// `averagePool2d` along a sequence: [B, C, T] → [B, C, T'].
    public func averagePool1d(_ kernel: Int, stride: Int? = nil, padding: Int = 0, countsPadding: Bool = true) -> Variable {
        asPlane("averagePool1d").averagePool2d(
            [1, kernel], stride: [1, stride ?? kernel], padding: [0, padding], countsPadding: countsPadding
        ).squeezed(axis: 2)
    }

    private func asPlane(_ op: StaticString) -> Variable {
        guard shape.rank == 3 else { nstmFatal(.other(op: "\(op)", "x \(shape) needs [B, C, T]"), at: path(of: self)) }
        return unsqueezed(axis: 2)
    }
    private func averaged(_ op: StaticString, _ windows: PoolingWindows) -> Variable {
        record(
            op, [self], windows.average(value.contiguous()),
            .pullback { g, gradients in gradients.add(0, windows.averageGradient(g.contiguous())) })
    }
    private func poolingWindows(
        _ op: StaticString, _ kernel: PlaneSize, _ stride: PlaneSize?, _ padding: PlaneSize,
        countsPadding: Bool
    ) -> PoolingWindows {
        guard shape.rank == 4 else { nstmFatal(.other(op: "\(op)", "x \(shape) needs [B, C, H, W]"), at: path(of: self)) }
        let stride = stride ?? kernel
        let rows = ConvolutionAxis(
            input: shape[2], kernel: kernel.rows, stride: stride.rows, low: padding.rows, high: padding.rows)
        let columns = ConvolutionAxis(
            input: shape[3], kernel: kernel.columns, stride: stride.columns, low: padding.columns, high: padding.columns)
        for axis in [rows, columns] where !axis.isValid || 2 * axis.low > axis.kernel || axis.input == 0 {
            nstmFatal(
                .other(
                    op: "\(op)",
                    "x \(shape): kernel \(axis.kernel), stride \(axis.stride) and padding \(axis.low) (at most half "
                        + "the kernel) do not fit into an axis of \(axis.input)"), at: path(of: self))
        }
        return PoolingWindows(rows: rows, columns: columns, countsPadding: countsPadding)
    }
}
