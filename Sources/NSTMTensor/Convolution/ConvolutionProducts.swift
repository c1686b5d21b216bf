import CNSTMKernels

/// Convolution over planes: value and the two derivatives. Blocks of pixels are packed with adjacent channels, padding included,
/// and a register tile runs over all taps (the indirect convolution of Dukhan 2019), so that no matrix of windows is needed.
extension ConvolutionGeometry {
    /// Lengths in elements of rows of channels: whole vectors of 64 bytes, with room for the last group's.
    private func pixelLength(_ channels: Int, _ lanes: Int) -> Int {
        let own = channels / max(1, groups), wide = isDepthwise ? channels : (groups - 1) * own + roundUp(own, lanes)
        return max(lanes, roundUp(wide, lanes))
    }
    func roundUp(_ n: Int, _ to: Int) -> Int { (n + to - 1) / to * to }

    /// y = x ∗ weight + bias, for dense operands.
    package func forward(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?) -> Tensor {
        let y = Tensor(uninitialized: outputShape, x.dtype)
        gather(x, weight, bias, to: y, backward: false)
        return y
    }
    /// dx, the gradient of the inputs.
    package func inputGradient(_ dy: Tensor, _ weight: Tensor) -> Tensor {
        let dx = Tensor(uninitialized: inputShape, dy.dtype)
        gather(dy, weight, nil, to: dx, backward: true)
        return dx
    }

    /// Target pixels from packed source pixels: the forward pass, and with transposed weights the gradient of the input.
    private func gather(_ source: Tensor, _ weight: Tensor, _ bias: Tensor?, to target: Tensor, backward: Bool) {
        if target.count == 0 { return }
        if winogradPays(target.dtype) {
            gatherTiles(source, weight, bias, to: target, backward: backward)
            return
        }
        let real = target.dtype.real, size = target.dtype.byteCount, lanes = 64 / size
        let from = backward ? outputs : inputs, to = backward ? inputs : outputs
        let depth = from / groups, count = to / groups, taps = self.taps
        let pixel = pixelLength(from, lanes), row = pixelLength(to, lanes)
        let packed = packWeights(weight, backward: backward)
        let panels = (count + 2 * lanes - 1) / (2 * lanes), panel = taps * depth * 2 * lanes
        let grid = BlockGrid(self, source: pixel * size, target: row * size, pixel: pixel, backward: backward)
        let height = target.shape[2], width = target.shape[3], plane = height * width
        let sourceHeight = source.shape[2], sourceWidth = source.shape[3], sourcePlane = sourceHeight * sourceWidth
        let base = source.pointer, limit = base + source.count * size, out = target.uninitializedPointer
        let shift = bias?.pointer
        Parallel.for(grid.count) { index in
            let block = grid.block(index), plan = block.plan
            let region = Storage(byteCount: grid.regionPixels * pixel * size)
            let sums = Storage(byteCount: grid.blockPixels * row * size)
            defer { withExtendedLifetime((region, sums)) {} }
            for (i, image) in block.images.enumerated() {
                var rectangle = nstm_region(
                    channels: from, height: sourceHeight, width: sourceWidth, row: block.top, rows: plan.height,
                    column: block.left, columns: plan.width, pixel: pixel)
                nstm_region_pack(
                    real, &rectangle, base + image * from * sourcePlane * size, limit,
                    region.base + i * plan.height * plan.width * pixel * size)
            }
            for part in plan.parts {
                let pixels = part.pixels.count / grid.images * block.images.count
                if isDepthwise {
                    var products = nstm_pixel_products(
                        count: pixels, tap_count: part.taps.count, channels: 1, columns: row, output_row: row,
                        weight_stride: row)
                    nstm_depthwise_pixels(
                        real, &products, region.base, part.pixels, part.taps, part.which, packed.base, sums.base, part.targets)
                    continue
                }
                // A group writes whole vectors; elements beyond its end are overwritten by the next group.
                for group in 0..<groups {
                    var products = nstm_pixel_products(
                        count: pixels, tap_count: part.taps.count, channels: depth, columns: roundUp(count, lanes),
                        output_row: row, weight_stride: panel)
                    nstm_conv_pixels(
                        real, &products, region.base + group * depth * size, part.pixels, part.taps, part.which,
                        packed.base + group * panels * panel * size, sums.base + group * count * size, part.targets)
                }
            }
            for (i, image) in block.images.enumerated() {
                var rectangle = nstm_region(
                    channels: to, height: height, width: width, row: block.row, rows: block.rows, column: block.column,
                    columns: block.columns, pixel: row)
                nstm_region_unpack(
                    real, &rectangle, sums.base + i * block.rows * block.columns * row * size, shift,
                    out + image * to * plane * size)
            }
        }
        withExtendedLifetime((source, packed, bias)) {}
    }

