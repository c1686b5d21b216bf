import NSTMAutograd
import NSTMTensor

/// A small generator for test cases (xorshift64*), independent of the library's own random numbers.
struct TestRandom: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
    mutating func int(_ range: Range<Int>) -> Int { Int.random(in: range, using: &self) }
    mutating func double(_ range: Range<Double> = -1..<1) -> Double { Double.random(in: range, using: &self) }
    mutating func tensor(_ dims: [Int], _ range: Range<Double> = -1..<1) -> Tensor {
        Tensor((0..<dims.reduce(1, *)).map { _ in double(range) }, Shape(dims))
    }
}

/// How the elements of an input lie in memory.
enum Layout: String, CaseIterable, Sendable {
    case contiguous, transposed, sliced, broadcast

    /// Numbers of a given shape in this layout, made from a generator of dense tensors.
    func tensor(_ dims: [Int], _ make: ([Int]) -> Tensor) -> Tensor {
        guard !dims.isEmpty else { return make(dims) }
        let rank = dims.count
        switch self {
        case .contiguous: return make(dims)
        case .transposed: return make(dims.reversed()).permuted(Array((0..<rank).reversed()))
        case .sliced:
            var larger = dims
            larger[rank - 1] = 2 * dims[rank - 1] + 1
            larger[0] += rank > 1 ? 2 : 0
            let t = make(larger).slice(rank - 1, 1..<2 * dims[rank - 1] + 1, step: 2)
            return rank > 1 ? t.slice(0, 1..<1 + dims[0]) : t
        case .broadcast:
            // The first axis that can be is one value repeated.
            guard let axis = dims.firstIndex(where: { $0 > 1 }) else { return make(dims) }
            var smaller = dims
            smaller[axis] = 1
            return make(smaller).broadcast(to: Shape(dims))
        }
    }
}

/// Unequal weights, so that no error can cancel in a sum.
func seed(_ shape: Shape, _ type: DType) -> Tensor {
    var random = TestRandom(99)
    return random.tensor(shape.dims, 0.4..<1.4).cast(to: type)
}

struct Evaluation {
    let value: Tensor
    let gradients: [Tensor]
}

/// Value of a function, and its gradients weighted by `seed`.
func evaluate(_ inputs: [Tensor], _ body: (ForwardContext, [Variable]) -> Variable) -> Evaluation {
    let c = ForwardContext(.train, key: RandomKey(3))
    let variables = inputs.map { c.input($0) }
    let y = body(c, variables)
    let gradients = y.gradients(of: variables, seed: seed(y.shape, y.dtype))
    return Evaluation(value: y.value, gradients: zip(gradients, inputs).map { $0 ?? .zeros($1.shape, dtype: $1.dtype) })
}

/// Largest |a − b| / max(1, |b|); infinite when shapes differ or one of them is not a number.
func difference(_ a: Tensor, _ b: Tensor) -> Double {
    guard a.shape == b.shape else { return .infinity }
    var worst = 0.0
    for (x, y) in zip(a.doubles(), b.doubles()) where x != y {
        let d = abs(x - y) / max(1, abs(y))
        if !(d <= worst) { worst = d.isNaN ? .infinity : d }
    }
    return worst
}
/// The larger of the differences of values and of each gradient.
func difference(_ a: Evaluation, _ b: Evaluation) -> Double {
    zip(a.gradients, b.gradients).reduce(difference(a.value, b.value)) { max($0, difference($1.0, $1.1)) }
}

func bits(_ t: Tensor) -> [UInt64] {
    t.dtype == .float32 ? t.elements(Float.self).map { UInt64($0.bitPattern) } : t.elements(Double.self).map(\.bitPattern)
}
