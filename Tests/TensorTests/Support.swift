import NSTMTensor
@_exported import TestSupport

/// An array as a list of numbers with sizes: the model that views and reductions are compared with.
///
/// Every operation is written as a map from an index of the result to an index of the source.
struct Model: Equatable {
    var dims: [Int]
    var values: [Double]

    init(_ dims: [Int], _ values: [Double]) {
        self.dims = dims
        self.values = values
    }
    init(_ t: Tensor) { self.init(t.shape.dims, t.doubles()) }

    static func indices(_ dims: [Int]) -> [[Int]] {
        var all: [[Int]] = [[]]
        for n in dims { all = all.flatMap { head in (0..<n).map { head + [$0] } } }
        return all
    }
    subscript(_ index: [Int]) -> Double {
        var flat = 0
        for (n, i) in zip(dims, index) { flat = flat * n + i }
        return values[flat]
    }
    func gather(_ newDims: [Int], _ source: ([Int]) -> [Int]) -> Model {
        Model(newDims, Model.indices(newDims).map { self[source($0)] })
    }

    func permuted(_ axes: [Int]) -> Model {
        gather(axes.map { dims[$0] }) { index in
            var old = index
            for (i, a) in axes.enumerated() { old[a] = index[i] }
            return old
        }
    }
    func slice(axis: Int, _ range: Range<Int>, step: Int) -> Model {
        let picked =
            step > 0
            ? Array(stride(from: range.lowerBound, to: range.upperBound, by: step))
            : Array(stride(from: range.upperBound - 1, through: range.lowerBound, by: step))
        var d = dims
        d[axis] = picked.count
        return gather(d) { index in
            var old = index
            old[axis] = picked[index[axis]]
            return old
        }
    }
    func select(axis: Int, _ position: Int) -> Model {
        var d = dims
        d.remove(at: axis)
        return gather(d) { index in
            var old = index
            old.insert(position, at: axis)
            return old
        }
    }
    func unsqueezed(axis: Int) -> Model {
        var d = dims
        d.insert(1, at: axis)
        return Model(d, values)
    }
    func broadcast(to target: [Int]) -> Model {
        let lead = target.count - dims.count
        return gather(target) { index in dims.indices.map { dims[$0] == 1 ? 0 : index[$0 + lead] } }
    }
    func sum(_ axes: Set<Int>, keeping: Bool) -> Model {
        let kept = dims.indices.map { axes.contains($0) ? 1 : dims[$0] }
        var out = [Double](repeating: 0, count: kept.reduce(1, *))
        for index in Model.indices(dims) {
            var flat = 0
            for a in dims.indices { flat = flat * kept[a] + (axes.contains(a) ? 0 : index[a]) }
            out[flat] += self[index]
        }
        let final = keeping ? kept : dims.indices.filter { !axes.contains($0) }.map { dims[$0] }
        return Model(final, out)
    }
}

/// A tensor and its model, taken through the same random views.
struct Viewed {
    var tensor: Tensor
    var model: Model

    init(_ dims: [Int], start: Int = 0, _ dtype: DType = .float64) {
        let values = (0..<dims.reduce(1, *)).map { Double(start + $0) }
        model = Model(dims, values)
        tensor = Tensor(values, Shape(dims)).cast(to: dtype)
    }

    mutating func randomView(_ random: inout TestRandom) {
        let rank = model.dims.count
        switch random.int(0..<7) {
        case 6:
            let axes = (0..<rank).filter { _ in random.int(0..<2) == 0 }
            tensor = tensor.flipped(axes: axes)
            for a in axes { model = model.slice(axis: a, 0..<model.dims[a], step: -1) }
        case 0:
            let axes = Array(0..<rank).shuffled(using: &random)
            tensor = tensor.permuted(axes)
            model = model.permuted(axes)
        case 1 where rank >= 2:
            let a = random.int(0..<rank), b = random.int(0..<rank)
            var axes = Array(0..<rank)
            axes.swapAt(a, b)
            tensor = tensor.transposed(a, b - rank)
            model = model.permuted(axes)
        case 2 where rank >= 1:
            let axis = random.int(0..<rank), n = model.dims[axis]
            let low = random.int(0..<n + 1), high = random.int(low..<n + 1)
            let step = [1, 2, 3, -1, -2, -3][random.int(0..<6)]
            tensor = tensor.slice(axis: axis - rank, low..<high, step: step)
            model = model.slice(axis: axis, low..<high, step: step)
        case 3 where rank >= 1:
            let axis = random.int(0..<rank)
            guard model.dims[axis] > 0 else { return }
            let position = random.int(0..<model.dims[axis])
            tensor = tensor.select(axis: axis, random.int(0..<2) == 0 ? position : position - model.dims[axis])
            model = model.select(axis: axis, position)
        case 4 where rank <= 4:
            let axis = random.int(0..<rank + 1)
            tensor = tensor.unsqueezed(axis: axis == rank ? -1 : axis)
            model = model.unsqueezed(axis: axis)
        case 5 where rank <= 4 && model.values.count < 1000:
            var target = model.dims.map { $0 == 1 ? [1, 1, 0, 3][random.int(0..<4)] : $0 }
            if rank < 4 && random.int(0..<3) == 0 { target.insert(random.int(1..<3), at: 0) }
            tensor = tensor.broadcast(to: Shape(target))
            model = model.broadcast(to: target)
        default: break
        }
    }
}
