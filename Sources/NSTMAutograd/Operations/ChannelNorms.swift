import NSTMTensor

// Norms with a gain and a bias for each channel, of layout [batch, channels, ...]. Statistics are computed in double.

extension Variable {
    /// BatchNorm in training (Ioffe & Szegedy 2015): (x − mean)/√(variance + ε) ⊙ gain + bias by channel, with the mean and the
    /// variance over the batch and all axes after the channels.
    /// - Parameters:
    ///   - gain: [channels], ones when nil; bias: [channels], zeros when nil.
    /// - Returns: the output, and the batch's mean and (population) variance, [channels] in float64, for running statistics.
    public func batchNorm(gain: Variable? = nil, bias: Variable? = nil, epsilon: Double = 1e-5) -> (
        output: Variable, mean: Tensor, variance: Tensor
    ) {
        let layout = channelLayout("batchNorm", gain, bias)
        let n = Double(max(1, layout.perChannel)), x = value.contiguous()
        let mean = layout.sums(x, nil, center: .zeros([layout.channels], dtype: .float64)).first.mapped { $0 / n }
        let variance = layout.sums(x, nil, center: mean).second.mapped { $0 / n }
        return (normalized(layout, gain, bias, mean, variance, epsilon, fromBatch: true), mean, variance)
    }
    /// BatchNorm in evaluation, with a given constant mean and variance, [channels].
    public func batchNorm(
        mean: Tensor, variance: Tensor, gain: Variable? = nil, bias: Variable? = nil, epsilon: Double = 1e-5
    ) -> Variable {
        let layout = channelLayout("batchNorm", gain, bias)
        for t in [mean, variance] where t.shape != [layout.channels] {
            nstmFatal(.other(op: "batchNorm", "statistics \(t.shape) for x \(shape)"), at: path(of: self))
        }
        return normalized(
            layout, gain, bias, mean.cast(to: .float64).contiguous(), variance.cast(to: .float64).contiguous(), epsilon,
            fromBatch: false)
    }

    /// (x − mean)/√(variance + ε) ⊙ gain + bias by channel.
    /// - Parameter fromBatch: whether the statistics are those of x, so that gradients flow through them.
    private func normalized(
        _ layout: ChannelLayout, _ gain: Variable?, _ bias: Variable?, _ mean: Tensor, _ variance: Tensor, _ epsilon: Double,
        fromBatch: Bool
    ) -> Variable {
        let x = value.contiguous(), n = Double(max(1, layout.perChannel)),
            zeros = Tensor.zeros([layout.channels], dtype: .float64)
        let rstd = variance.mapped { 1 / ($0 + epsilon).squareRoot() }
        let xScale = gain.map { rstd * $0.value.cast(to: .float64) } ?? rstd
        let offset = bias.map { $0.value.cast(to: .float64).contiguous() } ?? zeros
        let y = layout.map(x, nil, center: mean, scale: zeros, xScale: xScale, offset: offset)
        var inputs = [self]
        if let gain { inputs.append(gain) }
        if let bias { inputs.append(bias) }
        let hasGain = gain != nil, hasBias = bias != nil
        return record(
            "batchNorm", inputs, y,
            .pullback { dy, gradients in
                let dy = dy.contiguous(), sums = layout.sums(x, dy, center: mean)
                if fromBatch {
                    // dx = xScale·(dy − mean dy − (x − mean)·rstd²·mean(dy·(x − mean)))
                    gradients.add(
                        0,
                        layout.map(
                            x, dy, center: mean, scale: xScale,
                            xScale: .mapped(xScale * rstd, rstd * sums.second) { -$0 * $1 / n },
                            offset: .mapped(xScale, sums.first) { -$0 * $1 / n }))
                } else {
                    gradients.add(0, layout.map(x, dy, center: mean, scale: xScale, xScale: zeros, offset: zeros))
                }
                if hasGain { gradients.add(1, (sums.second * rstd).cast(to: x.dtype)) }
                if hasBias { gradients.add(hasGain ? 2 : 1, sums.first.cast(to: x.dtype)) }
            })
    }

