import NSTMTensor

extension RandomKey {
    /// Element i of a random permutation of 0 ..< n, in constant memory.
    ///
    /// A Feistel network of eight rounds permutes 0 ..< 4^k for the smallest 4^k ≥ n; results of n or more are permuted again
    /// ("cycle walking": Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002), which takes less than four
    /// passes on average. Four rounds suffice for large n, but for n < 16 the probabilities of some elements are then off by a
    /// quarter.
    package func permuted(_ i: Int, of n: Int) -> Int {
        guard n > 0, (0..<n).contains(i) else { nstmFatal(.other(op: "permuted", "index \(i) is out of range 0..<\(n)")) }
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
