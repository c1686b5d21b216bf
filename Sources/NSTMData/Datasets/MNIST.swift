import Foundation
import NSTMTensor

/// Handwritten digits as sequences, one class for each image: LeCun, Cortes and Burges, "The MNIST database of handwritten
/// digits", 60,000 images for training and 10,000 for testing, 28 × 28 pixels. Reads every data set of the same four files.
///
/// An image is cut into square patches, row by row; a position of the sequence is a patch, its features are the pixels, row by
/// row. Patches of 4 give 49 positions of 16 features; patches of 1 give the 784 single pixels of "sequential MNIST" (Le, Jaitly
/// and Hinton, "A simple way to initialize recurrent networks of rectified linear units", 2015). Pixels are scaled to 0 … 1, then
/// `mean` is subtracted, and they are divided by `standardDeviation`.
///
/// The last training images are for validation. Training goes through the others in a new order each epoch, every image once.
public struct MNIST: Dataset {
    /// What evaluation batches come from.
    public enum Split: String, Sendable, CaseIterable { case validation, test }

    /// Mean and standard standardDeviation of the official training images, to four digits.
    public static let mean: Float = 0.1307, standardDeviation: Float = 0.3081
    public static let classes = 10

    public let name = "mnist"
    /// Side of a patch, in pixels.
    public let patch: Int
    /// Training images are moved by up to so many pixels in both directions.
    public let shift: Int
    public let evaluation: Split
    public let fingerprint: String
    public let inputKind: InputKind
    public let targetKind = TargetKind.classes(count: MNIST.classes)
    public var featureScale: FeatureScale? { FeatureScale(mean: MNIST.mean, standardDeviation: MNIST.standardDeviation) }
    /// Patches of an image.
    public let contextLength: Int
    public var inputLengths: [ClosedRange<Int>] { [contextLength...contextLength] }
    /// Images for training.
    public let trainingCount: Int
    /// Training images kept for validation.
    public let validationCount: Int
    public var testCount: Int { test.count }

    private let training: LabeledImages
    private let test: LabeledImages
    /// The feature of each byte.
    private let levels: [Float]

    /// - Parameters:
    ///   - patch: must divide both sides of an image.
    ///   - shift: largest random displacement of a training image; what moves in is black. 0 leaves the images alone.
    ///   - validationCount: how many of the last training images are for validation.
    ///   - evaluation: what `evaluationBatches` goes through.
    /// - Throws: `DatasetError.invalid` with everything that is wrong with files and parameters.
    public init(
        _ files: MNISTFiles, patch: Int = 4, shift: Int = 0, validationCount: Int = 5000, evaluation: Split = .validation
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
                issues.append("patches of \(patch) pixels do not divide images of \(first.height) × \(first.width)")
            }
            if validationCount < 1 || validationCount >= first.count {
                issues.append(
                    "\(validationCount) of \(first.count) training images for validation; it must be at least 1, and leave one")
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
        let order = key.fold("mnist"), moves = key.fold("mnist shift").fold(step)
        return batch(training, size) { row in
            let (epoch, place) = (step * size + row).quotientAndRemainder(dividingBy: trainingCount)
            let span = 2 * shift + 1
            return Pick(
                image: order.fold(epoch).permuted(place, of: trainingCount),
                down: moves.integer(2 * row, below: span) - shift, right: moves.integer(2 * row + 1, below: span) - shift)
        }
    }

    public func evaluationBatches(size: Int, limit: Int?) -> BatchSequence {
        evaluationBatches(of: evaluation, size: size, limit: limit)
    }
    /// The images of a split, in their order.
    public func evaluationBatches(of split: Split, size: Int, limit: Int? = nil) -> BatchSequence {
        guard size >= 1 else { fatalError("evaluationBatches: a batch of \(size) images") }
        let images = split == .test ? test : training
        let first = split == .test ? 0 : trainingCount, count = images.count - first
        return BatchSequence(total: (count + size - 1) / size, limit: limit) { i in
            batch(images, Swift.min(size, count - i * size)) { Pick(image: first + i * size + $0) }
        }
    }

    /// An image of a batch, and how far it is moved.
    private struct Pick {
        var image: Int
        var down = 0, right = 0
    }
    private func batch(_ images: LabeledImages, _ size: Int, _ pick: (Int) -> Pick) -> Batch {
        guard size >= 1 else { fatalError("mnist: a batch of \(size) images") }
        let picks = (0..<size).map(pick), height = images.height, width = images.width
        let inputs = Tensor([size, contextLength, patch * patch], initializing: Float.self) { p in
            images.pixels.withUnsafeBufferPointer { pixels in
                var i = 0
                for pick in picks {
                    let start = pick.image * height * width
                    for top in stride(from: 0, to: height, by: patch) {
                        for left in stride(from: 0, to: width, by: patch) {
                            for row in (top - pick.down)..<(top - pick.down + patch) {
                                for column in (left - pick.right)..<(left - pick.right + patch) {
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
        return Batch(inputs: inputs, targets: Tensor(picks.map { Int32(images.labels[$0.image]) }))
    }
}
