import Foundation
import NSTMTensor

/// Handwritten digits as sequences, with one class per image: LeCun, Cortes and Burges, "The MNIST database of handwritten
/// digits", 60,000 training and 10,000 test images of 28 × 28 pixels.
///
/// Any dataset in the same four files can be read.
///
/// An image is cut into square patches. A position of the sequence is a patch and its features are the pixels, both in row-major
/// order. Patches of 4 give 49 positions of 16 features; patches of 1 give the 784 single pixels of "sequential MNIST" (Le,
/// Jaitly and Hinton, "A simple way to initialize recurrent networks of rectified linear units", 2015). Pixels are scaled to 0 …
/// 1, then standardized with `mean` and `standardDeviation`.
///
/// The last training images are the validation split. Each epoch of training visits every other image once, in a new random
/// order.
public struct MNIST: Dataset {
    /// The split that evaluation batches come from.
    public enum Split: String, Sendable, CaseIterable { case validation, test }

    /// Mean of the pixels of the official training images, to four digits.
    public static let mean: Float = 0.1307
    /// Standard deviation of the pixels of the official training images, to four digits.
    public static let standardDeviation: Float = 0.3081
    /// Number of classes.
    public static let classes = 10

    public let name = "mnist"
    /// Rows and columns of a patch, in pixels.
    public let patch: Int
    /// Maximum random shift of a training image along each axis, in pixels.
    public let shift: Int
    /// Split that `evaluationBatches` uses.
    public let evaluation: Split
    /// SHA-256 of the content and its split, in hexadecimal.
    public let fingerprint: String
    public let inputKind: InputKind
    public let targetKind = TargetKind.classes(count: MNIST.classes)
    public var featureScale: InputNoise.FeatureScale? {
        InputNoise.FeatureScale(mean: MNIST.mean, standardDeviation: MNIST.standardDeviation)
    }
    /// Number of patches of an image.
    public let contextLength: Int
    public var inputLengths: [ClosedRange<Int>] { [contextLength...contextLength] }
    /// Number of images for training.
    public let trainingCount: Int
    /// Number of training images held out for validation.
    public let validationCount: Int
    /// Number of test images.
    public var testCount: Int { test.count }

    private let training: LabeledImages
    private let test: LabeledImages
    /// Feature value of each byte.
    private let levels: [Float]

    /// - Parameters:
    ///   - patch: rows and columns of a patch; must divide both sides of an image.
    ///   - shift: maximum random shift of a training image along each axis, in pixels, filled with black; 0 for none.
    ///   - validationCount: number of the last training images held out for validation.
    ///   - evaluation: split that `evaluationBatches` uses.
    /// - Throws: `DatasetError.invalid` with all issues of files and parameters.
    public init(
        _ files: MNIST.Files, patch: Int = 4, shift: Int = 0, validationCount: Int = 5000, evaluation: Split = .validation
    ) throws(DatasetError) {
        var issues: [String] = []
        let first = LabeledImages(
            images: files.trainingImages, labels: files.trainingLabels, classes: MNIST.classes, issues: &issues)
        let second = LabeledImages(images: files.testImages, labels: files.testLabels, classes: MNIST.classes, issues: &issues)
        if let first {
            if let second, (first.height, first.width) != (second.height, second.width) {
                issues.append(
                    "training images have \(first.height) × \(first.width) pixels, test images \(second.height) × \(second.width)"
                )
            }
            if patch < 1 || first.height % patch != 0 || first.width % patch != 0 {
                issues.append(
                    "images of \(first.height) × \(first.width) pixels are not divisible into patches of \(patch) × \(patch)")
            }
            if validationCount < 1 || validationCount >= first.count {
                issues.append(
                    "the validation split has \(validationCount) of \(first.count) training images; it must be in 1..<\(first.count)"
                )
            }
        }
        if shift < 0 { issues.append("the shift is \(shift); it must be 0 or more") }
        guard let training = first, let test = second, issues.isEmpty else { throw .invalid(dataset: "mnist", issues: issues) }
        self.training = training
        self.test = test
        self.patch = patch
        self.shift = shift
        self.evaluation = evaluation
        self.validationCount = validationCount
        trainingCount = training.count - validationCount
        contextLength = training.height / patch * (training.width / patch)
        inputKind = .features(width: patch * patch)
        levels = (0..<256).map { (Float($0) / 255 - MNIST.mean) / MNIST.standardDeviation }

        var digest = DigestCounter()
        digest.update("nstm mnist 1, patch \(patch), shift \(shift), validation \(validationCount), evaluation \(evaluation)\n")
        for part in [training, test] {
            digest.update("\(part.count) × \(part.height) × \(part.width)\n")
            digest.update(Data(part.pixels))
            digest.update(Data(part.labels))
        }
        fingerprint = digest.finish().sha256
    }

    // MARK: Batches

    public func trainingBatch(step: Int, size: Int, key: RandomKey) -> Batch {
        let order = key.fold("mnist"), shifts = key.fold("mnist shift").fold(step)
        return batch(training, size) { row in
            let (epoch, index) = (step * size + row).quotientAndRemainder(dividingBy: trainingCount)
            let span = 2 * shift + 1
            return Sample(
                image: order.fold(epoch).permuted(index, of: trainingCount),
                down: shifts.integer(2 * row, below: span) - shift, right: shifts.integer(2 * row + 1, below: span) - shift)
        }
    }

    public func evaluationBatches(size: Int, limit: Int?) -> BatchSequence {
        evaluationBatches(of: evaluation, size: size, limit: limit)
    }
    /// The batches of a split, in the order of its files.
    /// - Parameters:
    ///   - size: the largest B, at least 1.
    ///   - limit: maximum number of batches, spread evenly over the split; nil for all of them.
    public func evaluationBatches(of split: Split, size: Int, limit: Int? = nil) -> BatchSequence {
        guard size >= 1 else { nstmFatal(.other(op: "MNIST.evaluationBatches", "batch size \(size) must be at least 1")) }
        let images = split == .test ? test : training
        let first = split == .test ? 0 : trainingCount, count = images.count - first
        return BatchSequence(total: (count + size - 1) / size, limit: limit) { i in
            batch(images, Swift.min(size, count - i * size)) { Sample(image: first + i * size + $0) }
        }
    }

    /// Index and shift of an image of a batch.
    private struct Sample {
        var image: Int
        var down = 0, right = 0
    }
    private func batch(_ images: LabeledImages, _ size: Int, _ sample: (Int) -> Sample) -> Batch {
        guard size >= 1 else { nstmFatal(.other(op: "MNIST", "batch size \(size) must be at least 1")) }
        let samples = (0..<size).map(sample), height = images.height, width = images.width
        let inputs = Tensor([size, contextLength, patch * patch], initializing: Float.self) { p in
            images.pixels.withUnsafeBufferPointer { pixels in
                var i = 0
                for sample in samples {
                    let start = sample.image * height * width
                    for top in stride(from: 0, to: height, by: patch) {
                        for left in stride(from: 0, to: width, by: patch) {
                            for row in (top - sample.down)..<(top - sample.down + patch) {
                                for column in (left - sample.right)..<(left - sample.right + patch) {
                                    let isInside = row >= 0 && row < height && column >= 0 && column < width
                                    p[i] = levels[isInside ? Int(pixels[start + row * width + column]) : 0]
                                    i += 1
                                }
                            }
                        }
                    }
                }
            }
        }
        return Batch(inputs: inputs, targets: Tensor(samples.map { Int32(images.labels[$0.image]) }))
    }
}
