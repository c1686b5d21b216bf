/// One axis of a convolution: output o reads the inputs o·stride − low + k·dilation for k in 0 ..< kernel; inputs outside are 0.
package struct ConvolutionAxis: Sendable {
    package let input: Int
    package let kernel: Int
    package let stride: Int
    package let dilation: Int
    /// Number of zeros before the first and after the last input.
    package let low: Int
    package let high: Int

    package init(input: Int, kernel: Int, stride: Int = 1, dilation: Int = 1, low: Int = 0, high: Int = 0) {
        (self.input, self.kernel, self.stride, self.dilation, self.low, self.high) = (input, kernel, stride, dilation, low, high)
    }
    /// Number of inputs that one output spans.
    var reach: Int { dilation * (kernel - 1) + 1 }
    package var output: Int { (input + low + high - reach) / stride + 1 }
    /// Whether all numbers are valid and the kernel fits into the padded input.
    package var isValid: Bool {
        kernel >= 1 && stride >= 1 && dilation >= 1 && low >= 0 && high >= 0 && input + low + high >= reach
    }

    /// The taps that contribute to one class of targets.
    ///
    /// The targets are first, first + step, … (`count` of them, from the start of a range); the q-th reads source positions
    /// q·sourceStep + shift.
    struct Phase {
        let first: Int, step: Int, count: Int, sourceStep: Int
        let taps: [(kernel: Int, shift: Int)]
    }

    /// The phases of `count` outputs from `start` on: one phase with every tap.
    func forwardPhases(_ start: Int, _ count: Int) -> [Phase] {
        [
            Phase(
                first: 0, step: 1, count: count, sourceStep: stride,
                taps: (0..<kernel).map { ($0, start * stride - low + $0 * dilation) })
        ]
    }
    /// The phases of the gradients of `count` inputs from `start` on: one per remainder of the stride, with the taps whose
    /// outputs exist, so that no zeros are inserted between outputs.
    func backwardPhases(_ start: Int, _ count: Int) -> [Phase] {
        (0..<min(stride, count)).map { p in
            let reached = (0..<kernel).map { ($0, start + p + low - $0 * dilation) }.filter { $1 % stride == 0 }
            return Phase(
                first: p, step: stride, count: (count - p + stride - 1) / stride, sourceStep: 1,
                taps: reached.map { ($0, $1 / stride) })
        }
    }
}

/// A two-dimensional convolution (PyTorch's `conv2d`): x [B, C, H, W], weight [O, C/groups, kh, kw], y [B, O, H', W'].
package struct ConvolutionGeometry: Sendable {
    package let batch: Int
    package let inputs: Int
    package let outputs: Int
    package let groups: Int
    package let rows: ConvolutionAxis
    package let columns: ConvolutionAxis

    package init(batch: Int, inputs: Int, outputs: Int, groups: Int, rows: ConvolutionAxis, columns: ConvolutionAxis) {
        (self.batch, self.inputs, self.outputs, self.groups, self.rows, self.columns) =
            (batch, inputs, outputs, groups, rows, columns)
    }
    var taps: Int { rows.kernel * columns.kernel }
    var isDepthwise: Bool { groups > 1 && inputs == groups && outputs == groups }
    package var inputShape: Shape { [batch, inputs, rows.input, columns.input] }
    package var outputShape: Shape { [batch, outputs, rows.output, columns.output] }
    package var weightShape: Shape { [outputs, inputs / max(1, groups), rows.kernel, columns.kernel] }
}

/// The description of one block for a kernel call: which pixels of the packed source contribute to which pixels of the target.
struct BlockPlan {
    /// One phase of rows × columns: `pixels` and `taps` are offsets into the region (in pixels), `targets` are indices of pixels
    /// of the target.
    struct Part {
        var pixels: [Int32] = []
        var targets: [Int32] = []
        var taps: [Int32] = []
        var which: [Int32] = []
    }
    /// First row and column of the source, relative to a block that starts at target (0, 0), and its size.
    let top: Int, left: Int, height: Int, width: Int
    let parts: [Part]

    /// - Parameter pixel: number of elements of one pixel of the region.
    init(_ g: ConvolutionGeometry, rows: Int, columns: Int, images: Int, pixel: Int, backward: Bool) {
        let rowPhases = backward ? g.rows.backwardPhases(0, rows) : g.rows.forwardPhases(0, rows)
        let columnPhases = backward ? g.columns.backwardPhases(0, columns) : g.columns.forwardPhases(0, columns)
        func extent(_ phases: [ConvolutionAxis.Phase]) -> Range<Int> {
            let shifts = phases.flatMap { p in p.taps.map { ($0.shift, $0.shift + (p.count - 1) * p.sourceStep + 1) } }
            guard let low = shifts.map(\.0).min(), let high = shifts.map(\.1).max() else { return 0..<0 }
            return low..<high
        }
        let r = extent(rowPhases), c = extent(columnPhases)
        (top, left, height, width) = (r.lowerBound, c.lowerBound, r.count, c.count)
        let regionWidth = c.count, regionPixels = r.count * c.count
        var parts: [Part] = []
        for p in rowPhases {
            for q in columnPhases {
                var part = Part()
                for image in 0..<images {
                    for i in 0..<p.count {
                        for j in 0..<q.count {
                            let source = image * regionPixels + i * p.sourceStep * regionWidth + j * q.sourceStep
                            let target = (image * rows + p.first + i * p.step) * columns + q.first + j * q.step
                            part.pixels.append(Int32(source * pixel))
                            part.targets.append(Int32(target))
                        }
                    }
                }
                for a in p.taps {
                    for b in q.taps {
                        part.taps.append(Int32(((a.shift - r.lowerBound) * regionWidth + b.shift - c.lowerBound) * pixel))
                        part.which.append(Int32(a.kernel * g.columns.kernel + b.kernel))
                    }
                }
                parts.append(part)
            }
        }
        self.parts = parts
    }
}

