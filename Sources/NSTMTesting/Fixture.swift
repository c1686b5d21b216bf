import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor

/// A layer under test.
///
/// Its parameters are shifted away from special initial values (ones, zeros, tiny weights), which could hide errors.
struct Fixture {
    let mixer: any SequenceMixer
    let store: ParameterStore
    let dtype: DType
    let width: Int
    /// Values of the parameters before every pass, because some strategies update values during training.
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
            // With logits around 0, L0 gates between closed and open are likely.
            let shift =
                p.path.hasSuffix("gateLogits")
                ? Tensor.normal(p.value.shape, mean: 0.5, key: key, dtype: dtype) - p.value
                : .normal(p.value.shape, standardDeviation: 0.3, key: key, dtype: dtype)
            p.value = p.value + shift
        }
        if masked, let layer = mixer as? NSTMLayer { layer.manager.active = Fixture.flags(layer.manager.count) }
        values = store.all.map(\.value)
    }
    /// The layer as an `NSTMLayer`; nil for other layers.
    var layer: NSTMLayer? { mixer as? NSTMLayer }
    /// Activity of the states in a layer with inactive ones: three of four are active.
    static func flags(_ count: Int) -> [Bool] { (0..<count).map { $0 % 4 != 1 } }

    /// The same layer with the present values of its parameters before every pass.
    var refreshed: Fixture {
        var s = self
        s.values = store.all.map(\.value)
        return s
    }
    /// Restores the values of the parameters before a pass.
    func reset() { for (p, value) in zip(store.all, values) { p.value = value } }

    /// Random tokens [B, T, D] with mean 0.25, so that a sum over tokens grows linearly.
    func tokens(_ length: Int, batch: Int = 2, _ name: String = "x") -> Tensor {
        .normal([batch, length, width], mean: 0.25, key: RandomKey(3).fold(name), dtype: dtype)
    }
    /// The output for the next tokens in segments of given lengths, continuing from a cache.
    func run(_ x: Variable, _ lengths: [Int], _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        let parts = x.split(axis: 1, lengths).map { mixer($0, &state, context) }
        return parts.count == 1 ? parts[0] : .concatenate(parts, axis: 1)
    }
    /// The output for a sequence in segments of given lengths, and the resulting cache.
    func split(_ x: Variable, _ lengths: [Int], _ context: ForwardContext) -> (y: Variable, state: MixerCache) {
        reset()
        var state: MixerCache? = mixer.initialState(batch: x.shape[0], context)
        let y = run(x, lengths, &state, context)
        return (y, state!)
    }
    /// The output for a whole sequence, without a cache.
    func whole(_ x: Variable, _ context: ForwardContext) -> Variable {
        reset()
        var none: MixerCache?
        return mixer(x, &none, context)
    }
    /// A scalar that depends on all outputs, cached variables and auxiliary losses of a pass, with different weights.
    func loss(_ y: Variable, _ state: MixerCache?, _ context: ForwardContext) -> Variable {
        var loss = weighted(y, "y")
        // The usage counts of a routing policy may be without gradients.
        for name in state?.names ?? [] where name != "routing" && state![name]!.shape.count > 0 {
            loss = loss + weighted(state![name]!, name)
        }
        return context.auxiliaryLosses.reduce(loss) { $0 + $1.value }
    }
}

/// The sum of all elements, with random weights in 0.5 … 1.5.
func weighted(_ y: Variable, _ name: String) -> Variable {
    (y * Variable(.uniform(y.shape, low: 0.5, high: 1.5, key: RandomKey(17).fold(name), dtype: y.dtype))).sum()
}

/// The largest |a − b| divided by the largest of 1, |a| and |b|, and the index of its element; infinite when the shapes differ.
func difference(_ a: Tensor, _ b: Tensor) -> (value: Double, element: Int) {
    guard a.shape == b.shape else { return (.infinity, 0) }
    let x = a.doubles(), y = b.doubles()
    var largest = (value: 0.0, element: 0), scale = 1.0
    for i in x.indices where x[i] != y[i] {
        let d = abs(x[i] - y[i])
        guard d.isFinite else { return (.infinity, i) }
        if d > largest.value { largest = (d, i) }
    }
    guard largest.value > 0 else { return largest }
    for i in x.indices { scale = max(scale, abs(x[i]), abs(y[i])) }
    return (largest.value / scale, largest.element)
}
/// The number of elements whose bits differ, and the index of the first; infinite when the shapes or types differ.
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
/// The indices of an element by axis, such as "[1, 0, 3]".
func indices(of element: Int, in shape: Shape) -> String {
    var rest = element, indices: [Int] = []
    for axis in (0..<shape.rank).reversed() where shape.count > 0 {
        indices.insert(rest % shape[axis], at: 0)
        rest /= shape[axis]
    }
    return "\(indices)"
}
/// The indices of an element in two tensors and its two values, such as "[1, 0, 3] (0.25 and 0.5)".
func values(_ a: Tensor, _ b: Tensor, _ element: Int) -> String {
    guard a.shape == b.shape, a.shape.count > 0 else { return "\(a.shape) and \(b.shape)" }
    return "\(indices(of: element, in: a.shape)) (\(a.doubles()[element]) and \(b.doubles()[element]))"
}
/// Random lengths from 1 to a bound whose sum is a total.
func parts(of total: Int, _ seed: UInt64, upTo bound: Int) -> [Int] {
    var lengths: [Int] = [], rest = total
    while rest > 0 {
        let n = min(rest, 1 + RandomKey(seed).integer(lengths.count, below: bound))
        lengths.append(n)
        rest -= n
    }
    return lengths
}
