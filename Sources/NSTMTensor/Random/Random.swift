import CNSTMKernels
import Foundation

// Tensors of random numbers: element i is a function of the key and of i, whatever the shape, the type and the number of threads.

extension Tensor {
    private static func requireReal(_ op: String, _ dtype: DType) {
        guard dtype.isFloatingPoint else { nstmFatal(.dtype(op: op, got: dtype, want: "float32 or float64")) }
    }

    /// A uniform number, above 0 and below 1.
    @inline(__always) private static func open(_ u: Double) -> Double { max(u, 0x1p-54) }

    /// Numbers made of the uniform numbers at their positions in a stream, rounded to the type.
    @inline(__always)
    private static func generate(_ shape: Shape, _ dtype: DType, _ key: RandomKey, _ number: (Double) -> Double) -> Tensor {
        let wide = dtype.isFloatingPoint ? dtype : .float64
        let out = Tensor(uninitialized: shape, wide), to = out.uninitializedPointer
        Parallel.blocks(shape.count, of: elementwiseBlock) { r in
            withScratch(byteCount: r.count * 8) { scratch in
                let u = scratch.assumingMemoryBound(to: Double.self)
                nstm_uniform(key.seed, UInt64(r.lowerBound), u, r.count)
                if wide == .float32 {
                    let p = to.assumingMemoryBound(to: Float.self) + r.lowerBound
                    for i in 0..<r.count { p[i] = Float(number(u[i])) }
                } else {
                    let p = to.assumingMemoryBound(to: Double.self) + r.lowerBound
                    for i in 0..<r.count { p[i] = number(u[i]) }
                }
            }
        }
        return out.cast(to: dtype)
    }
    /// The factors of dropout in float32: 0 with probability `rate` and 1/(1 − rate) otherwise.
    package static func dropoutMask(_ shape: Shape, rate: Double, key: RandomKey) -> Tensor {
        let out = Tensor(uninitialized: shape, .float32), to = out.uninitializedPointer.assumingMemoryBound(to: Float.self)
        Parallel.blocks(shape.count, of: elementwiseBlock) { r in
            nstm_dropout_mask(key.seed, UInt64(r.lowerBound), rate, Float(1 / (1 - rate)), to + r.lowerBound, r.count)
        }
        return out
    }

