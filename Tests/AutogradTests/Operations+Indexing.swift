import NSTMAutograd
import NSTMTensor

/// Elements by position, index and order; masks; scans.
extension Operation {
    private static func indices(_ numbers: [Int32], _ shape: Shape) -> Tensor { Tensor(numbers, shape) }
    /// A mask of a shape in which neither value is rare.
    private static func mask(_ shape: Shape) -> Tensor {
        var random = TestRandom(11)
        return Tensor((0..<shape.count).map { _ in random.int(0..<2) == 1 }, shape)
    }
    /// Indices of a shape, with repetitions.
    private static func picks(_ shape: Shape, below n: Int) -> Tensor {
        var random = TestRandom(12)
        return Tensor((0..<shape.count).map { _ in Int32(random.int(0..<n)) }, shape)
    }

    static let positions: [Operation] = [
        .init("slice with a step", [[[3, 7]], [[2, 1, 7]], [[0, 7]], [[7]]]) { $1[0].slice(axis: -1, 1..<6, step: 2) },
        .init("slice backwards", [[[3, 7]], [[2, 1, 7]], [[0, 7]], [[7]]]) { $1[0].slice(axis: -1, 1..<6, step: -3) },
        .init("select from the end", [[[3, 5]], [[2, 3, 1]], [[3, 0]]]) { $1[0].select(axis: -2, -1) },
        .init("index", [[[3, 4, 5]], [[1, 3, 5]], [[3, 4, 5, 2]]]) { $1[0][-1, .range(0..<3, step: -2), .new, .reversed] },
        .init("index with a rest", [[[3, 4, 5]], [[5]], [[2, 5]], [[0, 5]]]) { $1[0][.new, .rest, .range(0..<5, step: 4)] },
        .init("replacing", [[[3, 4], [2]], [[3, 5], [3, 1]], [[4, 4], []], [[0, 4], [2]]]) {
            $1[0].replacing([.all, .range(0..<4, step: 2)], with: $1[1])
        },
        .init("flipped", [[[3, 4]], [[2, 1, 3]], [[]], [[1]], [[0, 3]]]) { $1[0].flipped() },
        .init("flipped along one axis", [[[3, 4]], [[2, 1, 3]], [[0, 3]]]) { $1[0].flipped(axes: [1]) },
        .init("rolled", [[[3, 5]], [[1, 2, 3]], [[0, 3]], [[1, 1]]]) { $1[0].rolled([2, -1], axes: [-1, 0]) },
        .init("padded", [[[3, 4]], [[1, 1]], [[0, 3]]]) { $1[0].padded([(0, 1, 2), (-1, 0, 3)], .constant(0.5)) },
        .init("padded, reflect", [[[3, 4]], [[3, 3]]]) { $1[0].padded([(0, 1, 2), (-1, 2, 1)], .reflect) },
        .init("padded, replicate", [[[3, 4]], [[1, 1]]]) { $1[0].padded([(0, 1, 2), (-1, 3, 1)], .replicate) },
        .init("padded, circular", [[[3, 4]], [[2, 3]]]) { $1[0].padded([(0, 1, 2), (-1, 3, 1)], .circular) },
        .init("split into equal parts", [[[3, 6]], [[6]], [[0, 6]]]) { _, x in
            let p = x[0].split(axis: -1, into: 3)
            return p[2] * p[0] + p[1].exp()
        },
        .init("chunks", [[[3, 7]], [[7]], [[0, 7]]]) { _, x in
            let p = x[0].chunks(axis: -1, 3)
            return Variable.concatenate([p[2], p[0].exp(), p[1] * p[0]], axis: -1)
        },
        .init("stack in the middle", [[[2, 3], [2, 3], [2, 3]], [[1, 2], [1, 2], [1, 2]]]) { Variable.stack($1, axis: 1) },
    ]

    static let lookups: [Operation] = [
        .init("indexSelect", [[[2, 4, 3]], [[1, 4, 1]], [[0, 4]]]) {
            $1[0].indexSelect(axis: 1, indices([3, 0, 3, 1, 3, 3], [2, 3]))
        },
        .init("indexSelect, one", [[[4, 3]], [[4]]]) { $1[0].indexSelect(axis: 0, indices([2], [])) },
        .init("indexSelect, none", [[[4, 3]], [[2, 0]]]) { $1[0].indexSelect(axis: 0, indices([], [0])) },
        .init("indexAdd", [[[2, 4, 3], [2, 5, 3]], [[1, 4, 1], [1, 5, 1]], [[0, 4], [0, 5]]]) {
            $1[0].indexAdd(axis: 1, indices([3, 0, 3, 1, 3], [5]), $1[1], alpha: -0.5)
        },
        .init("gather", [[[3, 4, 2]], [[1, 3, 1]], [[0, 3, 2]]]) { _, x in
            var s = x[0].shape
            s[1] = 5
            return x[0].gather(axis: 1, picks(s, below: x[0].shape[1]))
        },
        .init("gather of a part", [[[3, 4]], [[2, 2]]]) { _, x in x[0].gather(axis: 0, picks([4, 2], below: x[0].shape[0])) },
        .init(
            "scatter",
            [[[3, 4, 2], [3, 6, 2]], [[1, 4, 1], [1, 2, 1]], [[0, 4, 1], [0, 2, 1]], [[2, 3, 2], [1, 5, 2]]]
        ) { _, x in
            x[0].scatter(axis: 1, picks(x[1].shape, below: x[0].shape[1]), x[1])
        },
        .init(
            "scatterAdd",
            [[[3, 4, 2], [3, 6, 2]], [[1, 4, 1], [1, 2, 1]], [[0, 4, 1], [0, 2, 1]], [[2, 3, 2], [1, 5, 2]]]
        ) {
            _, x in x[0].scatterAdd(axis: 1, picks(x[1].shape, below: x[0].shape[1]), x[1])
        },
        .init("scatterAdd along the last axis", [[[3, 4], [3, 6]], [[4], [3]]]) { _, x in
            x[0].scatterAdd(axis: -1, picks(x[1].shape, below: 4), x[1])
        },
    ]

