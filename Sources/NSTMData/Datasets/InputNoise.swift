import Foundation
import NSTMTensor

/// A corruption of model inputs of a kind and strength.
///
/// Targets are unchanged.
///
/// Strength 0 is no noise. The corruption of a sequence is a function of a key: with the same key, a stronger noise corrupts all
/// elements that a weaker one corrupts, and more.
public struct InputNoise: Sendable, Hashable {
    /// The kind of corruption.
    public enum Kind: String, Sendable, CaseIterable, Codable {
        /// Dropped tokens: each is replaced by its predecessor, so that the length is unchanged. The first token of a sequence is
        /// never dropped.
        case dropped = "dropped-tokens"
        /// One dropped segment of consecutive tokens per sequence, each replaced by the last token before the segment.
        case burst = "lost-stretch"
        /// Swaps of adjacent tokens. In next-token prediction the first position of a swapped pair then sees its own target,
        /// which helps models that tend to repeat their input, such as an untrained one with tied embeddings.
        case swapped = "swapped-tokens"
        /// Tokens replaced by a different one, uniformly distributed.
        case replaced = "replaced-tokens"
        /// v + σ z with z normal.
        case gaussian = "gaussian"
        /// strength · Poisson(v / strength).
        case shot = "shot"
        /// Values replaced by 0 or 1 with equal probability.
        case impulse = "impulse"
        /// v + σ v z with z normal.
        case speckle = "speckle"
    }
    /// Kind of corruption.
    public var kind: Kind
    /// The fraction of tokens or values that are corrupted (of pairs that are swapped, of the sequence in the dropped segment);
    /// the standard deviation σ of `gaussian` and `speckle`; the variance of value 1 for `shot`.
    public var strength: Double

    public init(_ kind: Kind, strength: Double) {
        self.kind = kind
        self.strength = strength
    }

    /// All reasons why the noise cannot be applied to a dataset; empty when it can.
    public func issues(for dataset: any Dataset) -> [String] {
        var issues: [String] = []
        let range = kind.strengthRange
        if !range.contains(strength) {
            let allowed = range.upperBound == .greatestFiniteMagnitude ? "0 or more, and finite" : "in \(range)"
            issues.append("\(kind.rawValue): the strength is \(strength); it must be \(allowed)")
        }
        if !kind.fits(dataset.inputKind) {
            issues.append("\(kind.rawValue): the dataset has no \(kind.isOfTokens ? "tokens" : "features") among its inputs")
        } else if kind.needsScale && dataset.featureScale == nil {
            issues.append("\(kind.rawValue): the dataset has no scaling of its features from values in 0 … 1")
        }
        return issues
    }
}

extension InputNoise.Kind {
    /// Whether the noise applies to tokens; otherwise it applies to features.
    public var isOfTokens: Bool { [.dropped, .burst, .swapped, .replaced].contains(self) }
    /// Whether the noise is defined only for values in 0 … 1.
    var needsScale: Bool { [.shot, .impulse, .speckle].contains(self) }
    var strengthRange: ClosedRange<Double> {
        isOfTokens || self == .impulse ? 0...1 : 0...Double.greatestFiniteMagnitude
    }

    /// Five default strengths of a robustness study.
    ///
    /// Those of features are the severities of CIFAR-10-C (Hendrycks & Dietterich, "Benchmarking neural network robustness to
    /// common corruptions and perturbations", 2019, and their code); its shot noise of 500, 250, 100, 75 and 50 particles is
    /// given as a variance here. Those of tokens are choices of this project.
    public var strengths: [Double] {
        switch self {
        case .dropped, .burst, .swapped, .replaced: [0.01, 0.02, 0.05, 0.1, 0.2]
        case .gaussian: [0.04, 0.06, 0.08, 0.09, 0.1]
        case .shot: [1.0 / 500, 1.0 / 250, 1.0 / 100, 1.0 / 75, 1.0 / 50]
        case .impulse: [0.01, 0.02, 0.03, 0.05, 0.07]
        case .speckle: [0.06, 0.1, 0.12, 0.16, 0.2]
        }
    }
    /// The meaning of the strength, for the label of an axis.
    public var strengthName: String {
        switch self {
        case .dropped, .swapped, .replaced: "fraction of the tokens"
        case .burst: "fraction of the sequence"
        case .gaussian, .speckle: "standard deviation"
        case .shot: "variance of value 1"
        case .impulse: "fraction of the values"
        }
    }
    /// Whether the noise applies to an input, or to one of several.
    public func fits(_ input: InputKind) -> Bool {
        switch input {
        case .tokens: isOfTokens
        case .features: !isOfTokens
        case .streams(let parts): parts.contains { fits($0) }
        }
    }
}

