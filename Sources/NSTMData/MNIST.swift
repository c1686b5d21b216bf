import Foundation
import NSTMTensor

/// Handwritten digits as sequences, one class for each image: LeCun, Cortes and Burges, "The MNIST database of handwritten
/// digits", 60,000 images for training and 10,000 for testing, 28 × 28 pixels. Reads every data set of the same four files.
///
/// An image is cut into square patches, row by row; a position of the sequence is a patch, its features are the pixels, row by
/// row. Patches of 4 give 49 positions of 16 features; patches of 1 give the 784 single pixels of "sequential MNIST" (Le, Jaitly
/// and Hinton, "A simple way to initialize recurrent networks of rectified linear units", 2015). Pixels are scaled to 0 … 1, then
/// `mean` is subtracted, and they are divided by `deviation`.
///
/// The last training images are for validation. Training goes through the others in a new order each epoch, every image once.
public struct MNIST: Dataset {
    /// What evaluation batches come from.
    public enum Split: String, Sendable, CaseIterable { case validation, test }

    /// Mean and standard deviation of the official training images, to four digits.
    public static let mean: Float = 0.1307, deviation: Float = 0.3081
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
    public var featureScale: FeatureScale? { FeatureScale(mean: MNIST.mean, deviation: MNIST.deviation) }
    /// Patches of an image.
    public let contextLength: Int
    public var inputLengths: [ClosedRange<Int>] { [contextLength...contextLength] }
    /// Images for training.
    public let trainingCount: Int
    /// Training images kept for validation.
    public let validationCount: Int
    public var testCount: Int { test.count }

    private let training: LabelledImages
    private let test: LabelledImages
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
        var faults: [String] = []
        let first = LabelledImages(
            images: files.trainingImages, labels: files.trainingLabels, classes: MNIST.classes, faults: &faults)
        let second = LabelledImages(images: files.testImages, labels: files.testLabels, classes: MNIST.classes, faults: &faults)
        if let first {
            if let second, (first.height, first.width) != (second.height, second.width) {
                faults.append(
                    "training images have \(first.height) × \(first.width) pixels, test images \(second.height) × \(second.width)"
                )
            }
            if patch < 1 || first.height % patch != 0 || first.width % patch != 0 {
                faults.append("patches of \(patch) pixels do not divide images of \(first.height) × \(first.width)")
            }
            if validationCount < 1 || validationCount >= first.count {
                faults.append(
                    "\(validationCount) of \(first.count) training images for validation; it must be at least 1, and leave one")
            }
        }
        if shift < 0 { faults.append("the shift is \(shift); it must be 0 or more") }
        guard let training = first, let test = second, faults.isEmpty else { throw .invalid(dataset: "mnist", faults: faults) }
        self.training = training
        self.test = test
        self.patch = patch
        self.shift = shift
        self.evaluation = evaluation
        self.validationCount = validationCount
        trainingCount = training.count - validationCount
        contextLength = training.height / patch * (training.width / patch)
        inputKind = .features(width: patch * patch)
        levels = (0..<256).map { (Float($0) / 255 - MNIST.mean) / MNIST.deviation }

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
    private func batch(_ images: LabelledImages, _ size: Int, _ pick: (Int) -> Pick) -> Batch {
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

/// The four files of MNIST on this machine, packed with gzip or plain.
public struct MNISTFiles: Sendable, Equatable {
    public var trainingImages: URL
    public var trainingLabels: URL
    public var testImages: URL
    public var testLabels: URL
    /// To be shown to the user.
    public var warnings: [DatasetWarning] = []

    public init(trainingImages: URL, trainingLabels: URL, testImages: URL, testLabels: URL) {
        self.trainingImages = trainingImages
        self.trainingLabels = trainingLabels
        self.testImages = testImages
        self.testLabels = testLabels
    }
    /// Finds the files, or fetches them.
    /// - Throws: as `DatasetFolder.resolve`.
    public init(
        in folder: DatasetFolder, download: Bool = true, progress: DatasetFolder.Progress? = nil
    ) throws(DatasetError) {
        var files: [DatasetFile] = []
        for source in DatasetSource.mnist {
            files.append(try folder.resolve(source, download: download, progress: progress))
        }
        self.init(
            trainingImages: files[0].url, trainingLabels: files[1].url, testImages: files[2].url, testLabels: files[3].url)
        warnings = files.compactMap(\.warning)
    }
}

extension DatasetSource {
    /// Training images, training labels, test images, test labels of MNIST, from the mirror that PyTorch keeps. Y. LeCun and
    /// C. Cortes hold the copyright; commonly given as CC BY-SA 3.0.
    public static let mnist = [
        mnist(
            "train-images-idx3-ubyte", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            unpacked: 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        mnist(
            "train-labels-idx1-ubyte", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            unpacked: 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        mnist(
            "t10k-images-idx3-ubyte", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            unpacked: 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        mnist(
            "t10k-labels-idx1-ubyte", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            unpacked: 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ]
    private static func mnist(
        _ name: String, _ bytes: Int, _ sha256: String, unpacked plainBytes: Int, _ plainSHA256: String
    ) -> DatasetSource {
        DatasetSource(
            dataset: "mnist", file: name + ".gz",
            address: URL(string: "https://ossci-datasets.s3.amazonaws.com/mnist/\(name).gz")!,
            digest: FileDigest(byteCount: bytes, sha256: sha256),
            unpacked: FileDigest(byteCount: plainBytes, sha256: plainSHA256))
    }
}