    /// Weights in panels of 128 bytes of the channels they make: [groups, panels, taps, depth, 128 bytes]; depthwise: [taps,
    /// row].
    func packWeights(_ weight: Tensor, backward: Bool) -> Storage {
        let real = weight.dtype.real, size = weight.dtype.byteCount, lanes = 64 / size, taps = self.taps
        let perInput = taps, perOutput = inputs / groups * taps
        if isDepthwise {
            let row = pixelLength(inputs, lanes)
            let packed = Storage(byteCount: taps * row * size)
            var rectangle = nstm_region(
                channels: inputs, height: 1, width: taps, row: 0, rows: 1, column: 0, columns: taps, pixel: row)
            nstm_region_pack(real, &rectangle, weight.pointer, weight.pointer + weight.count * size, packed.base)
            withExtendedLifetime(weight) {}
            return packed
        }
        let depth = (backward ? outputs : inputs) / groups, count = (backward ? inputs : outputs) / groups
        let panels = (count + 2 * lanes - 1) / (2 * lanes), panel = taps * depth * 2 * lanes
        let packed = Storage(byteCount: groups * panels * panel * size)
        Parallel.blocks(groups * panels, of: max(1, 65_536 / max(1, panel))) { r in
            for i in r {
                let group = i / panels, first = (i % panels) * 2 * lanes
                let from = group * (outputs / groups) * perOutput + first * (backward ? perInput : perOutput)
                nstm_conv_weights_pack(
                    real, weight.pointer + from * size, depth, backward ? perOutput : perInput,
                    min(2 * lanes, count - first),
                    backward ? perInput : perOutput, taps, packed.base + i * panel * size)
            }
        }
        withExtendedLifetime(weight) {}
        return packed
    }

