import CNSTMKernels
import NSTMTensor
import Testing

@Suite struct ViewTests {
    /// Chains of random views, with empty and size-1 axes, against the same chains on a list with an index function.
    @Test(arguments: 0..<6) func randomViews(rank: Int) {
        for seed in 0..<150 {
            var random = TestRandom(UInt64(1000 * rank + seed))
            var v = Viewed(seed % 3 == 0 ? random.dims(rank: rank) : random.positiveDims(rank: rank))
            for _ in 0..<random.int(1..<7) { v.randomView(&random) }
            #expect(Model(v.tensor) == v.model)
            let dense = v.tensor.contiguous()
            #expect(dense.isContiguous && dense.shape == v.tensor.shape)
            #expect(Model(dense) == v.model)
            #expect(v.tensor.flattened().doubles() == v.model.values)
            #expect(v.tensor.withBytes { $0.count } == v.model.values.count * 8)
        }
    }

    /// Copies of strided data go by element size: 8, 4 and 1 bytes.
    @Test(arguments: DType.allCases) func everyTypeIsCopied(_ type: DType) {
        let high = type == .bool ? 2 : 250
        for seed in 0..<40 {
            var random = TestRandom(UInt64(seed))
            var v = Viewed(random.positiveDims(rank: 3), type)
            for _ in 0..<4 { v.randomView(&random) }
            guard v.model.values.allSatisfy({ Int($0) < high }) else { continue }
            #expect(Model(v.tensor.contiguous()) == v.model)
        }
    }

    /// Transposes go by strips of a cache line: sizes below, at and beyond them, read and written.
    @Test(arguments: DType.allCases) func transposedCopies(type: DType) {
        for dims in [[3, 64, 16], [2, 65, 33], [1, 15, 130], [2, 1, 70]] {
            let t = Viewed(dims).tensor.map(NSTM_SIN)
            let x = (type.isFloatingPoint ? t : t.affine(127, 127)).cast(to: type), m = Model(x)
            for order in [[0, 2, 1], [2, 1, 0], [1, 2, 0]] {
                #expect(Model(x.permuted(order).contiguous()) == m.permuted(order))
                let flipped = x.permuted(order).flipped(axes: [1])
                #expect(Model(flipped.contiguous()) == m.permuted(order).slice(axis: 1, 0..<m.dims[order[1]], step: -1))
                var out = Tensor.zeros(Shape(dims), dtype: type).permuted(order).contiguous()
                out[.all] = x.permuted(order)
                #expect(Model(out) == m.permuted(order))
            }
            // Into a transposed view.
            var wide = Tensor.zeros([dims[2], dims[1]], dtype: type)
            wide.write(x[0]) { $0.transposed() }
            #expect(Model(wide) == Model(x[0]).permuted([1, 0]))
        }
    }