    /// GroupNorm (Wu & He 2018) of [batch, channels, ...]: every group of neighboring channels is normalized over its channels
    /// and all axes after them, then gain and bias apply by channel.
    public func groupNorm(groups: Int, gain: Variable? = nil, bias: Variable? = nil, epsilon: Double = 1e-5) -> Variable {
        let layout = channelLayout("groupNorm", gain, bias)
        guard groups > 0, layout.channels % groups == 0 else {
            nstmFatal(
                .other(op: "groupNorm", "\(groups) groups do not divide the \(layout.channels) channels of \(shape)"),
                at: path(of: self))
        }
        // The kernels treat every channel of every example as a channel, with the statistics of its group.
        let each = layout.flattened, c = layout.channels, perGroup = c / groups, x = value.contiguous()
        let n = Double(max(1, perGroup * layout.size))
        let r = AxisReduction(x.reshaped([layout.batch * groups, perGroup * layout.size]), [1]), means = r.mean()
        let rstds = r.variance(mean: means, correction: 0).mapped { 1 / ($0 + epsilon).squareRoot() }
        func spread(_ perGroupNumbers: Tensor) -> Tensor {
            perGroupNumbers.reshaped([layout.batch * groups, 1]).broadcast(to: [layout.batch * groups, perGroup]).contiguous()
                .flattened()
        }
        func repeated(_ parameter: Variable?, _ missing: Double) -> Tensor {
            let p = parameter?.value.cast(to: .float64) ?? Tensor(repeating: missing, [c], dtype: .float64)
            return p.broadcast(to: [layout.batch, c]).contiguous().flattened()
        }
        let mean = spread(means), rstd = spread(rstds), gains = repeated(gain, 1),
            zeros = Tensor.zeros(mean.shape, dtype: .float64)
        let xScale = rstd * gains
        let y = each.map(x, nil, center: mean, scale: zeros, xScale: xScale, offset: repeated(bias, 0))
        var inputs = [self]
        if let gain { inputs.append(gain) }
        if let bias { inputs.append(bias) }
        let hasGain = gain != nil, hasBias = bias != nil, rows: Shape = [layout.batch, c],
            inGroups = [layout.batch * groups, perGroup]
        return record(
            "groupNorm", inputs, y,
            .pullback { dy, gradients in
                let dy = dy.contiguous(), sums = each.sums(x, dy, center: mean)
                func grouped(_ t: Tensor) -> Tensor {
                    (t * gains).reshaped(inGroups).sum(axes: [1], keepDims: true).affine(1 / n)
                }
                func spreadBack(_ t: Tensor) -> Tensor { t.broadcast(to: Shape(inGroups)).contiguous().flattened() }
                // dx = rstd·(gain·dy − mean(gain·dy) − (x − mean)·rstd²·mean(gain·dy·(x − mean))), means over the group
                gradients.add(
                    0,
                    each.map(
                        x, dy, center: mean, scale: xScale, xScale: -(rstd * rstd * rstd * spreadBack(grouped(sums.second))),
                        offset: -(rstd * spreadBack(grouped(sums.first)))))
                if hasGain { gradients.add(1, (sums.second * rstd).reshaped(rows).sum(axes: [0]).cast(to: x.dtype)) }
                if hasBias { gradients.add(hasGain ? 2 : 1, sums.first.reshaped(rows).sum(axes: [0]).cast(to: x.dtype)) }
            })
    }

    private func channelLayout(_ op: StaticString, _ gain: Variable?, _ bias: Variable?) -> ChannelLayout {
        guard shape.rank >= 2 else {
            nstmFatal(.other(op: "\(op)", "needs [batch, channels, ...], got \(shape)"), at: path(of: self))
        }
        for case let p? in [gain, bias] where p.shape != [shape[1]] {
            nstmFatal(.other(op: "\(op)", "gain or bias \(p.shape) does not fit x \(shape)"), at: path(of: self, p))
        }
        requireSameType(op, self, gain, bias)
        return ChannelLayout(value)
    }
}
