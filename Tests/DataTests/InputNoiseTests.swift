import NSTMData
import NSTMTensor
import Testing

/// Sequences of tokens that are all different, or features that are all one value, in evaluation batches of any size.
private struct Plain: Dataset {
    var inputKind = InputKind.tokens(vocabulary: 128)
    var featureScale: InputNoise.FeatureScale?
    var count = 600, contextLength = 100
    var value: Float = 0.5
    let name = "plain", fingerprint = "plain"
    let targetKind = TargetKind.nextToken(vocabulary: 128)

    static func features(_ value: Float = 0.5, _ scale: InputNoise.FeatureScale? = InputNoise.FeatureScale()) -> Plain {
        Plain(inputKind: .features(width: 2), featureScale: scale, value: value)
    }
    private func stream(_ kind: InputKind, _ size: Int) -> Tensor {
        let T = contextLength
        if case .tokens = kind { return Tensor((0..<size * T).map { Int32($0 % T) }, [size, T]) }
        let scale = featureScale ?? InputNoise.FeatureScale()
        return Tensor(
            (0..<size * T * 2).map {
                (value - scale.means[$0 % scale.means.count]) / scale.standardDeviations[$0 % scale.means.count]
            },
            [size, T, 2])
    }
    private func batch(_ size: Int) -> Batch {
        let kinds = if case .streams(let kinds) = inputKind { kinds } else { [inputKind] }
        let length = contextLength * kinds.count, all = kinds.map { stream($0, size) }
        return Batch(
            inputs: all[0], and: Array(all.dropFirst()),
            targets: Tensor((0..<size * length).map { Int32($0 % 5) }, [size, length]),
            mask: Tensor((0..<size * length).map { Float($0 % 2) }, [size, length]))
    }
    func trainingBatch(step: Int, size: Int, key: RandomKey) -> Batch { batch(size) }
    func evaluationBatches(size: Int, limit: Int?) -> BatchSequence {
        BatchSequence(total: (count + size - 1) / size, limit: limit) { batch(min(size, count - $0 * size)) }
    }
}