    @Test func viewsShareStorage() {
        let t = Tensor.zeros([4, 5, 6])
        let views = [
            t.transposed(), t.slice(axis: 1, 1..<4, step: 2), t.select(axis: 0, 2), t.unsqueezed(axis: 1),
            t.broadcast(to: [7, 4, 5, 6]),
        ]
        for v in views { #expect(v.storage == t.storage) }
        #expect(t.contiguous().storage == t.storage)
        #expect(t.reshaped([20, 6]).storage == t.storage)
        #expect(t.transposed().contiguous().storage != t.storage)
    }

    @Test func squeezeUndoesExpand() {
        let v = Viewed([3, 4]).tensor.transposed()
        for axis in 0...2 {
            let e = v.unsqueezed(axis: axis)
            #expect(e.shape[axis] == 1)
            #expect(Model(e.squeezed(axis: axis)) == Model(v))
        }
    }

    /// A size-1 axis may carry any stride; density must not depend on it.
    @Test func strangeStridesOfSizeOneAxes() {
        let t = Viewed([4, 6]).tensor
        let column = t.slice(axis: 1, 2..<3)
        #expect(column.doubles() == [2, 8, 14, 20])
        let row = t.slice(axis: 0, 1..<2)
        #expect(row.isContiguous && row.transposed().isContiguous)
        #expect(row.transposed().doubles() == [6, 7, 8, 9, 10, 11])
        #expect(row.unsqueezed(axis: 0).broadcast(to: [1, 1, 6]).isContiguous)
    }

    @Test func replacingElementsKeepsLayout() {
        for seed in 0..<60 {
            var random = TestRandom(UInt64(seed))
            var v = Viewed(random.positiveDims(rank: 4))
            v.tensor = v.tensor.permuted(Array(0..<4).shuffled(using: &random))
            let values = random.doubles(v.tensor.count)
            let moved = v.tensor.replacingElements(values)
            #expect(moved.doubles() == values)
            #expect(moved.isContiguous == v.tensor.isContiguous)
        }
    }

    @Test func descriptionShowsTheHead() {
        #expect(Tensor([1, 2] as [Float]).description == "Tensor [2] float32 [1.0, 2.0]")
        #expect(Tensor.zeros([5, 5]).description.hasSuffix(", …]"))
    }
}

@Suite struct CopyOnWriteTests {
    /// A pool of values with shared storage; each step makes a view, copies a value or writes one.
    ///
    /// A write must change the value written and no other: all are compared with models after every step.
    @Test(arguments: 0..<8) func writesNeverReachAnotherValue(seed: Int) {
        var random = TestRandom(UInt64(77 + seed))
        var pool = (0..<3).map { Viewed(random.positiveDims(rank: 1 + $0), start: 100 * $0) }
        for step in 0..<300 {
            let i = random.int(0..<pool.count)
            switch random.int(0..<8) {
            case 6, 7:
                // Another value of the pool, or a part of this one, is written into a part of this one.
                let (indices, dims, offsets) = RandomIndex.some(pool[i].model.dims, &random)
                let other = pool[random.int(0..<pool.count)]
                guard Shape.broadcast(Shape(other.model.dims), Shape(dims)) == Shape(dims) else {
                    pool[i].tensor.write(.scalar(Double(step), dtype: .float64), at: indices)
                    for p in offsets { pool[i].model.values[p] = Double(step) }
                    continue
                }
                let from = other.model.broadcast(to: dims).values
                pool[i].tensor.write(other.tensor, at: indices)
                for (p, v) in zip(offsets, from) { pool[i].model.values[p] = v }
            case 0, 1:
                var v = pool[i]
                v.randomView(&random)
                if pool.count < 12 { pool.append(v) } else { pool[random.int(0..<pool.count)] = v }
            case 2:
                let value = Double(step)
                pool[i].tensor.withMutableElements(of: Double.self) { p in
                    for j in 0..<p.count where j % 2 == 0 { p[j] = value }
                }
                for j in pool[i].model.values.indices where j % 2 == 0 { pool[i].model.values[j] = value }
            case 3:
                let other = pool[random.int(0..<pool.count)]
                guard other.model.dims == pool[i].model.dims else { continue }
                pool[i].tensor.add(other.tensor, scaledBy: 0.5)
                for j in pool[i].model.values.indices { pool[i].model.values[j] += 0.5 * other.model.values[j] }
            case 4:
                // Adding a value to itself: source and target are the same storage.
                pool[i].tensor.add(pool[i].tensor)
                for j in pool[i].model.values.indices { pool[i].model.values[j] *= 2 }
            default:
                let p = pool[i].tensor
                pool[i].tensor = p.reshaped([p.count] as Shape)
                pool[i].model.dims = [p.count]
            }
            for v in pool { #expect(v.tensor.doubles() == v.model.values) }
        }
    }

    @Test func aUniqueValueIsWrittenInPlace() {
        var t = Tensor.zeros([10])
        let address = t.pointer
        t.withMutableElements(of: Float.self) { $0[3] = 1 }
        #expect(t.pointer == address)
        let copy = t
        t.withMutableElements(of: Float.self) { $0[3] = 2 }
        #expect(t.pointer != address && copy.pointer == address)
        #expect(copy.elements(Float.self)[3] == 1)
    }

    @Test func writingABroadcastValueWritesOneElement() {
        var t = Tensor([1, 2] as [Double], [2, 1]).broadcast(to: [2, 3])
        t.withMutableElements(of: Double.self) { $0[1] = 9 }
        #expect(t.doubles() == [1, 9, 1, 2, 2, 2])
    }
}
