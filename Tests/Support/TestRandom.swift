import NSTMTensor

/// A small generator for test cases (xorshift64*), independent of the library's own random numbers.
public struct TestRandom: RandomNumberGenerator {
    private var state: UInt64
    public init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    public mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
    public mutating func int(_ range: Range<Int>) -> Int { Int.random(in: range, using: &self) }
    public mutating func double(_ range: Range<Double> = -1..<1) -> Double { Double.random(in: range, using: &self) }
    public mutating func doubles(_ n: Int, _ range: Range<Double> = -1..<1) -> [Double] { (0..<n).map { _ in double(range) } }
    public mutating func tensor(_ dims: [Int], _ range: Range<Double> = -1..<1) -> Tensor {
        Tensor(doubles(dims.reduce(1, *), range), Shape(dims))
    }
    /// Axis sizes with many zeros and ones among them.
    public mutating func dims(rank: Int) -> [Int] { (0..<rank).map { _ in [0, 1, 1, 2, 3, 4, 5][int(0..<7)] } }
    public mutating func positiveDims(rank: Int) -> [Int] { (0..<rank).map { _ in [1, 1, 2, 3, 4, 5][int(0..<6)] } }
}

/// Normal numbers of the library's own generator, by name.
public func random(_ shape: Shape, _ name: String, _ dtype: DType = .float64, seed: UInt64 = 3) -> Tensor {
    .normal(shape, key: RandomKey(seed).fold(name), dtype: dtype)
}
