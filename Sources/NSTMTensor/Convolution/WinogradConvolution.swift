import CNSTMKernels

/// Convolutions of 3 × 3 weights by Winograd's F(2 × 2, 3 × 3) (Lavin & Gray 2016): 16 products per channel for four outputs
/// instead of 36. A non-finite input affects all four outputs of the tiles that read it, even those that do not depend on it.
extension ConvolutionGeometry {
    /// Whether the saved products outweigh the transforms, which needs enough channels on both sides.
    ///
    /// Only for float32, so that float64 remains the plain sum that serves as a reference.
    func winogradPays(_ dtype: DType) -> Bool {
        func isPlain(_ axis: ConvolutionAxis) -> Bool { axis.kernel == 3 && axis.stride == 1 && axis.dilation == 1 }
        return dtype == .float32 && groups == 1 && min(inputs, outputs) >= 32 && isPlain(rows) && isPlain(columns)
    }

    /// Target pixels from source pixels in tiles of 2 × 2: the forward pass, and with transposed and rotated weights the gradient
    /// of the input.
    func gatherTiles(_ source: Tensor, _ weight: Tensor, _ bias: Tensor?, to target: Tensor, backward: Bool) {
        let from = backward ? outputs : inputs, to = backward ? inputs : outputs, lanes = 16
        let pixel = roundUp(from, lanes), row = roundUp(to, lanes)
        let panels = (to + 2 * lanes - 1) / (2 * lanes), panel = 16 * from * 2 * lanes
        let weights = frequencies(weight, panels: panels, depth: from, backward: backward)
        let height = target.shape[2], width = target.shape[3], plane = height * width
        let sourceHeight = source.shape[2], sourceWidth = source.shape[3], sourcePlane = sourceHeight * sourceWidth
        let top = backward ? 2 - rows.low : rows.low, left = backward ? 2 - columns.low : columns.low
        // A block is whole images or some rows of tiles of one image, so that both operands of the products fit into the L2
        // cache.
        let tileRows = (height + 1) / 2, tileColumns = (width + 1) / 2, most = 48
        let images = max(1, min(batch, most / (tileRows * tileColumns)))
        let bandRows = images > 1 ? tileRows : min(tileRows, max(1, most / tileColumns))
        let bands = (tileRows + bandRows - 1) / bandRows, tilesAtMost = images * bandRows * tileColumns
        let regionColumns = 2 * tileColumns + 2
        let pixels = (0..<tilesAtMost).map { Int32($0 * pixel) }, targets = (0..<tilesAtMost).map { Int32($0) }
        let x = source.pointer, limit = x + source.count * 4, out = target.uninitializedPointer, shift = bias?.pointer
        Parallel.for((batch + images - 1) / images * bands) { index in
            let firstImage = index / bands * images, own = min(images, batch - firstImage)
            let firstRow = index % bands * bandRows, ownRows = min(bandRows, tileRows - firstRow)
            let targetRows = min(2 * ownRows, height - 2 * firstRow)
            let tilesEach = ownRows * tileColumns, tiles = own * tilesEach
            let region = Storage(byteCount: (2 * ownRows + 2) * regionColumns * pixel * 4)
            let spectrum = Storage(byteCount: 16 * tiles * pixel * 4), sums = Storage(byteCount: 16 * tiles * row * 4)
            let result = Storage(byteCount: targetRows * width * row * 4)
            defer { withExtendedLifetime((region, spectrum, sums, result)) {} }
            let factors = spectrum.base.assumingMemoryBound(to: Float.self)
            for i in 0..<own {
                var rectangle = nstm_region(
                    channels: from, height: sourceHeight, width: sourceWidth, row: 2 * firstRow - top, rows: 2 * ownRows + 2,
                    column: -left, columns: regionColumns, pixel: pixel)
                nstm_region_pack(NSTM_F32, &rectangle, x + (firstImage + i) * from * sourcePlane * 4, limit, region.base)
                nstm_winograd_input(
                    region.base.assumingMemoryBound(to: Float.self), regionColumns, ownRows, tileColumns, pixel,
                    factors + i * tilesEach * pixel, tiles * pixel)
            }
            for f in 0..<16 {
                var tap: Int32 = 0, which = Int32(f)
                var products = nstm_pixel_products(
                    count: tiles, tap_count: 1, channels: from, columns: row, output_row: row, weight_stride: panel)
                nstm_conv_pixels(
                    NSTM_F32, &products, factors + f * tiles * pixel, pixels, &tap, &which, weights.base,
                    sums.base + f * tiles * row * 4, targets)
            }
            for i in 0..<own {
                nstm_winograd_output(
                    sums.base.assumingMemoryBound(to: Float.self) + i * tilesEach * row, tiles * row, row, targetRows, width,
                    result.base.assumingMemoryBound(to: Float.self))
                var rectangle = nstm_region(
                    channels: to, height: height, width: width, row: 2 * firstRow, rows: targetRows, column: 0, columns: width,
                    pixel: row)
                nstm_region_unpack(NSTM_F32, &rectangle, result.base, shift, out + (firstImage + i) * to * plane * 4)
            }
        }
        withExtendedLifetime((source, weights, bias)) {}
    }

