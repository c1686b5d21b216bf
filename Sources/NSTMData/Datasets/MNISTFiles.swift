import Foundation
import NSTMTensor

extension MNIST {
    /// The paths of the four local files of MNIST, each plain or compressed with gzip.
    public struct Files: Sendable, Equatable {
        /// Images of the training split, `train-images-idx3-ubyte`.
        public var trainingImages: URL
        /// Labels of the training split, `train-labels-idx1-ubyte`.
        public var trainingLabels: URL
        /// Images of the test split, `t10k-images-idx3-ubyte`.
        public var testImages: URL
        /// Labels of the test split, `t10k-labels-idx1-ubyte`.
        public var testLabels: URL
        /// Warnings for the user about files that differ from the published ones.
        public var warnings: [DatasetFolder.Warning] = []

        public init(trainingImages: URL, trainingLabels: URL, testImages: URL, testLabels: URL) {
            self.trainingImages = trainingImages
            self.trainingLabels = trainingLabels
            self.testImages = testImages
            self.testLabels = testLabels
        }
        /// Locates the files in a folder or the cache, and downloads missing ones into the cache.
        /// - Parameters:
        ///   - download: false to use local files only.
        ///   - progress: called while bytes arrive.
        /// - Throws: `DatasetError`; see `DatasetFolder.resolve`.
        public init(
            in folder: DatasetFolder, download: Bool = true, progress: DatasetFolder.Progress? = nil
        ) throws(DatasetError) {
            var files: [DatasetFolder.File] = []
            for source in DatasetSource.mnist {
                files.append(try folder.resolve(source, download: download, progress: progress))
            }
            self.init(
                trainingImages: files[0].url, trainingLabels: files[1].url, testImages: files[2].url, testLabels: files[3].url)
            warnings = files.compactMap(\.warning)
        }
    }
}

extension DatasetSource {
    /// Training images, training labels, test images and test labels of MNIST, from the mirror of PyTorch.
    ///
    /// Copyright by Y. LeCun and C. Cortes; the licence is commonly stated as CC BY-SA 3.0.
    package static let mnist = [
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
