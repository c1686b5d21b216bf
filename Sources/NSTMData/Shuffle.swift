import NSTMTensor

extension RandomKey {
    /// The i-th number of a random permutation of 0 ..< n, without making the others.
    ///
    /// A Feistel network of eight rounds permutes the smallest square of a power of two that holds n; numbers beyond n go through it
    /// again until one is below ("cycle walking": Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002).
    /// Less than four passes on average. Four rounds would do for large n; below 16 they favor some places by a quarter.
    package func permuted(_ i: Int, of n: Int) -> Int {
        guard n > 0, (0..<n).contains(i) else { fatalError("permuted: index \(i) of \(n)") }
        let half = max(1, (Int.bitWidth - (n - 1).leadingZeroBitCount + 1) / 2), mask = 1 << half - 1
        var x = i
        repeat {
            var left = x >> half, right = x & mask
            for round in 0..<8 {
                let word = words(UInt64(round) << 32 | UInt64(right))[0]
                (left, right) = (right, left ^ (Int(word) & mask))
            }
            x = left << half | right
        } while x >= n
        return x
    }
}