    /// Uniform numbers in low ..< high.
    public static func uniform(_ shape: Shape, low: Double = 0, high: Double = 1, key: RandomKey, dtype: DType = .float32)
        -> Tensor
    {
        requireReal("uniform", dtype)
        return generate(shape, dtype, key) { low + (high - low) * $0 }
    }
    /// Normal numbers of a mean and a standard deviation.
    public static func normal(
        _ shape: Shape, mean: Double = 0, standardDeviation: Double = 1, key: RandomKey, dtype: DType = .float32
    ) -> Tensor {
        requireReal("normal", dtype)
        let out = Tensor(uninitialized: shape, dtype), to = out.uninitializedPointer, n = shape.count
        // Numbers come in pairs; a block is even.
        Parallel.blocks(n, of: elementwiseBlock) { r in
            for i in stride(from: r.lowerBound, to: r.upperBound, by: 2) {
                let (a, b) = key.normalPair(i / 2)
                if dtype == .float32 {
                    let p = to.assumingMemoryBound(to: Float.self)
                    p[i] = Float(mean + standardDeviation * a)
                    if i + 1 < n { p[i + 1] = Float(mean + standardDeviation * b) }
                } else {
                    let p = to.assumingMemoryBound(to: Double.self)
                    p[i] = mean + standardDeviation * a
                    if i + 1 < n { p[i + 1] = mean + standardDeviation * b }
                }
            }
        }
        return out
    }
    /// Normal numbers of a mean and a standard deviation, conditioned on low … high (in the numbers' own units),
    /// by the inverse of the distribution function; exact also in the tails.
    ///
    /// Mean and standard deviation are those before truncation.
    public static func truncatedNormal(
        _ shape: Shape, mean: Double = 0, standardDeviation: Double = 1, low: Double, high: Double, key: RandomKey,
        dtype: DType = .float32
    ) -> Tensor {
        requireReal("truncatedNormal", dtype)
        guard low < high, standardDeviation > 0 else {
            nstmFatal(.other(op: "truncatedNormal", "low \(low), high \(high), standardDeviation \(standardDeviation)"))
        }
        // Computed on the side of small probabilities, where doubles are dense.
        let a = (low - mean) / standardDeviation, b = (high - mean) / standardDeviation, flips = a > 0
        let (from, to) = flips ? (-b, -a) : (a, b)
        let p = Normal.distribution(from), q = Normal.distribution(to)
        return generate(shape, dtype, key) { u in
            let z = min(max(Normal.quantile(p + (q - p) * open(u)), from), to)
            let x = min(max(mean + standardDeviation * (flips ? -z : z), low), high)
            guard dtype == .float32 else { return x }
            // Rounding to float32 may leave the interval.
            let f = Float(x)
            return Double(Double(f) < low ? f.nextUp : (Double(f) > high ? f.nextDown : f))
        }
    }
    /// A mask that is true with a probability, independently for each element.
    public static func bernoulli(_ shape: Shape, probability: Double, key: RandomKey) -> Tensor {
        guard probability >= 0, probability <= 1 else {
            nstmFatal(.other(op: "bernoulli", "probability \(probability), needs 0 ... 1"))
        }
        return generate(shape, .bool, key) { $0 < probability ? 1 : 0 }
    }
    /// A mask that is true with the probability of each element.
    public static func bernoulli(_ probabilities: Tensor, key: RandomKey) -> Tensor {
        requireReal("bernoulli", probabilities.dtype)
        guard ((probabilities .>= 0) .& (probabilities .<= 1)).all().item() == 1 else {
            nstmFatal(.other(op: "bernoulli", "probabilities outside 0 ... 1 among \(probabilities)"))
        }
        // In the probabilities' own type a number just below 1 would be rounded up to it.
        return uniform(probabilities.shape, key: key, dtype: .float64) .< probabilities.cast(to: .float64)
    }
    /// Exponential numbers, of density rate · exp(−rate · x).
    public static func exponential(_ shape: Shape, rate: Double = 1, key: RandomKey, dtype: DType = .float32) -> Tensor {
        requireReal("exponential", dtype)
        guard rate > 0 else { nstmFatal(.other(op: "exponential", "rate \(rate)")) }
        return generate(shape, dtype, key) { -Foundation.log1p(-$0) / rate }
    }
    /// Standard Gumbel numbers, of distribution function exp(−exp(−x)).
    public static func gumbel(_ shape: Shape, key: RandomKey, dtype: DType = .float32) -> Tensor {
        requireReal("gumbel", dtype)
        return generate(shape, dtype, key) { -Foundation.log(-Foundation.log(open($0))) }
    }
    /// Integers of a range, all with the same probability, as int32.
    public static func integers(_ shape: Shape, in range: Range<Int>, key: RandomKey) -> Tensor {
        guard !range.isEmpty, range.lowerBound >= Int(Int32.min), range.upperBound - 1 <= Int(Int32.max) else {
            nstmFatal(.other(op: "integers", "\(range) is empty or does not fit int32"))
        }
        return generate(shape, .int32) { Double(range.lowerBound + key.integer($0, below: range.count)) }
    }
    /// The numbers 0 ..< n in random order, as int32.
    public static func permutation(_ n: Int, key: RandomKey) -> Tensor { Tensor(key.permutation(n).map { Int32($0) }, [n]) }

    /// An index from each row of logits [..., classes], with probability softmax(logits), as int32 [...].
    ///
    /// A class of logit −∞ is never drawn. One random number per row.
    public static func categorical(_ logits: Tensor, key: RandomKey) -> Tensor {
        requireReal("categorical", logits.dtype)
        guard logits.rank >= 1, logits.shape[-1] > 0 else {
            nstmFatal(.other(op: "categorical", "no classes in \(logits.shape)"))
        }
        let classes = logits.shape[-1], x = logits.cast(to: .float64).contiguous()
        let from = x.pointer.assumingMemoryBound(to: Double.self)
        let out = Tensor(uninitialized: logits.shape.dropLast(), .int32)
        let to = out.uninitializedPointer.assumingMemoryBound(to: Int32.self)
        Parallel.blocks(out.count, of: max(1, elementwiseBlock / classes)) { r in
            for row in r {
                let p = from + row * classes
                var largest = -Double.infinity, hasNaN = false
                for c in 0..<classes {
                    largest = max(largest, p[c])
                    hasNaN = hasNaN || p[c].isNaN
                }
                guard largest.isFinite, !hasNaN else {
                    nstmFatal(.other(op: "categorical", "row \(row) of \(logits.shape) has NaN, +∞ or nothing but −∞"))
                }
                var total = 0.0
                for c in 0..<classes { total += Foundation.exp(p[c] - largest) }
                let mark = key.uniform(row) * total
                // The same sums again, in the same order; the last class with any weight takes what rounding leaves.
                var sum = 0.0, drawn = 0
                for c in 0..<classes {
                    let weight = Foundation.exp(p[c] - largest)
                    if weight == 0 { continue }
                    drawn = c
                    sum += weight
                    if mark < sum { break }
                }
                to[row] = Int32(drawn)
            }
        }
        withExtendedLifetime(x) {}
        return out
    }
}