    /// The gradient of the weights: for each frequency a product over all tiles.
    ///
    /// Images, or bands of one, are transformed a few at a time; every element is one sum over tiles in order, by one thread.
    func sumTiles(_ x: Tensor, _ dy: Tensor, to dw: Tensor) {
        let lanes = 16, pixel = roundUp(inputs, lanes), row = roundUp(outputs, lanes)
        let height = dy.shape[2], width = dy.shape[3], tileRows = (height + 1) / 2, tileColumns = (width + 1) / 2
        let regionColumns = 2 * tileColumns + 2
        // As many tiles as fit into the L3 cache with both operands.
        let most = max(tileColumns, 4_194_304 / (16 * (pixel + row) * 4)), bandRows = min(tileRows, max(1, most / tileColumns))
        let bands = (tileRows + bandRows - 1) / bandRows, parts = batch * bands
        let chunk = max(1, min(parts, most / (bandRows * tileColumns))), room = chunk * bandRows * tileColumns
        let spectrum = Storage(byteCount: 16 * room * pixel * 4), gradients = Storage(byteCount: 16 * room * row * 4)
        defer { withExtendedLifetime((spectrum, gradients)) {} }
        let panels = (outputs + 2 * lanes - 1) / (2 * lanes), panel = 16 * inputs * 2 * lanes
        let sums = Storage(byteCount: panels * panel * 4)
        defer { withExtendedLifetime(sums) {} }
        let pixels = (0..<room).map { Int32($0 * pixel) }, targets = (0..<room).map { Int32($0) }
        // A unit of work is one frequency of one panel, and if these are few, a part of the input channels.
        let pieces = panels >= 2 ? 1 : 2, piece = (inputs + pieces - 1) / pieces, units = 16 * panels * pieces
        let factors = spectrum.base.assumingMemoryBound(to: Float.self),
            others = gradients.base.assumingMemoryBound(to: Float.self)
        let source = x.pointer, limit = source + x.count * 4, target = dy.pointer, targetLimit = target + dy.count * 4
        let xPlane = x.shape[2] * x.shape[3], yPlane = height * width

        for start in stride(from: 0, to: parts, by: chunk) {
            let own = min(chunk, parts - start)
            /// Tiles of this chunk before a part: the last band of an image may have fewer.
            func tiles(before part: Int) -> Int {
                func all(_ part: Int) -> Int { part / bands * tileRows * tileColumns + part % bands * bandRows * tileColumns }
                return all(part) - all(start)
            }
            let count = tiles(before: start + own)
            Parallel.for(own) { i in
                let part = start + i, image = part / bands, first = part % bands * bandRows,
                    rowsHere = min(bandRows, tileRows - first)
                let at = tiles(before: part)
                let region = Storage(byteCount: (2 * rowsHere + 2) * regionColumns * max(pixel, row) * 4)
                defer { withExtendedLifetime(region) {} }
                let pixelsHere = region.base.assumingMemoryBound(to: Float.self)
                var inputRectangle = nstm_region(
                    channels: inputs, height: x.shape[2], width: x.shape[3], row: 2 * first - rows.low, rows: 2 * rowsHere + 2,
                    column: -columns.low, columns: regionColumns, pixel: pixel)
                nstm_region_pack(NSTM_F32, &inputRectangle, source + image * inputs * xPlane * 4, limit, region.base)
                nstm_winograd_input(pixelsHere, regionColumns, rowsHere, tileColumns, pixel, factors + at * pixel, count * pixel)
                var gradientRectangle = nstm_region(
                    channels: outputs, height: height, width: width, row: 2 * first, rows: 2 * rowsHere, column: 0,
                    columns: 2 * tileColumns, pixel: row)
                nstm_region_pack(NSTM_F32, &gradientRectangle, target + image * outputs * yPlane * 4, targetLimit, region.base)
                nstm_winograd_gradient(pixelsHere, 2 * tileColumns, rowsHere, tileColumns, row, others + at * row, count * row)
            }
            Parallel.blocks(units, of: max(1, units / 16)) { range in
                for unit in range {
                    let first = unit % pieces * piece, f = unit / pieces % 16, p = unit / pieces / 16, column = p * 2 * lanes
                    var products = nstm_pixel_products(
                        count: count, tap_count: 1, channels: max(0, min(piece, inputs - first)),
                        columns: min(2 * lanes, row - column), output_row: row, weight_stride: 2 * lanes)
                    nstm_conv_weights(
                        NSTM_F32, &products, factors + f * count * pixel + first, pixels, others + f * count * row + column,
                        targets, sums.base + (p * panel + (f * inputs + first) * 2 * lanes) * 4, start > 0 ? 1 : 0)
                }
            }
        }
        let to = dw.uninitializedPointer
        Parallel.blocks(panels, of: max(1, 2048 / inputs)) { range in
            for p in range {
                let taps = Storage(byteCount: 9 * inputs * 2 * lanes * 4), first = p * 2 * lanes
                defer { withExtendedLifetime(taps) {} }
                nstm_winograd_weight_sums(
                    sums.base.assumingMemoryBound(to: Float.self) + p * panel, inputs,
                    taps.base.assumingMemoryBound(to: Float.self))
                nstm_conv_weights_unpack(
                    NSTM_F32, taps.base, 9, inputs, min(2 * lanes, outputs - first), to + first * inputs * 9 * 4)
            }
        }
        withExtendedLifetime((x, dy)) {}
    }

    /// The transformed weights, [panels, 16, depth, 128 bytes].
    private func frequencies(_ weight: Tensor, panels: Int, depth: Int, backward: Bool) -> Storage {
        let packed = packWeights(weight, backward: backward), result = Storage(byteCount: panels * 16 * depth * 128)
        Parallel.blocks(panels, of: max(1, 2048 / depth)) { range in
            for i in range {
                nstm_winograd_weights(
                    (packed.base + i * 9 * depth * 128).assumingMemoryBound(to: Float.self), depth, backward ? 1 : 0,
                    (result.base + i * 16 * depth * 128).assumingMemoryBound(to: Float.self))
            }
        }
        withExtendedLifetime(packed) {}
        return result
    }
}
