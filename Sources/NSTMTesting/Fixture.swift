import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor

/// A layer to be examined, with parameters away from their special beginnings (ones, zeros, tiny weights), where errors could hide.
struct Fixture {
    let mixer: any SequenceMixer
    let store: ParameterStore
    let dtype: DType
    let width: Int
    /// What the parameters hold before every pass: some strategies move values of their own in training.
    private var values: [Tensor]

    init(
        _ make: (ParameterBuilder, LayerDimensions) -> any SequenceMixer, _ dimensions: LayerDimensions, _ dtype: DType,
        masked: Bool = false,
        seed: UInt64 = 1
    ) {
        let builder = ParameterBuilder(seed: seed, dtype: dtype)
        mixer = make(builder, dimensions)
        store = builder.store
        self.dtype = dtype
        width = dimensions.width
        for p in store.all where p.isTrainable {
            let key = RandomKey(seed).fold("conformance").fold(p.path)
            // Around 0, keep gates between shut and open are likely.
            let shift =
                p.path.hasSuffix("gateLogits")
                ? Tensor.normal(p.value.shape, mean: 0.5, key: key, dtype: dtype) - p.value
                : .normal(p.value.shape, standardDeviation: 0.3, key: key, dtype: dtype)
            p.value = p.value + shift
        }
        if masked, let layer = mixer as? NSTMLayer { layer.manager.active = Fixture.flags(layer.manager.count) }
        values = store.all.map(\.value)
    }
    /// The layer of states, when it is one.
    var layer: NSTMLayer? { mixer as? NSTMLayer }
    /// Which of so many states are active in a layer with inactive ones: three of four.
    static func flags(_ count: Int) -> [Bool] { (0..<count).map { $0 % 4 != 1 } }

    /// The same layer, whose parameters begin as they are now.
    var refreshed: Fixture {
        var s = self
        s.values = store.all.map(\.value)
        return s
    }
    func reset() { for (p, value) in zip(store.all, values) { p.value = value } }

    /// Random tokens [B, T, D], not centered, so that what adds up grows in proportion to their number.
    func tokens(_ length: Int, batch: Int = 2, _ name: String = "x") -> Tensor {
        .normal([batch, length, width], mean: 0.25, key: RandomKey(3).fold(name), dtype: dtype)
    }
    /// Runs the next tokens in parts of given lengths, from a state.
    func run(_ x: Variable, _ lengths: [Int], _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        let parts = x.split(axis: 1, lengths).map { mixer($0, &state, context) }
        return parts.count == 1 ? parts[0] : .concatenate(parts, axis: 1)
    }
    /// Runs a sequence from its beginning, with a carried state.
    func split(_ x: Variable, _ lengths: [Int], _ context: ForwardContext) -> (y: Variable, state: MixerCache) {
        reset()
        var state: MixerCache? = mixer.initialState(batch: x.shape[0], context)
        let y = run(x, lengths, &state, context)
        return (y, state!)
    }
    /// Runs a sequence as a whole, without a state.
    func whole(_ x: Variable, _ context: ForwardContext) -> Variable {
        reset()
        var none: MixerCache?
        return mixer(x, &none, context)
    }
    /// A scalar that depends on everything a pass leaves, with unequal weights.
    func loss(_ y: Variable, _ state: MixerCache?, _ context: ForwardContext) -> Variable {
        var loss = weighted(y, "y")
        // What a routing policy counts for itself need not be learned through.
        for name in state?.names ?? [] where name != "routing" && state![name]!.shape.count > 0 {
            loss = loss + weighted(state![name]!, name)
        }
        return context.auxiliaryLosses.reduce(loss) { $0 + $1.value }
    }
}

func weighted(_ y: Variable, _ name: String) -> Variable {
    (y * Variable(.uniform(y.shape, low: 0.5, high: 1.5, key: RandomKey(17).fold(name), dtype: y.dtype))).sum()
}

/// Largest |a − b| in units of the largest |a| or |b|, or of 1 when all are smaller, and its element.
func deviation(_ a: Tensor, _ b: Tensor) -> (value: Double, element: Int) {
    guard a.shape == b.shape else { return (.infinity, 0) }
    let x = a.doubles(), y = b.doubles()
    var worst = (value: 0.0, element: 0), scale = 1.0
    for i in x.indices where x[i] != y[i] {
        let d = abs(x[i] - y[i])
        guard d.isFinite else { return (.infinity, i) }
        if d > worst.value { worst = (d, i) }
    }
    guard worst.value > 0 else { return worst }
    for i in x.indices { scale = max(scale, abs(x[i]), abs(y[i])) }
    return (worst.value / scale, worst.element)
}
/// Elements whose bits differ, and the first of them; infinitely many when the shapes do.
func changes(_ a: Tensor, _ b: Tensor) -> (count: Double, element: Int) {
    guard a.shape == b.shape, a.dtype == b.dtype else { return (.infinity, 0) }
    let size = a.dtype.byteCount
    return a.withBytes { p in
        b.withBytes { q in
            var count = 0.0, first = 0
            for i in 0..<p.count / size where !p[i * size..<(i + 1) * size].elementsEqual(q[i * size..<(i + 1) * size]) {
                if count == 0 { first = i }
                count += 1
            }
            return (count, first)
        }
    }
}
/// "[1, 0, 3]" for an element of a shape.
func place(_ element: Int, in shape: Shape) -> String {
    var left = element, index: [Int] = []
    for axis in (0..<shape.rank).reversed() where shape.count > 0 {
        index.insert(left % shape[axis], at: 0)
        left /= shape[axis]
    }
    return "\(index)"
}
/// Lengths ≥ 1 that add up to a total.
func parts(of total: Int, _ seed: UInt64, upTo bound: Int) -> [Int] {
    var lengths: [Int] = [], left = total
    while left > 0 {
        let n = min(left, 1 + RandomKey(seed).integer(lengths.count, below: bound))
        lengths.append(n)
        left -= n
    }
    return lengths
}
