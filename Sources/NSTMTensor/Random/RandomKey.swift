import Foundation

/// A counter-based random stream: every draw is a function of (seed, step, path, purpose) and of its index, never of the order of
/// calls or the number of threads.
///
/// The generator is Philox-4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
public struct RandomKey: Sendable, Hashable, Codable {
    public var seed: UInt64
    public init(_ seed: UInt64) { self.seed = seed }

    /// FNV-1a over the name, then mixed; never `Hasher`, which is seeded per process.
    public func fold(_ name: String) -> RandomKey {
        var h: UInt64 = 0xcbf2_9ce4_8422_2325
        for b in name.utf8 { h = (h ^ UInt64(b)) &* 0x0000_0100_0000_01b3 }
        return fold(bits: h)
    }
    public func fold(_ n: Int) -> RandomKey { fold(bits: UInt64(bitPattern: Int64(n)) &+ 0x632b_e59b_d9b4_e019) }
    private func fold(bits: UInt64) -> RandomKey {
        // SplitMix64's finaliser: a bijection of the sum, so that nearby seeds and steps give unrelated keys.
        var z = (seed &+ 0x9e37_79b9_7f4a_7c15) ^ (bits &* 0xd6e8_feb8_6659_fd93)
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return RandomKey(z ^ (z >> 31))
    }

    /// Four independent 32-bit words for one counter value.
    public func words(_ counter: UInt64) -> SIMD4<UInt32> {
        var c = SIMD4<UInt32>(UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32), 0, 0)
        var k0 = UInt32(truncatingIfNeeded: seed), k1 = UInt32(truncatingIfNeeded: seed >> 32)
        for _ in 0..<10 {
            let p0 = UInt64(0xD251_1F53) &* UInt64(c[0]), p1 = UInt64(0xCD9E_8D57) &* UInt64(c[2])
            c = SIMD4(
                UInt32(truncatingIfNeeded: p1 >> 32) ^ c[1] ^ k0, UInt32(truncatingIfNeeded: p1),
                UInt32(truncatingIfNeeded: p0 >> 32) ^ c[3] ^ k1, UInt32(truncatingIfNeeded: p0))
            k0 = k0 &+ 0x9E37_79B9
            k1 = k1 &+ 0xBB67_AE85
        }
        return c
    }

    /// The i-th uniform number of the stream, in [0, 1).
    public func uniform(_ i: Int) -> Double {
        let w = words(UInt64(i))
        return Double((UInt64(w[0]) << 21) ^ UInt64(w[1] >> 11)) * 0x1p-53
    }
    /// The i-th integer of the stream, in 0 ..< bound.
    public func integer(_ i: Int, below bound: Int) -> Int {
        let w = words(UInt64(i))
        return Int((UInt64(w[0]) << 32 | UInt64(w[1])).multipliedFullWidth(by: UInt64(bound)).high)
    }
    /// The i-th pair of standard normal numbers (Box–Muller).
    public func normalPair(_ i: Int) -> (Double, Double) {
        let w = words(UInt64(i))
        let u = (Double(w[0]) + 0.5) * 0x1p-32, v = Double(w[1]) * 0x1p-32
        let r = (-2 * log(u)).squareRoot(), t = 2 * Double.pi * v
        return (r * cos(t), r * sin(t))
    }
    /// A permutation of 0 ..< n (Fisher–Yates).
    public func permutation(_ n: Int) -> [Int] {
        var p = Array(0..<n)
        for i in stride(from: n - 1, to: 0, by: -1) { p.swapAt(i, integer(i, below: i + 1)) }
        return p
    }
}
