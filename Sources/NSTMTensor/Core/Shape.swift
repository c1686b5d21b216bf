/// The sizes of a tensor's axes, stored inline (no heap): at most eight axes, each below 2³¹.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
    public static let maximumRank = 8
    @usableFromInline package var sizes: SIMD8<Int32>
    public internal(set) var rank: Int

    public init(_ dims: some Sequence<Int>) {
        sizes = SIMD8(repeating: 1)
        rank = 0
        for size in dims { append(size) }
    }
    // Inlined, so that the list of a literal needs no allocation.
    @inlinable @inline(__always) public init(arrayLiteral dims: Int...) {
        var sizes = SIMD8<Int32>(repeating: 1)
        var rank = 0
        for size in dims {
            if rank >= 8 || size < 0 || size > 0x7fff_ffff { Shape.refuse(rank, size) }
            sizes[rank] = Int32(truncatingIfNeeded: size)
            rank += 1
        }
        self.init(sizes: sizes, rank: rank)
    }
    // A literal's list is not always optimized away: for operations that a step calls often.
    @inlinable package init(of a: Int) { self.init(of: a, 1, 1, rank: 1) }
    @inlinable package init(of a: Int, _ b: Int) { self.init(of: a, b, 1, rank: 2) }
    @inlinable package init(of a: Int, _ b: Int, _ c: Int) { self.init(of: a, b, c, rank: 3) }
    @usableFromInline init(of a: Int, _ b: Int, _ c: Int, rank: Int) {
        let least = min(a, b, c), most = max(a, b, c)
        if least < 0 || most > 0x7fff_ffff { Shape.refuse(0, least < 0 ? least : most) }
        sizes = SIMD8(Int32(a), Int32(b), Int32(c), 1, 1, 1, 1, 1)
        self.rank = rank
    }
    @usableFromInline init(sizes: SIMD8<Int32>, rank: Int) {
        self.sizes = sizes
        self.rank = rank
    }
    @usableFromInline static func refuse(_ rank: Int, _ size: Int) -> Never {
        if rank >= Shape.maximumRank { fatalError("Shape: more than \(Shape.maximumRank) axes") }
        fatalError("Shape: axis of size \(size); sizes go from 0 to 2³¹ − 1")
    }

    package mutating func append(_ size: Int) {
        if rank >= Shape.maximumRank || size < 0 || size > Int(Int32.max) { Shape.refuse(rank, size) }
        sizes[rank] = Int32(truncatingIfNeeded: size)
        rank += 1
    }

    // Sizes beyond the rank are 1, so that all eight can be compared at once.
    @inlinable public static func == (a: Shape, b: Shape) -> Bool { a.rank == b.rank && a.sizes == b.sizes }

    /// Number of elements; 1 for a scalar.
    public var count: Int {
        let a = sizes.lowHalf, b = sizes.highHalf
        let low = Int(a[0]) * Int(a[1]) * Int(a[2]) * Int(a[3])
        return rank <= 4 ? low : low * (Int(b[0]) * Int(b[1]) * Int(b[2]) * Int(b[3]))
    }
    public var isEmpty: Bool { count == 0 }
    public var dims: [Int] { (0..<rank).map { Int(sizes[$0]) } }

    /// The index from the start of an axis that may be negative, counted from the end.
    @inline(__always) public func normalized(axis: Int) -> Int {
        let a = axis < 0 ? axis + rank : axis
        guard a >= 0, a < rank else { fatalError("axis \(axis) is out of range for shape \(self)") }
        return a
    }
    /// The size of an axis; negative axes count from the end.
    @inline(__always) public subscript(_ axis: Int) -> Int {
        get { Int(sizes[normalized(axis: axis)]) }
        set {
            guard newValue >= 0, newValue <= Int(Int32.max) else { fatalError("Shape: axis of size \(newValue)") }
            sizes[normalized(axis: axis)] = Int32(truncatingIfNeeded: newValue)
        }
    }

    /// Product of the sizes of a range of axes.
    public func count(of axes: Range<Int>) -> Int {
        var n = 1
        for axis in axes { n *= Int(sizes[axis]) }
        return n
    }
    public func dropLast(_ k: Int = 1) -> Shape {
        var s = self
        s.rank = max(0, rank - k)
        for axis in s.rank..<rank { s.sizes[axis] = 1 }
        return s
    }
    public func appending(_ size: Int) -> Shape {
        var s = self
        s.append(size)
        return s
    }

    /// The shape two operands broadcast to (NumPy's rule), or nil when they do not fit.
    public static func broadcast(_ a: Shape, _ b: Shape) -> Shape? {
        if a == b { return a }
        let rank = max(a.rank, b.rank)
        var out = Shape([])
        for i in 0..<rank {
            let ia = i - (rank - a.rank), ib = i - (rank - b.rank)
            let da = ia < 0 ? 1 : Int(a.sizes[ia]), db = ib < 0 ? 1 : Int(b.sizes[ib])
            if da == db || db == 1 { out.append(da) } else if da == 1 { out.append(db) } else { return nil }
        }
        return out
    }

    public var description: String { "[" + dims.map(String.init).joined(separator: ", ") + "]" }
}
