import CNSTMKernels

/// Convolutions of 3 × 3 weights by Winograd's F(2 × 2, 3 × 3) (Lavin & Gray 2016): 16 products a channel for four outputs, not 36.
/// An input that is not finite reaches all four outputs of the tiles that read it, also those that its weights do not.
extension ConvolutionGeometry {
    /// Whether the products that are saved outweigh the transforms: with enough channels on both sides. Only float32, so that
    /// float64 stays the plain sum that everything is compared with.
    func winogradPays(_ dtype: DType) -> Bool {
        func isPlain(_ axis: ConvolutionAxis) -> Bool { axis.kernel == 3 && axis.stride == 1 && axis.dilation == 1 }
        return dtype == .float32 && groups == 1 && min(inputs, outputs) >= 32 && isPlain(rows) && isPlain(columns)
    }

    /// Target pixels from source pixels in tiles of 2 × 2, the way forth, and (with weights transposed and turned) the way back to the
    /// input.
    func gatherTiles(_ source: Tensor, _ weight: Tensor, _ bias: Tensor?, to target: Tensor, backward: Bool) {
        let from = backward ? outputs : inputs, to = backward ? inputs : outputs, lanes = 16
        let pixel = roundUp(from, lanes), row = roundUp(to, lanes)
        let panels = (to + 2 * lanes - 1) / (2 * lanes), panel = 16 * from * 2 * lanes
        let weights = frequencies(weight, panels: panels, depth: from, backward: backward)
        let height = target.shape[2], width = target.shape[3], plane = height * width
        let sourceHeight = source.shape[2], sourceWidth = source.shape[3], sourcePlane = sourceHeight * sourceWidth
        let top = backward ? 2 - rows.low : rows.low, left = backward ? 2 - columns.low : columns.low
        // A block is whole images or some rows of tiles of one, so much that both sides of the products stay in the second cache.
        let tileRows = (height + 1) / 2, tileColumns = (width + 1) / 2, most = 48
        let images = max(1, min(batch, most / (tileRows * tileColumns)))
        let bandRows = images > 1 ? tileRows : min(tileRows, max(1, most / tileColumns))
        let bands = (tileRows + bandRows - 1) / bandRows, tilesAtMost = images * bandRows * tileColumns
        let regionColumns = 2 * tileColumns + 2
        let pixels = (0..<tilesAtMost).map { Int32($0 * pixel) }, places = (0..<tilesAtMost).map { Int32($0) }
        let x = source.constantBase, limit = x + source.count * 4, out = target.freshBase, shift = bias?.constantBase
        Parallel.for((batch + images - 1) / images * bands) { index in
            let firstImage = index / bands * images, own = min(images, batch - firstImage)
            let firstRow = index % bands * bandRows, ownRows = min(bandRows, tileRows - firstRow)
            let targetRows = min(2 * ownRows, height - 2 * firstRow)
            let tilesEach = ownRows * tileColumns, tiles = own * tilesEach
            let region = Storage(byteCount: (2 * ownRows + 2) * regionColumns * pixel * 4)
            let spectrum = Storage(byteCount: 16 * tiles * pixel * 4), sums = Storage(byteCount: 16 * tiles * row * 4)
            let result = Storage(byteCount: targetRows * width * row * 4)
            let factors = spectrum.base.assumingMemoryBound(to: Float.self)
            for i in 0..<own {
                nstm_region_pack(
                    NSTM_F32, x + (firstImage + i) * from * sourcePlane * 4, limit, from, sourceHeight, sourceWidth,
                    2 * firstRow - top, 2 * ownRows + 2, -left, regionColumns, region.base, pixel)
                nstm_winograd_input(
                    region.base.assumingMemoryBound(to: Float.self), regionColumns, ownRows, tileColumns, pixel,
                    factors + i * tilesEach * pixel, tiles * pixel)
            }
            for f in 0..<16 {
                var tap: Int32 = 0, which = Int32(f)
                nstm_conv_pixels(
                    NSTM_F32, factors + f * tiles * pixel, pixels, tiles, &tap, &which, 1, from, weights.base, panel,
                    sums.base + f * tiles * row * 4, places, row, row)
            }
            for i in 0..<own {
                nstm_winograd_output(
                    sums.base.assumingMemoryBound(to: Float.self) + i * tilesEach * row, tiles * row, row, targetRows, width,
                    result.base.assumingMemoryBound(to: Float.self))
                nstm_region_unpack(
                    NSTM_F32, result.base, row, shift, out + (firstImage + i) * to * plane * 4, to, height, width, 2 * firstRow,
                    targetRows, 0, width)
            }
        }
        withExtendedLifetime((source, weights, bias)) {}
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
