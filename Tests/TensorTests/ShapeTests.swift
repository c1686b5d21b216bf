import NSTMTensor
import Testing

@Suite struct ShapeTests {
    @Test func negativeAxesCountFromTheEnd() {
        let s: Shape = [2, 3, 5]
        for axis in 0..<3 {
            #expect(s[axis] == s[axis - 3])
            #expect(s.normalized(axis: axis - 3) == axis)
        }
        #expect(s.count == 30)
        #expect(s.count(of: 1..<3) == 15)
        #expect(s.count(of: 1..<1) == 1)
        #expect(s.dropLast().dims == [2, 3])
        #expect(s.dropLast(5).dims == [])
        #expect(s.appending(7).dims == [2, 3, 5, 7])
    }

    @Test func scalarsAndEmptyAxes() {
        #expect(Shape([]).count == 1)
        #expect(!Shape([]).isEmpty)
        #expect(Shape([3, 0, 2]).isEmpty)
        #expect(Shape([]).description == "[]")
        #expect(Shape([2, 3]).description == "[2, 3]")
    }

    /// Equal shapes are equal however they were made: sizes beyond the rank must not take part.
    @Test func equalityDoesNotDependOnHistory() {
        var a: Shape = [1, 2, 9]
        a[2] = 3
        let b = Shape([1, 2]).appending(3), c = Shape([1, 2, 3, 4]).dropLast()
        #expect(a == b && b == c)
        #expect(a.hashValue == c.hashValue)
        #expect(Shape([1]) != Shape([1, 1]))
    }

    /// NumPy's rule, written out independently: line up from the right; equal, or one of them 1.
    private func rule(_ a: [Int], _ b: [Int]) -> [Int]? {
        var out: [Int] = []
        for i in 1...max(1, a.count, b.count) where i <= max(a.count, b.count) {
            let x = i <= a.count ? a[a.count - i] : 1, y = i <= b.count ? b[b.count - i] : 1
            if x != y && x != 1 && y != 1 { return nil }
            out.insert(x == 1 ? y : x, at: 0)
        }
        return out
    }

    @Test func broadcastFollowsTheRule() {
        var random = TestRandom(1)
        var fits = 0
        for _ in 0..<3000 {
            let a = (0..<random.int(0..<5)).map { _ in [0, 1, 1, 2, 3][random.int(0..<5)] }
            let b = (0..<random.int(0..<5)).map { _ in [0, 1, 1, 2, 3][random.int(0..<5)] }
            let expected = rule(a, b)
            #expect(Shape.broadcast(Shape(a), Shape(b))?.dims == expected)
            #expect(Shape.broadcast(Shape(b), Shape(a))?.dims == expected)
            if expected != nil { fits += 1 }
        }
        #expect(fits > 300)
    }

    @Test func reshapeInfersOneSize() {
        let t = Tensor.zeros([4, 6])
        #expect(t.reshaped([3, -1]).shape == [3, 8])
        #expect(t.reshaped([-1]).shape == [24])
        #expect(Tensor.zeros([0, 6]).reshaped([-1, 3]).shape == [0, 3])
        #expect(Tensor.zeros([]).reshaped([1, -1, 1]).shape == [1, 1, 1])
    }

    @Test(arguments: DType.allCases) func typesHaveNames(_ type: DType) {
        #expect(DType(name: type.description) == type)
        #expect(DType(name: type.description.uppercased()) == nil)
        let ones = Tensor.ones([3], dtype: type)
        #expect(ones.doubles() == [1, 1, 1])
        #expect(ones.withBytes { $0.count } == 3 * type.byteCount)
        #expect(ones.withBytes { Tensor(bytes: $0, [3], type) }.doubles() == [1, 1, 1])
    }

    @Test func castsBetweenAllTypes() {
        for from in DType.allCases {
            for to in DType.allCases {
                let x = Tensor([0, 1, 0, 1] as [Double], [2, 2]).cast(to: from)
                #expect(x.dtype == from)
                #expect(x.transposed().cast(to: to).doubles() == [0, 0, 1, 1], "\(from) to \(to)")
            }
        }
        let big = Tensor([1e300, -1e300, .nan, 1e-300] as [Double], [4]).cast(to: .float32).elements(Float.self)
        #expect(big[0] == .infinity && big[1] == -.infinity && big[2].isNaN && big[3] == 0)
    }
}