@Suite struct InputNoiseTests {
    private func tokens(_ kind: InputNoise.Kind, _ strength: Double, seed: Int = 1, size: Int = 600) throws -> [[Int32]] {
        let data = try NoisyDataset(Plain(), InputNoise(kind, strength: strength), seed: seed)
        return data.evaluationBatches(size: size).flatMap { batch in
            let all = batch.inputs.elements(Int32.self)
            return (0..<batch.sequenceCount).map { Array(all[$0 * 100..<$0 * 100 + 100]) }
        }
    }
    private let clean = (0..<100).map { Int32($0) }
    private func values(
        _ kind: InputNoise.Kind, _ strength: Double, _ value: Float, _ scale: InputNoise.FeatureScale? = InputNoise.FeatureScale()
    )
        throws -> [Double]
    {
        let data = try NoisyDataset(Plain.features(value, scale), InputNoise(kind, strength: strength))
        let s = scale ?? InputNoise.FeatureScale()
        return data.evaluationBatches(size: 100).flatMap { $0.inputs.elements(Float.self) }.enumerated().map { i, x in
            Double(x * s.standardDeviations[i % s.means.count] + s.means[i % s.means.count])
        }
    }
    private func moments(_ x: [Double]) -> (mean: Double, standardDeviation: Double) {
        let mean = x.reduce(0, +) / Double(x.count)
        return (mean, (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)).squareRoot())
    }
    /// Whether `hits` of `count` agrees with probability p within five standard deviations.
    private func isLikely(_ hits: Int, of count: Int, _ p: Double) -> Bool {
        abs(Double(hits) - p * Double(count)) <= 5 * (p * (1 - p) * Double(count)).squareRoot()
    }

    @Test(arguments: [0.02, 0.3, 1]) func droppedTokensLeaveTheLastThatArrived(_ p: Double) throws {
        var hits = 0
        for row in try tokens(.dropped, p) {
            #expect(row[0] == clean[0])
            for t in 1..<100 where row[t] != clean[t] {
                hits += 1
                #expect(row[t] == row[t - 1])
            }
        }
        #expect(isLikely(hits, of: 600 * 99, p))
    }

    @Test(arguments: [0.05, 0.5, 1]) func neighborsAreSwapped(_ p: Double) throws {
        var moved = 0, starts = 0
        for row in try tokens(.swapped, p) {
            var t = 0
            while t < 100 {
                if row[t] == clean[t] {
                    t += 1
                    continue
                }
                #expect(t + 1 < 100 && row[t] == clean[t + 1] && row[t + 1] == clean[t])
                if t == 0 { starts += 1 }
                moved += 2
                t += 2
            }
        }
        // Pairs begin at the first token or at the second: 50 or 49 of them.
        #expect(abs(Double(moved) / 600 - 99 * p) < 5 * 2 * (50 * p * (1 - p) / 600 + 0.25 / 600).squareRoot())
        #expect(isLikely(starts, of: 600, p / 2))
    }

    @Test(arguments: [0.05, 0.5, 1]) func othersReplaceTokens(_ p: Double) throws {
        var hits = 0, counts = [Int](repeating: 0, count: 128)
        for row in try tokens(.replaced, p) {
            for t in 0..<100 where row[t] != clean[t] {
                #expect((0..<128).contains(row[t]))
                hits += 1
                counts[Int((row[t] - clean[t] + 128) % 128)] += 1
            }
        }
        #expect(isLikely(hits, of: 60_000, p))
        #expect(counts[0] == 0)
        for other in 1..<128 { #expect(isLikely(counts[other], of: hits, 1 / 127)) }
    }

    /// Of 100 p tokens on average, which is 12 or 13 for 0.123; the first is never lost.
    @Test(arguments: [0.004, 0.123, 0.5, 1]) func oneSegmentIsLost(_ p: Double) throws {
        var lost = 0, firsts: Set<Int> = []
        for row in try tokens(.burst, p) {
            let hit = (0..<100).filter { row[$0] != clean[$0] }
            guard let first = hit.first else { continue }
            firsts.insert(first)
            #expect(hit == Array(first..<first + hit.count))
            #expect(hit.allSatisfy { row[$0] == clean[first - 1] })
            #expect(hit.count == min(99, Int(100 * p)) || hit.count == min(99, Int(100 * p) + 1))
            lost += hit.count
        }
        let part = (100 * p).truncatingRemainder(dividingBy: 1)
        #expect(p == 1 ? lost == 600 * 99 : isLikely(lost - 600 * Int(100 * p), of: 600, part))
        #expect(firsts.count >= (p == 1 ? 1 : 40))
    }

    @Test func gaussianAndSpeckle() throws {
        for scale in [InputNoise.FeatureScale(), InputNoise.FeatureScale(means: [0.2, 0.4], standardDeviations: [0.5, 3]), nil] {
            let noise = moments(try values(.gaussian, 0.08, 0.5, scale))
            #expect(abs(noise.mean - 0.5) < 0.002 && abs(noise.standardDeviation - 0.08) < 0.001, "\(noise)")
        }
        let speckle = moments(try values(.speckle, 0.2, 0.5))
        #expect(abs(speckle.mean - 0.5) < 0.002 && abs(speckle.standardDeviation - 0.1) < 0.001)
        #expect(try values(.speckle, 0.2, 0).allSatisfy { $0 == 0 })
        // Values stay in 0 … 1 where the dataset has such; half of what starts at 1 would leave.
        let cut = try values(.gaussian, 0.1, 1)
        #expect(cut.max() == 1 && isLikely(cut.count { $0 == 1 }, of: cut.count, 0.5))
    }

    @Test func impulse() throws {
        let all = try values(.impulse, 0.07, 0.3, InputNoise.FeatureScale(mean: 0, standardDeviation: 1))
        let black = all.count { $0 == 0 }, white = all.count { $0 == 1 }
        #expect(isLikely(black, of: all.count, 0.035) && isLikely(white, of: all.count, 0.035))
        #expect(all.allSatisfy { $0 == 0 || $0 == 1 || $0 == Double(Float(0.3)) })
    }

    /// Mean v and variance v · strength; 1 / strength above what one exponential can hold, too.
    @Test(arguments: [(0.02, 0.5), (0.002, 0.6), (0.0004, 0.5)]) func shot(_ strength: Double, _ value: Double) throws {
        let noise = moments(try values(.shot, strength, Float(value)))
        let standardDeviation = (value * strength).squareRoot()
        #expect(abs(noise.mean - value) < standardDeviation / 60, "\(noise)")
        #expect(abs(noise.standardDeviation / standardDeviation - 1) < 0.02, "\(noise)")
        #expect(try values(.shot, strength, 0).allSatisfy { $0 == 0 })
        // Numbers of particles are whole.
        #expect(
            try values(.shot, strength, Float(value)).prefix(100).allSatisfy {
                abs(($0 / strength).rounded() - $0 / strength) < 1e-3
            })
    }

    private static let everyKind = InputNoise.Kind.allCases
    private func dataset(for kind: InputNoise.Kind) -> Plain { kind.isOfTokens ? Plain() : .features() }
    private func bytes(_ batches: BatchSequence) -> [[UInt8]] {
        batches.flatMap { batch in batch.streams.map { $0.withBytes { Array($0) } } }
    }

    @Test(arguments: everyKind) func onlyInputsAreHit(_ kind: InputNoise.Kind) throws {
        let clean = dataset(for: kind), noisy = try NoisyDataset(clean, InputNoise(kind, strength: 0.3))
        for (a, b) in zip(clean.evaluationBatches(size: 64), noisy.evaluationBatches(size: 64)) {
            #expect(a.targets.elements(Int32.self) == b.targets.elements(Int32.self))
            #expect(a.mask!.elements(Float.self) == b.mask!.elements(Float.self))
            #expect(a.tokenCount == b.tokenCount && a.inputs.shape == b.inputs.shape)
            #expect(a.inputs.withBytes { Array($0) } != b.inputs.withBytes { Array($0) })
        }
        let key = RandomKey(3)
        #expect(
            noisy.trainingBatch(step: 1, size: 4, key: key).inputs.withBytes { Array($0) }
                == clean.trainingBatch(step: 1, size: 4, key: key).inputs.withBytes { Array($0) })
        #expect(noisy.fingerprint != clean.fingerprint)
        let silent = try NoisyDataset(clean, InputNoise(kind, strength: 0))
        #expect(bytes(silent.evaluationBatches(size: 64)) == bytes(clean.evaluationBatches(size: 64)))
    }

    @Test(arguments: everyKind) func noiseIsAFunctionOfSeedAndPlace(_ kind: InputNoise.Kind) throws {
        let data = dataset(for: kind)
        func batches(_ size: Int, seed: Int = 1, limit: Int? = nil, strength: Double = 0.1) throws -> BatchSequence {
            try NoisyDataset(data, InputNoise(kind, strength: strength), seed: seed).evaluationBatches(size: size, limit: limit)
        }
        let whole = bytes(try batches(600))[0]
        #expect(whole == bytes(try batches(600))[0])
        #expect(whole != bytes(try batches(600, seed: 2))[0])
        #expect(whole == bytes(try batches(64)).flatMap(\.self))
        let some = bytes(try batches(64, limit: 3)), all = bytes(try batches(64))
        #expect(some == [all[0], all[all.count / 3], all[all.count * 2 / 3]])
        // Elements changed by weak noise are also changed by stronger noise.
        guard [.replaced, .swapped].contains(kind) else { return }
        for (weak, strong) in zip(try tokens(kind, 0.1), try tokens(kind, 0.3)) {
            #expect((0..<100).allSatisfy { weak[$0] == clean[$0] || strong[$0] != clean[$0] })
        }
    }

    @Test func allFaultsComeTogether() throws {
        let noises = [
            InputNoise(.dropped, strength: 1.5), InputNoise(.gaussian, strength: -1), InputNoise(.impulse, strength: .nan),
            InputNoise(.replaced, strength: 0.1), InputNoise(.shot, strength: 0.1),
        ]
        let error = #expect(throws: DatasetError.self) { try NoisyDataset.check(noises, on: Plain.features(0.5, nil)) }
        guard case .invalid("plain", let issues)? = error else { return }
        #expect(issues.count == 7, "\(issues)")
        for part in [
            "dropped-tokens: the strength is 1.5", "dropped-tokens: the dataset has no tokens", "gaussian: the strength is -1.0",
            "impulse: the strength is nan", "impulse: the dataset has no scaling", "replaced-tokens: the dataset has no tokens",
            "shot: the dataset has no scaling",
        ] { #expect(issues.contains { $0.hasPrefix(part) }, "\(part)") }
        #expect(throws: DatasetError.self) { try NoisyDataset(Plain(), InputNoise(.gaussian, strength: 0.1)) }
    }

    /// Of an image and a question, each noise changes only its own kind of input.
    @Test func severalInputs() throws {
        let both = Plain(
            inputKind: .streams([.features(width: 2), .tokens(vocabulary: 128)]), featureScale: InputNoise.FeatureScale())
        let clean = both.evaluationBatches(size: 100)[0].streams.map { $0.withBytes { Array($0) } }
        for (kind, index) in [(InputNoise.Kind.gaussian, 0), (.replaced, 1)] {
            let hit = try NoisyDataset(both, InputNoise(kind, strength: 0.2)).evaluationBatches(size: 100)[0].streams
            let same = zip(hit, clean).map { x, old in x.withBytes { Array($0) } == old }
            #expect(same == [index == 1, index == 0])
        }
    }

    @Test func shortSequences() throws {
        for length in [1, 2, 3] {
            for kind in [InputNoise.Kind.dropped, .burst, .swapped, .replaced] {
                let data = try NoisyDataset(Plain(count: 5, contextLength: length), InputNoise(kind, strength: 1))
                #expect(data.evaluationBatches(size: 5)[0].inputs.shape == [5, length])
            }
        }
    }
}