extension InputNoise {
    /// The scaling of a dataset's features from values v in 0 … 1, such as the brightness of pixels: (v − mean) / standard
    /// deviation.
    public struct FeatureScale: Sendable, Equatable {
        /// Mean of each feature.
        ///
        /// Feature i uses element i modulo the count.
        public var means: [Float]
        /// Standard deviation of each feature.
        ///
        /// Feature i uses element i modulo the count.
        public var standardDeviations: [Float]

        /// A scaling per feature.
        ///
        /// Stops the program unless both lists have the same count, at least 1.
        public init(means: [Float], standardDeviations: [Float]) {
            guard !means.isEmpty, means.count == standardDeviations.count else {
                nstmFatal(
                    .other(
                        op: "FeatureScale",
                        "\(means.count) means and \(standardDeviations.count) standard deviations; needs equal counts, at least 1"
                    ))
            }
            self.means = means
            self.standardDeviations = standardDeviations
        }
        /// The same scaling for all features.
        public init(mean: Float = 0, standardDeviation: Float = 1) {
            self.init(means: [mean], standardDeviations: [standardDeviation])
        }
    }

    /// Corrupts the tokens of one sequence, in place.
    func corrupt(_ tokens: inout ArraySlice<Int32>, vocabulary: Int, _ key: RandomKey) {
        let first = tokens.startIndex, count = tokens.count
        guard count > 0, strength > 0 else { return }
        switch kind {
        case .dropped:
            for i in 1..<max(1, count) where key.uniform(i) < strength { tokens[first + i] = tokens[first + i - 1] }
        case .burst:
            // strength · count tokens in expectation (stochastic rounding); never the first token.
            let length = min(count - 1, Int(strength * Double(count) + key.uniform(0)))
            let start = 1 + key.integer(1, below: count - length)
            for i in start..<start + length { tokens[first + i] = tokens[first + start - 1] }
        case .swapped:
            // Disjoint pairs, from the first or the second token on.
            for i in stride(from: key.integer(0, below: 2), to: count - 1, by: 2) where key.uniform(1 + i) < strength {
                tokens.swapAt(first + i, first + i + 1)
            }
        case .replaced:
            guard vocabulary > 1 else { return }
            let others = key.fold("others")
            for i in 0..<count where key.uniform(i) < strength {
                let other = Int32(others.integer(i, below: vocabulary - 1))
                tokens[first + i] = other < tokens[first + i] ? other : other + 1
            }
        case .gaussian, .shot, .impulse, .speckle: break
        }
    }

    /// Corrupts the features of one sequence, [T × width], in place.
    /// - Parameter scale: scaling from values in 0 … 1, to which the noise is then applied; nil to add Gaussian noise to the
    ///   features.
    func corrupt(_ features: inout ArraySlice<Float>, _ scale: FeatureScale?, _ key: RandomKey) {
        guard strength > 0, !kind.isOfTokens else { return }
        let first = features.startIndex
        for i in 0..<features.count {
            guard let scale else {
                features[first + i] += Float(strength * key.normal(i))
                continue
            }
            let mean = scale.means[i % scale.means.count]
            let standardDeviation = scale.standardDeviations[i % scale.standardDeviations.count]
            let value = Double(features[first + i] * standardDeviation + mean)
            // Unaffected values remain bit-identical.
            guard let corrupted = corrupted(value, i, key) else { continue }
            features[first + i] = (Float(min(1, max(0, corrupted))) - mean) / standardDeviation
        }
    }
    /// The corrupted value of element i; nil when it is unaffected.
    private func corrupted(_ value: Double, _ i: Int, _ key: RandomKey) -> Double? {
        switch kind {
        case .gaussian: return value + strength * key.normal(i)
        case .speckle: return value + strength * value * key.normal(i)
        case .impulse:
            let u = key.uniform(i)
            return u < strength ? (key.fold("salt").integer(i, below: 2) == 0 ? 0 : 1) : nil
        case .shot: return Double(key.fold(i).poisson(max(0, value) / strength)) * strength
        case .dropped, .burst, .swapped, .replaced: return nil
        }
    }
}

extension RandomKey {
    fileprivate func normal(_ i: Int) -> Double {
        let pair = normalPair(i / 2)
        return i % 2 == 0 ? pair.0 : pair.1
    }
    /// A Poisson random number, by inversion.
    ///
    /// A mean above 500 is split into summands, because exp(−mean) would lose precision.
    func poisson(_ mean: Double) -> Int {
        var rest = mean, sum = 0, part = 0
        while rest > 0 {
            let mean = min(rest, 500), mark = uniform(part)
            var k = 0, p = Foundation.exp(-mean), below = p
            while mark >= below {
                k += 1
                p *= mean / Double(k)
                // The sum of the probabilities has converged below the drawn number because of rounding.
                if below + p == below && Double(k) > mean { break }
                below += p
            }
            sum += k
            rest -= mean
            part += 1
        }
        return sum
    }
}