/// The partition of the pixels of a target into blocks whose source, result and weights fit into the cache of a core.
///
/// The partition depends on sizes only.
struct BlockGrid {
    let images: Int, rows: Int, columns: Int
    let imageBlocks: Int, rowBlocks: Int, columnBlocks: Int
    private let geometry: ConvolutionGeometry
    private let backward: Bool
    private let plans: [BlockPlan]
    var count: Int { imageBlocks * rowBlocks * columnBlocks }

    private static let budget = 262_144

    /// - Parameters:
    ///   - source: bytes that a pixel of the source takes; `target`: of the target.
    ///   - pixel: elements that a pixel of the source takes.
    init(_ g: ConvolutionGeometry, source: Int, target: Int, pixel: Int, backward: Bool) {
        let height = backward ? g.rows.input : g.rows.output, width = backward ? g.columns.input : g.columns.output
        let rowStride = g.rows.stride, columnStride = g.columns.stride
        /// Number of source positions that n targets read.
        func spread(_ n: Int, _ axis: ConvolutionAxis) -> Int {
            backward ? (n + axis.reach - 2) / axis.stride + 1 : (n - 1) * axis.stride + axis.reach
        }
        func fits(_ r: Int, _ c: Int) -> Bool {
            spread(r, g.rows) * spread(c, g.columns) * source <= BlockGrid.budget && r * c * target <= BlockGrid.budget
        }
        /// Equal parts of `n`, in the backward pass multiples of the stride, so that all blocks have the same phases.
        func part(_ n: Int, _ parts: Int, _ stride: Int) -> Int {
            let size = (n + parts - 1) / parts
            return max(1, backward ? (size + stride - 1) / stride * stride : size)
        }
        var r = max(1, height), c = max(1, width), n = 1
        var cuts = 1
        while !fits(r, c), r > (backward ? rowStride : 1) {
            cuts += 1
            r = part(height, cuts, rowStride)
        }
        cuts = 1
        while !fits(r, c), c > (backward ? columnStride : 1) {
            cuts *= 2
            c = part(width, cuts, columnStride)
        }
        // Few blocks are split further, so that there is work for several threads.
        let work = g.inputs / max(1, g.groups) * g.outputs * g.taps
        while g.batch * ((height + r - 1) / r) * ((width + c - 1) / c) < 8, r * c * work > 1_000_000 {
            let smaller = r > rowStride ? (part(r, 2, rowStride), c) : (r, part(c, 2, columnStride))
            if smaller == (r, c) { break }
            (r, c) = smaller
        }
        if r >= height && c >= width {
            let most = max(1, min(g.batch / 8, 512 / max(1, r * c)))
            while n < most, spread(r, g.rows) * spread(c, g.columns) * source * (n + 1) <= BlockGrid.budget,
                r * c * target * (n + 1) <= BlockGrid.budget
            { n += 1 }
        }
        (images, rows, columns) = (n, r, c)
        imageBlocks = (g.batch + n - 1) / n
        rowBlocks = (height + r - 1) / r
        columnBlocks = (width + c - 1) / c
        geometry = g
        self.backward = backward
        // Whole blocks, and those at the lower and the right edge.
        let lastRows = height - (rowBlocks - 1) * r, lastColumns = width - (columnBlocks - 1) * c
        var known: [[Int]: BlockPlan] = [:]
        plans = [[r, c], [r, lastColumns], [lastRows, c], [lastRows, lastColumns]].map { size in
            if let plan = known[size] { return plan }
            let plan = BlockPlan(g, rows: size[0], columns: size[1], images: n, pixel: pixel, backward: backward)
            known[size] = plan
            return plan
        }
    }

    struct Block {
        let images: Range<Int>
        let row: Int, rows: Int, column: Int, columns: Int
        /// First row and column of the source.
        let top: Int, left: Int
        let plan: BlockPlan
        var pixels: Int { images.count * rows * columns }
    }
    func block(_ index: Int) -> Block {
        let c = index % columnBlocks, r = index / columnBlocks % rowBlocks, n = index / (columnBlocks * rowBlocks)
        let plan = plans[(r == rowBlocks - 1 ? 2 : 0) + (c == columnBlocks - 1 ? 1 : 0)]
        let height = backward ? geometry.rows.input : geometry.rows.output
        let width = backward ? geometry.columns.input : geometry.columns.output
        // In the backward pass blocks start at multiples of the stride.
        let top = backward ? r * rows / geometry.rows.stride : r * rows * geometry.rows.stride
        let left = backward ? c * columns / geometry.columns.stride : c * columns * geometry.columns.stride
        return Block(
            images: n * images..<min(geometry.batch, (n + 1) * images), row: r * rows, rows: min(rows, height - r * rows),
            column: c * columns, columns: min(columns, width - c * columns), top: plan.top + top, left: plan.left + left,
            plan: plan)
    }
    /// The largest number of pixels that any block's region has.
    var regionPixels: Int { images * plans.map { $0.height * $0.width }.max()! }
    var blockPixels: Int { images * rows * columns }
}