    /// The gradient of the weights: for each tap a product over all pixels.
    ///
    /// Blocks are packed a few at a time; every element is one sum over blocks in order, by one thread.
    package func weightGradient(_ x: Tensor, _ dy: Tensor) -> Tensor {
        let dw = Tensor(uninitialized: weightShape, x.dtype)
        if dw.count == 0 { return dw }
        if dy.count == 0 { return .zeros(weightShape, dtype: x.dtype) }
        if winogradPays(x.dtype) {
            sumTiles(x, dy, to: dw)
            return dw
        }
        let real = x.dtype.real, size = x.dtype.byteCount, lanes = 64 / size
        let depth = inputs / groups, count = outputs / groups, taps = self.taps
        let pixel = pixelLength(inputs, lanes), row = pixelLength(outputs, lanes)
        let grid = BlockGrid(self, source: pixel * size, target: row * size, pixel: pixel, backward: false)
        let regionBytes = grid.regionPixels * pixel * size, blockBytes = grid.blockPixels * row * size
        // As many blocks as the shared cache holds.
        let chunk = max(1, min(grid.count, 4_194_304 / (regionBytes + blockBytes)))
        let regions = Storage(byteCount: chunk * regionBytes), gradients = Storage(byteCount: chunk * blockBytes)
        defer { withExtendedLifetime((regions, gradients)) {} }
        let panelColumns = 2 * lanes, panels = isDepthwise ? 1 : (count + panelColumns - 1) / panelColumns
        // The layout of the sums is [groups, panels, taps, depth, panel], so that those of a tile are adjacent; depthwise: [taps,
        // row].
        let panelSize = taps * depth * panelColumns
        let sums = Storage(byteCount: (isDepthwise ? taps * row : groups * panels * panelSize) * size)
        defer { withExtendedLifetime(sums) {} }
        // A unit of work is one tap of one panel, and if these are few, a part of the input channels.
        let pieces = isDepthwise || groups * panels * taps >= 16 ? 1 : max(1, min(depth / 24, 16 / (groups * panels * taps)))
        let piece = (depth + pieces - 1) / pieces
        let units = (isDepthwise ? 1 : groups) * panels * taps * pieces
        let xBase = x.pointer, xLimit = xBase + x.count * size, dyBase = dy.pointer, dyLimit = dyBase + dy.count * size
        let xPlane = rows.input * columns.input, yPlane = rows.output * columns.output

        for start in stride(from: 0, to: grid.count, by: chunk) {
            let blocks = (start..<min(grid.count, start + chunk)).map { grid.block($0) }
            Parallel.for(blocks.count) { b in
                let block = blocks[b], plan = block.plan
                for (i, image) in block.images.enumerated() {
                    var inputRectangle = nstm_region(
                        channels: inputs, height: rows.input, width: columns.input, row: block.top, rows: plan.height,
                        column: block.left, columns: plan.width, pixel: pixel)
                    nstm_region_pack(
                        real, &inputRectangle, xBase + image * inputs * xPlane * size, xLimit,
                        regions.base + b * regionBytes + i * plan.height * plan.width * pixel * size)
                    var gradientRectangle = nstm_region(
                        channels: outputs, height: rows.output, width: columns.output, row: block.row, rows: block.rows,
                        column: block.column, columns: block.columns, pixel: row)
                    nstm_region_pack(
                        real, &gradientRectangle, dyBase + image * outputs * yPlane * size, dyLimit,
                        gradients.base + b * blockBytes + i * block.rows * block.columns * row * size)
                }
            }
            Parallel.blocks(units, of: max(1, units / 24)) { range in
                for (b, block) in blocks.enumerated() {
                    let part = block.plan.parts[0], region = regions.base + b * regionBytes, dys = gradients.base + b * blockBytes
                    let accumulate: Int32 = start + b > 0 ? 1 : 0
                    for unit in range {
                        let first = unit % pieces * piece, tap = unit / pieces % taps, panel = unit / pieces / taps % panels
                        let group = unit / pieces / taps / panels
                        if isDepthwise {
                            var products = nstm_pixel_products(
                                count: block.pixels, tap_count: 1, channels: 1, columns: row, output_row: row,
                                weight_stride: row)
                            nstm_depthwise_weights(
                                real, &products, region + Int(part.taps[tap]) * size, part.pixels, dys, part.targets,
                                sums.base + tap * row * size, accumulate)
                            continue
                        }
                        let column = panel * panelColumns
                        var products = nstm_pixel_products(
                            count: block.pixels, tap_count: 1, channels: max(0, min(piece, depth - first)),
                            columns: min(panelColumns, roundUp(count - column, lanes)), output_row: row,
                            weight_stride: panelColumns)
                        nstm_conv_weights(
                            real, &products, region + (Int(part.taps[tap]) + group * depth + first) * size, part.pixels,
                            dys + (group * count + column) * size, part.targets,
                            sums.base + ((group * panels + panel) * panelSize + (tap * depth + first) * panelColumns) * size,
                            accumulate)
                    }
                }
            }
        }
        let to = dw.uninitializedPointer
        if isDepthwise {
            var rectangle = nstm_region(
                channels: outputs, height: 1, width: taps, row: 0, rows: 1, column: 0, columns: taps, pixel: row)
            nstm_region_unpack(real, &rectangle, sums.base, nil, to)
        } else {
            Parallel.blocks(groups * panels, of: max(1, 65_536 / max(1, panelSize))) { r in
                for i in r {
                    let first = i % panels * panelColumns
                    nstm_conv_weights_unpack(
                        real, sums.base + i * panelSize * size, taps, depth, min(panelColumns, count - first),
                        to + (i / panels * count + first) * depth * taps * size)
                }
            }
        }
        withExtendedLifetime((x, dy)) {}
        return dw
    }
}
