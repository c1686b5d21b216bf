import Foundation
import NSTMTensor

/// Something that goes wrong with what a model reads, and how much of it. What it should answer stays as it is.
///
/// Strength 0 is no noise at all. What hits a sequence is a function of a key: with the same key a stronger noise hits what a weaker
/// one hits, and more.
public struct InputNoise: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable, Codable {
        /// A token does not arrive, and the last one that did stays in its place: a window has as many places as before. The first
        /// token of a sequence always arrives.
        case dropped = "dropped-tokens"
        /// As `dropped`, for one stretch of each sequence.
        case burst = "lost-stretch"
        /// A token changes places with a neighbor. Where the next token is wanted, the first of the two places then reads what it
        /// should answer; a model that says what it reads, as one with tied embeddings does before it has learnt anything, gains from
        /// that.
        case swapped = "swapped-tokens"
        /// Another token, each as likely as the others.
        case replaced = "replaced-tokens"
        /// v + σ z, z normal.
        case gaussian = "gaussian"
        /// A Poisson number of particles, of which value 1 would get 1 / strength on average.
        case shot = "shot"
        /// 0 or 1, both as likely.
        case impulse = "impulse"
        /// v + σ v z, z normal.
        case speckle = "speckle"
    }
    public var kind: Kind
    /// The part of the tokens or values that are hit (for neighbors: that move), or of the sequence that is lost; the standard
    /// standardDeviation σ of `gaussian` and `speckle`; the variance of value 1 of `shot`.
    public var strength: Double

    public init(_ kind: Kind, strength: Double) {
        self.kind = kind
        self.strength = strength
    }

    /// What is wrong with the noise by itself, or with it for a dataset; empty for nothing.
    public func issues(for dataset: any Dataset) -> [String] {
        var issues: [String] = []
        let range = kind.strengthRange
        if !range.contains(strength) {
            let allowed = range.upperBound.isFinite ? "lie in \(range)" : "be 0 or more, and finite"
            issues.append("\(kind.rawValue): the strength is \(strength); it must \(allowed)")
        }
        if !kind.fits(dataset.inputKind) {
            issues.append("\(kind.rawValue): the dataset has no \(kind.isOfTokens ? "tokens" : "features") among its inputs")
        } else if kind.needsScale && dataset.featureScale == nil {
            issues.append("\(kind.rawValue): the dataset does not say how its features were made from values in 0 … 1")
        }
        return issues
    }
}

extension InputNoise.Kind {
    /// Whether it is for tokens, or else for features.
    public var isOfTokens: Bool { [.dropped, .burst, .swapped, .replaced].contains(self) }
    /// Whether it makes sense for values in 0 … 1 only.
    var needsScale: Bool { [.shot, .impulse, .speckle].contains(self) }
    var strengthRange: ClosedRange<Double> {
        isOfTokens || self == .impulse ? 0...1 : 0...Double.greatestFiniteMagnitude
    }

    /// Five strengths to measure. Those of values are the severities of CIFAR-10-C (Hendrycks & Dietterich, "Benchmarking neural
    /// network robustness to common corruptions and perturbations", 2019, and their code); its shot noise of 500, 250, 100, 75 and
    /// 50 particles is given as a variance here. Those of tokens are this project's.
    public var strengths: [Double] {
        switch self {
        case .dropped, .burst, .swapped, .replaced: [0.01, 0.02, 0.05, 0.1, 0.2]
        case .gaussian: [0.04, 0.06, 0.08, 0.09, 0.1]
        case .shot: [1.0 / 500, 1.0 / 250, 1.0 / 100, 1.0 / 75, 1.0 / 50]
        case .impulse: [0.01, 0.02, 0.03, 0.05, 0.07]
        case .speckle: [0.06, 0.1, 0.12, 0.16, 0.2]
        }
    }
    /// What its strength is, for an axis.
    public var strengthName: String {
        switch self {
        case .dropped, .swapped, .replaced: "part of the tokens"
        case .burst: "part of the sequence"
        case .gaussian, .speckle: "standard standardDeviation"
        case .shot: "variance of value 1"
        case .impulse: "part of the values"
        }
    }
    /// Whether some input is of the kind it is for.
    public func fits(_ input: InputKind) -> Bool {
        switch input {
        case .tokens: isOfTokens
        case .features: !isOfTokens
        case .streams(let parts): parts.contains { fits($0) }
        }
    }
}

/// How the features of a dataset were made from values v in 0 … 1, such as the brightness of pixels: (v − mean) / standardDeviation.
public struct FeatureScale: Sendable, Equatable {
    /// For each feature, or of so many that they repeat.
    public var means: [Float]
    public var deviations: [Float]

    /// As many deviations as means, at least one; else the program stops.
    public init(means: [Float], deviations: [Float]) {
        guard !means.isEmpty, means.count == deviations.count else {
            nstmFatal(.other(op: "FeatureScale", "\(means.count) means and \(deviations.count) deviations"))
        }
        self.means = means
        self.deviations = deviations
    }
    public init(mean: Float = 0, standardDeviation: Float = 1) { self.init(means: [mean], deviations: [standardDeviation]) }
}

extension InputNoise {
    /// Tokens of one sequence, hit in place.
    func corrupt(_ tokens: inout ArraySlice<Int32>, vocabulary: Int, _ key: RandomKey) {
        let first = tokens.startIndex, count = tokens.count
        guard count > 0, strength > 0 else { return }
        switch kind {
        case .dropped:
            for i in 1..<max(1, count) where key.uniform(i) < strength { tokens[first + i] = tokens[first + i - 1] }
        case .burst:
            // So long on average, to the place; the first token is not lost.
            let length = min(count - 1, Int(strength * Double(count) + key.uniform(0)))
            let begin = 1 + key.integer(1, below: count - length)
            for i in begin..<begin + length { tokens[first + i] = tokens[first + begin - 1] }
        case .swapped:
            // Pairs that do not overlap: from the first token on, or from the second.
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

    /// Features of one sequence [T × width], hit in place.
    /// - Parameter scale: nil for features that are not values in 0 … 1; noise is then added to what they are.
    func corrupt(_ features: inout ArraySlice<Float>, _ scale: FeatureScale?, _ key: RandomKey) {
        guard strength > 0, !kind.isOfTokens else { return }
        let first = features.startIndex
        for i in 0..<features.count {
            guard let scale else {
                features[first + i] += Float(strength * key.normal(i))
                continue
            }
            let mean = scale.means[i % scale.means.count], standardDeviation = scale.deviations[i % scale.deviations.count]
            let value = Double(features[first + i] * standardDeviation + mean)
            // What is not hit keeps its bits.
            guard let hit = hit(value, i, key) else { continue }
            features[first + i] = (Float(min(1, max(0, hit))) - mean) / standardDeviation
        }
    }
    /// Nil for a value that stays as it is.
    private func hit(_ value: Double, _ i: Int, _ key: RandomKey) -> Double? {
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
    /// A Poisson number by inversion, in parts of a mean whose exponential has all its digits.
    func poisson(_ mean: Double) -> Int {
        var rest = mean, sum = 0, part = 0
        while rest > 0 {
            let mean = min(rest, 500), mark = uniform(part)
            var k = 0, p = Foundation.exp(-mean), below = p
            while mark >= below {
                k += 1
                p *= mean / Double(k)
                // What rounding leaves beyond the last number with a weight.
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
