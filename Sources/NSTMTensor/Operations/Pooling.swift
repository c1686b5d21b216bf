import CNSTMKernels

/// The windows of a pooling along both axes: the first input and one past the last input of every output, clipped to the input.
package struct PoolingWindows: Sendable {
    package let height: Int, width: Int
    private let rows: [Int32], columns: [Int32]
    /// Divisor of sums; 0: the number of inputs in the window.
    private let divisor: Int

    private init(height: Int, width: Int, rows: [Range<Int>], columns: [Range<Int>], divisor: Int) {
        (self.height, self.width, self.divisor) = (height, width, divisor)
        self.rows = rows.flatMap { [Int32($0.lowerBound), Int32($0.upperBound)] }
        self.columns = columns.flatMap { [Int32($0.lowerBound), Int32($0.upperBound)] }
    }
    /// Windows of one size at constant distances.
    /// - Parameter countsPadding: whether averages are divided by the size of the window, padding included.
    package init(rows: ConvolutionAxis, columns: ConvolutionAxis, countsPadding: Bool) {
        func windows(_ axis: ConvolutionAxis) -> [Range<Int>] {
            (0..<axis.output).map {
                let start = $0 * axis.stride - axis.low
                return max(0, start)..<min(axis.input, start + axis.kernel)
            }
        }
        self.init(
            height: rows.input, width: columns.input, rows: windows(rows), columns: windows(columns),
            divisor: countsPadding ? rows.kernel * columns.kernel : 0)
    }
    /// Windows for a given number of outputs, ⌊i·n/m⌋ ..< ⌈(i + 1)·n/m⌉.
    package init(adaptive outputs: (rows: Int, columns: Int), height: Int, width: Int) {
        func windows(_ n: Int, _ m: Int) -> [Range<Int>] { (0..<m).map { $0 * n / m..<(($0 + 1) * n + m - 1) / m } }
        self.init(
            height: height, width: width, rows: windows(height, outputs.rows), columns: windows(width, outputs.columns),
            divisor: 0)
    }
    private var outputs: Int { rows.count / 2 * (columns.count / 2) }
    private func outputShape(_ x: Tensor) -> Shape { [x.shape[0], x.shape[1], rows.count / 2, columns.count / 2] }
    /// Calls the body for every plane of x, on the pool.
    private func planes(_ x: Shape, _ body: (Int) -> Void) {
        Parallel.blocks(x[0] * x[1], of: max(1, 16_384 / max(1, height * width))) { for i in $0 { body(i) } }
    }

    /// The largest element of each window of x [B, C, H, W] (dense), and its index in the plane.
    package func maximum(_ x: Tensor) -> (values: Tensor, indices: Tensor) {
        let y = Tensor(uninitialized: outputShape(x), x.dtype), indices = Tensor(uninitialized: outputShape(x), .int32)
        let to = y.uninitializedPointer, indexBase = indices.uninitializedPointer.assumingMemoryBound(to: Int32.self),
            size = x.dtype.byteCount
        planes(x.shape) { i in
            nstm_max_pool(
                x.dtype.real, x.pointer + i * height * width * size, width, rows, rows.count / 2, columns, columns.count / 2,
                to + i * outputs * size, indexBase + i * outputs)
        }
        withExtendedLifetime(x) {}
        return (y, indices)
    }
    package func maximumGradient(_ dy: Tensor, _ indices: Tensor) -> Tensor {
        let dx = Tensor(uninitialized: [dy.shape[0], dy.shape[1], height, width], dy.dtype), to = dx.uninitializedPointer
        let indexBase = indices.pointer.assumingMemoryBound(to: Int32.self), size = dy.dtype.byteCount
        planes(dy.shape) { i in
            nstm_max_pool_backward(
                dy.dtype.real, dy.pointer + i * outputs * size, indexBase + i * outputs, outputs,
                to + i * height * width * size,
                height * width)
        }
        withExtendedLifetime((dy, indices)) {}
        return dx
    }
    package func average(_ x: Tensor) -> Tensor {
        let y = Tensor(uninitialized: outputShape(x), x.dtype), to = y.uninitializedPointer, size = x.dtype.byteCount
        planes(x.shape) { i in
            nstm_average_pool(
                x.dtype.real, x.pointer + i * height * width * size, width, rows, rows.count / 2, columns, columns.count / 2,
                divisor, to + i * outputs * size)
        }
        withExtendedLifetime(x) {}
        return y
    }
    package func averageGradient(_ dy: Tensor) -> Tensor {
        let dx = Tensor(uninitialized: [dy.shape[0], dy.shape[1], height, width], dy.dtype), to = dx.uninitializedPointer
        let size = dy.dtype.byteCount
        planes(dy.shape) { i in
            nstm_average_pool_backward(
                dy.dtype.real, dy.pointer + i * outputs * size, height, width, rows, rows.count / 2, columns,
                columns.count / 2, divisor, to + i * height * width * size)
        }
        withExtendedLifetime(dy) {}
        return dx
    }
}
