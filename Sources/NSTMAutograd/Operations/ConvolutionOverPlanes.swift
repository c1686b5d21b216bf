import NSTMTensor

extension Variable {
    /// The zeros before and after a sequence in a convolution.
    public enum SequencePadding: Sendable, Equatable, ExpressibleByIntegerLiteral {
        /// The same number before the first element and after the last.
        case symmetric(Int)
        /// dilation·(kernel − 1) zeros before the first element: output t depends on inputs up to t only, and with stride 1 there
        /// are as many outputs as inputs.
        case causal

        public init(integerLiteral value: Int) { self = .symmetric(value) }
    }

    /// A number for each axis of a plane: `2` for both, or `[rows, columns]`.
    public struct PlaneSize: Sendable, Equatable, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral {
        public var rows: Int
        public var columns: Int
        public init(_ rows: Int, _ columns: Int) { (self.rows, self.columns) = (rows, columns) }
        public init(integerLiteral value: Int) { self.init(value, value) }
        public init(arrayLiteral elements: Int...) {
            guard elements.count == 2 else {
                fatalError("PlaneSize: \(elements) has \(elements.count) numbers, needs 2")
            }
            self.init(elements[0], elements[1])
        }
    }

    /// Convolution (cross-correlation, as in PyTorch) along a sequence: x [B, C, T], weight [O, C/groups, k], bias [O] →
    /// [B, O, T'].
    ///
    /// y[b, o, t] = bias[o] + Σ_c Σ_k weight[o, c, k] · x[b, c, t·stride − low + k·dilation], where elements outside count as 0
    /// and T' = ⌊(T + low + high − dilation·(k − 1) − 1)/stride⌋ + 1. Channels are divided into `groups` that are convolved
    /// separately.
    public func conv1d(
        _ weight: Variable, bias: Variable? = nil, stride: Int = 1, padding: SequencePadding = 0, dilation: Int = 1,
        groups: Int = 1
    ) -> Variable {
        guard shape.rank == 3, weight.shape.rank == 3 else {
            nstmFatal(
                .other(op: "conv1d", "x \(shape) needs [B, C, T], weight \(weight.shape) needs [O, C/groups, k]"),
                at: path(of: self, weight))
        }
        let kernel = weight.shape[2], low: Int, high: Int
        switch padding {
        case .symmetric(let n): (low, high) = (n, n)
        case .causal: (low, high) = (max(0, dilation * (kernel - 1)), 0)
        }
        let y = unsqueezed(axis: 2).convolution(
            "conv1d", weight.unsqueezed(axis: 2), bias, groups: groups,
            rows: ConvolutionAxis(input: 1, kernel: 1),
            columns: ConvolutionAxis(
                input: shape[2], kernel: kernel, stride: stride, dilation: dilation, low: low, high: high))
        return y.squeezed(axis: 2)
    }

    /// Convolution (cross-correlation, as in PyTorch) over planes: x [B, C, H, W], weight [O, C/groups, kh, kw], bias [O] → [B,
    /// O, H', W'], the sums of `conv1d` over both axes.
    ///
    /// `padding` zeros are added on each side.
    public func conv2d(
        _ weight: Variable, bias: Variable? = nil, stride: PlaneSize = 1, padding: PlaneSize = 0,
        dilation: PlaneSize = 1,
        groups: Int = 1
    ) -> Variable {
        guard shape.rank == 4, weight.shape.rank == 4 else {
            nstmFatal(
                .other(op: "conv2d", "x \(shape) needs [B, C, H, W], weight \(weight.shape) needs [O, C/groups, kh, kw]"),
                at: path(of: self, weight))
        }
        return convolution(
            "conv2d", weight, bias, groups: groups,
            rows: ConvolutionAxis(
                input: shape[2], kernel: weight.shape[2], stride: stride.rows, dilation: dilation.rows, low: padding.rows,
                high: padding.rows),
            columns: ConvolutionAxis(
                input: shape[3], kernel: weight.shape[3], stride: stride.columns, dilation: dilation.columns,
                low: padding.columns,
                high: padding.columns))
    }

    private func convolution(
        _ op: StaticString, _ weight: Variable, _ bias: Variable?, groups: Int, rows: ConvolutionAxis, columns: ConvolutionAxis
    ) -> Variable {
        let outputs = weight.shape[0]
        guard groups >= 1, shape[1] == weight.shape[1] * groups, outputs % groups == 0,
            bias.map({ $0.shape == [outputs] }) ?? true
        else {
            nstmFatal(
                .other(
                    op: "\(op)",
                    "x \(shape), weight \(weight.shape), bias \(bias.map { "\($0.shape)" } ?? "none") and \(groups) groups "
                        + "do not fit: weight needs [O, C/groups, ...] with O in whole groups, bias [O]"),
                at: path(of: self, weight))
        }
        for axis in [rows, columns] where !axis.isValid {
            nstmFatal(
                .other(
                    op: "\(op)",
                    "x \(shape), weight \(weight.shape): kernel \(axis.kernel), stride \(axis.stride), "
                        + "dilation \(axis.dilation), padding \(axis.low) and \(axis.high) do not fit into "
                        + "an axis of \(axis.input)"
                ),
                at: path(of: self, weight))
        }
        requireSameType(op, self, weight, bias)
        let geometry = ConvolutionGeometry(
            batch: shape[0], inputs: shape[1], outputs: outputs, groups: groups, rows: rows, columns: columns)
        let x = value.contiguous(), w = weight.value.contiguous(), hasBias = bias != nil
        return record(
            op, bias.map { [self, weight, $0] } ?? [self, weight], geometry.forward(x, w, bias?.value.contiguous()),
            .pullback { g, gradients in
                let g = g.contiguous()
                if gradients.needs(0) { gradients.add(0, geometry.inputGradient(g, w)) }
                if gradients.needs(1) { gradients.add(1, geometry.weightGradient(x, g)) }
                if hasBias { gradients.add(2, g.sum(axes: [0, 2, 3])) }
            })
    }
}