/// The standard normal distribution.
package enum Normal {
    /// The cumulative distribution function P(X ≤ x).
    package static func distribution(_ x: Double) -> Double { 0.5 * erfc(-x * 0.5.squareRoot()) }

    /// The x with P(X ≤ x) = p, to about 16 digits: Wichura, "Algorithm AS 241: the percentage points of the normal
    /// distribution", Applied Statistics 37 (1988).
    package static func quantile(_ p: Double) -> Double {
        let q = p - 0.5
        if abs(q) <= 0.425 {
            let r = 0.180625 - q * q
            return q * polynomial(center.0, r) / polynomial(center.1, r)
        }
        let tail = q < 0 ? p : 1 - p
        if tail <= 0 { return q < 0 ? -.infinity : .infinity }
        let r = (-log(tail)).squareRoot()
        let x =
            r <= 5
            ? polynomial(near.0, r - 1.6) / polynomial(near.1, r - 1.6) : polynomial(far.0, r - 5) / polynomial(far.1, r - 5)
        return q < 0 ? -x : x
    }
    @inline(__always) private static func polynomial(_ c: SIMD8<Double>, _ x: Double) -> Double {
        var y = c[7]
        for i in stride(from: 6, through: 0, by: -1) { y = y * x + c[i] }
        return y
    }
    private static let center = (
        SIMD8(
            3.387_132_872_796_366_608_0, 1.331_416_678_917_843_774_5e2, 1.971_590_950_306_551_442_7e3,
            1.373_169_376_550_946_112_5e4,
            4.592_195_393_154_987_145_7e4, 6.726_577_092_700_870_085_3e4, 3.343_057_558_358_812_810_5e4,
            2.509_080_928_730_122_672_7e3),
        SIMD8(
            1, 4.231_333_070_160_091_125_2e1, 6.871_870_074_920_579_083_0e2, 5.394_196_021_424_751_107_7e3,
            2.121_379_430_158_659_586_7e4, 3.930_789_580_009_271_061_0e4, 2.872_908_573_572_194_267_4e4,
            5.226_495_278_852_854_561_0e3)
    )
    private static let near = (
        SIMD8(
            1.423_437_110_749_683_577_34, 4.630_337_846_156_545_295_90, 5.769_497_221_460_691_405_50,
            3.647_848_324_763_204_605_04,
            1.270_458_252_452_368_382_58, 2.417_807_251_774_506_117_70e-1, 2.272_384_498_926_918_458_33e-2,
            7.745_450_142_783_414_076_40e-4),
        SIMD8(
            1, 2.053_191_626_637_758_821_87, 1.676_384_830_183_803_849_40, 6.897_673_349_851_000_045_50e-1,
            1.481_039_764_274_800_745_90e-1, 1.519_866_656_361_645_719_66e-2, 5.475_938_084_995_344_946_00e-4,
            1.050_750_071_644_416_843_24e-9)
    )
    private static let far = (
        SIMD8(
            6.657_904_643_501_103_777_20, 5.463_784_911_164_114_369_90, 1.784_826_539_917_291_335_80,
            2.965_605_718_285_048_912_30e-1,
            2.653_218_952_657_612_309_30e-2, 1.242_660_947_388_078_438_60e-3, 2.711_555_568_743_487_578_15e-5,
            2.010_334_399_292_288_132_65e-7),
        SIMD8(
            1, 5.998_322_065_558_879_376_90e-1, 1.369_298_809_227_358_053_10e-1, 1.487_536_129_085_061_485_25e-2,
            7.868_691_311_456_132_591_00e-4, 1.846_318_317_510_054_681_80e-5, 1.421_511_758_316_445_888_70e-7,
            2.044_263_103_389_939_785_64e-15)
    )
}