    static let masks: [Operation] = [
        .init("where", pairShapes) { _, x in .where(mask(Shape.broadcast(x[0].shape, x[1].shape)!), x[0], x[1]) },
        .init("where, mask of rows", [[[3, 4], [3, 4]], [[1, 4], [4]], [[], [4]]]) { .where(mask([3, 1]), $1[0], $1[1]) },
        .init("maskedFill", elementShapes) { $1[0].maskedFill(mask($1[0].shape), 0.25) },
        .init("maskedFill by rows", [[[3, 4]], [[2, 3, 1]], [[3, 0]]]) { $1[0].maskedFill(mask([3, 1]), -2) },
        .init("lowerTriangle", [[[3, 4]], [[2, 4, 3]], [[1, 1]], [[0, 3]]]) { $1[0].lowerTriangle() },
        .init("upperTriangle", [[[3, 4]], [[2, 4, 3]], [[1, 1]], [[0, 3]]]) { $1[0].upperTriangle(diagonal: -1) },
    ]

    // Repeated elements along the axis are ties, so no layout may repeat them there: the first axis is another one, and is not 1.
    static let ordering: [Operation] = [
        .init("sorted", [[[3, 5]], [[2, 1, 4]], [[3, 1]], [[2, 0]], [[0, 3]]]) { $1[0].sorted().values },
        .init("sorted, descending", [[[3, 5, 2]], [[2, 3]]]) { $1[0].sorted(axis: 1, descending: true).values },
        .init("topK", [[[3, 5]], [[2, 4, 2]], [[2, 2]]]) { $1[0].topK(2, axis: 1).values },
        .init("topK, smallest", [[[3, 5]], [[2, 2, 4]]]) { $1[0].topK(3, axis: $1[0].shape.rank - 1, largest: false).values },
        .init("topK, none", [[[3, 5]]]) { $1[0].topK(0).values },
        .init("cumulativeMaximum", [[[3, 5]], [[2, 4, 3]], [[2, 1, 3]], [[2, 0]], [[0, 3]]]) {
            $1[0].cumulativeMaximum(axis: 1).values
        },
        .init("cumulativeMaximum, reversed", [[[3, 5]], [[2, 4, 3]]]) { $1[0].cumulativeMaximum(axis: 1, reversed: true).values },
    ]

    static let scanShapes: [[[Int]]] = [[[3, 5]], [[2, 4, 3]], [[2, 1, 3]], [[9, 4]], [[1, 3]], [[2, 0]], [[0, 3]]]
    static let scans: [Operation] = [false, true].flatMap { reversed -> [Operation] in
        let name = reversed ? ", reversed" : ""
        return [
            .init("cumulativeSum" + name, scanShapes) { $1[0].cumulativeSum(axis: 1, reversed: reversed) },
            .init("cumulativeSum along the first axis" + name, scanShapes) { $1[0].cumulativeSum(axis: 0, reversed: reversed) },
            .init("cumulativeProduct" + name, scanShapes) { $1[0].cumulativeProduct(axis: 1, reversed: reversed) },
            // Numbers that are 0 but for rounding, moved to 1.5 where a row is not to have a zero: rows with 0 to 3.
            .init("cumulativeProduct with zeros" + name, [[[4, 6]]], in: -1e-300..<1e-300) {
                let whole = Tensor((0..<24).map { [1, 8, 9, 18, 21, 22].contains($0) ? 0.0 : 1.5 }, [4, 6])
                return ($1[0] + Variable(whole.cast(to: $1[0].dtype))).cumulativeProduct(axis: -1, reversed: reversed)
            },
            .init("cumulativeLogSumExp" + name, scanShapes) { $1[0].cumulativeLogSumExp(axis: 1, reversed: reversed) },
            .init("cumulativeLogSumExp, wide" + name, [[[3, 5]], [[2, 5, 3]]], in: -40..<40) {
                $1[0].cumulativeLogSumExp(axis: 1, reversed: reversed)
            },
        ]
    }

    static let indexing = positions + lookups + masks + ordering + scans
}
