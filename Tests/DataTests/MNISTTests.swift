import CZlib
import Foundation
import NSTMData
import NSTMTensor
import Testing

/// Small files in the format of MNIST.
struct DigitFiles {
    let scratch = try! Scratch()
    var files: MNIST.Files {
        MNIST.Files(
            trainingImages: scratch["train-images-idx3-ubyte"], trainingLabels: scratch["train-labels-idx1-ubyte"],
            testImages: scratch["t10k-images-idx3-ubyte"], testLabels: scratch["t10k-labels-idx1-ubyte"])
    }

    /// 20 and 6 images of 4 × 6 pixels; all pixels of image i are i, but the first, which is 200, and the last, 255.
    init() throws {
        try write("train", 20)
        try write("t10k", 6)
    }
    func write(_ part: String, _ count: Int) throws {
        try scratch.write("\(part)-images-idx3-ubyte", Data(DigitFiles.images(count)))
        try scratch.write("\(part)-labels-idx1-ubyte", Data(DigitFiles.labels(count)))
    }
    static func images(_ count: Int) -> [UInt8] {
        idx([count, 4, 6], (0..<count).flatMap { i in [200] + [UInt8](repeating: UInt8(i), count: 22) + [255] })
    }
    static func labels(_ count: Int) -> [UInt8] { idx([count], (0..<count).map { UInt8($0 % 10) }) }
    static func idx(_ dims: [Int], _ elements: [UInt8]) -> [UInt8] {
        [0, 0, 8, UInt8(dims.count)] + dims.flatMap { n in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: n >> $0) } } + elements
    }
    /// The bytes as gzip.
    static func gzip(_ bytes: [UInt8]) throws -> [UInt8] {
        let scratch = try Scratch(), file = try #require(gzopen(scratch["packed"].path, "wb"))
        #expect(gzwrite(file, bytes, UInt32(bytes.count)) == bytes.count && gzclose(file) == Z_OK)
        return [UInt8](try Data(contentsOf: scratch["packed"]))
    }
}

extension DataTests {
    @Suite struct Digits {
        let digits = try! DigitFiles()

        private func issues(_ body: () throws -> Void) -> [String] {
            let error = #expect(throws: DatasetError.self) { try body() }
            guard case .invalid("mnist", let issues)? = error else {
                Issue.record("\(error as Any)")
                return []
            }
            return issues
        }

        @Test func imagesBecomePatches() throws {
            let data = try MNIST(digits.files, patch: 2, validationCount: 5)
            #expect(data.inputKind == .features(width: 4) && data.targetKind == .classes(count: 10))
            #expect(data.contextLength == 6)
            #expect((data.trainingCount, data.validationCount, data.testCount) == (15, 5, 6))
            let batch = data.evaluationBatches(size: 2)[0]
            #expect(batch.inputs.shape == [2, 6, 4] && batch.targets.elements(Int32.self) == [5, 6] && batch.tokenCount == 2)
            func level(_ byte: Double) -> Double { (byte / 255 - 0.1307) / 0.3081 }
            let first = Array(batch.inputs.doubles().prefix(24))
            let expected = [level(200)] + [Double](repeating: level(15), count: 22) + [level(255)]
            #expect(zip(first, expected).allSatisfy { abs($0 - $1) < 1e-6 })
        }

        /// Answers by their own rule, questions in their bytes, all four kinds alike often.
        @Test func questionsHaveTheirAnswers() throws {
            let data = MNISTQuestions(try MNIST(digits.files, patch: 2, validationCount: 5))
            #expect(data.inputKind == .streams([.features(width: 4), .tokens(vocabulary: 256)]))
            var kinds = [0, 0, 0, 0], ofDigit = 0
            for step in 0..<40 {
                let batch = data.trainingBatch(step: step, size: 15, key: RandomKey(1))
                let plain = data.digits.trainingBatch(step: step, size: 15, key: RandomKey(1))
                #expect(batch.inputs.doubles() == plain.inputs.doubles() && batch.length == 6 + MNISTQuestions.length)
                let labels = plain.targets.elements(Int32.self).map { Int($0) }, bytes = batch.others[0].elements(Int32.self)
                for (row, answer) in batch.targets.elements(Int32.self).enumerated() {
                    let part = bytes[row * MNISTQuestions.length..<(row + 1) * MNISTQuestions.length]
                    let text = String(decoding: part.map { UInt8($0) }, as: UTF8.self)
                        .trimmingCharacters(in: .whitespaces)
                    let number = Int(text.filter(\.isNumber)), digit = labels[row]
                    func yes(_ isTrue: Bool) -> Int { isTrue ? 11 : 10 }
                    switch text.filter({ !$0.isNumber }) {
                    case "which digit?":
                        kinds[0] += 1
                        #expect(answer == digit)
                    case "is it even?":
                        kinds[1] += 1
                        #expect(answer == yes(digit.isMultiple(of: 2)))
                    case "is it above ?":
                        kinds[2] += 1
                        #expect(answer == yes(digit > (try #require(number))))
                    case "is it ?":
                        kinds[3] += 1
                        ofDigit += digit == number ? 1 : 0
                        #expect(answer == yes(digit == number))
                    default: Issue.record("\(text)")
                    }
                }
            }
            // 600 questions, 150 of each kind expected: within four standard deviations.
            #expect(kinds.allSatisfy { abs($0 - 150) < 43 } && abs(ofDigit * 2 - kinds[3]) < 50, "\(kinds), \(ofDigit)")
            let small = data.evaluationBatches(size: 2, limit: nil), large = data.evaluationBatches(size: 5, limit: nil)
            #expect(small.flatMap { $0.targets.elements(Int32.self) } == large.flatMap { $0.targets.elements(Int32.self) })
        }

        /// An image of its own for every pixel: where each one goes.
        @Test(arguments: [1, 2])
        func orderOfPixels(patch: Int) throws {
            let pixels = (0..<24).map { UInt8($0) }
            try digits.scratch.write("t10k-images-idx3-ubyte", Data(DigitFiles.idx([1, 4, 6], pixels)))
            try digits.scratch.write("t10k-labels-idx1-ubyte", Data(DigitFiles.idx([1], [3])))
            let data = try MNIST(digits.files, patch: patch, validationCount: 5)
            let batch = data.evaluationBatches(of: .test, size: 9)[0]
            let seen = batch.inputs.doubles().map { Int((($0 * 0.3081 + 0.1307) * 255).rounded()) }
            let expected =
                patch == 1
                ? Array(0..<24)
                : [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, 12, 13, 18, 19, 14, 15, 20, 21, 16, 17, 22, 23]
            #expect(seen == expected && batch.inputs.shape == [1, 24 / (patch * patch), patch * patch])
        }

        @Test func anEpochHasEveryImageOnce() throws {
            let data = try MNIST(digits.files, patch: 2, validationCount: 5)
            func images(_ steps: Range<Int>, _ seed: UInt64 = 1) -> [Int] {
                steps.flatMap { step in
                    data.trainingBatch(step: step, size: 3, key: RandomKey(seed)).inputs.select(axis: 1, 2).select(axis: 1, 0)
                        .doubles()
                        .map { Int((($0 * 0.3081 + 0.1307) * 255).rounded()) }
                }
            }
            let first = images(0..<5), second = images(5..<10)
            #expect(first.sorted() == Array(0..<15) && second.sorted() == Array(0..<15))
            #expect(first != second && first != images(0..<5, 2) && images(0..<5) == first)
            for step in 0..<5 {
                let batch = data.trainingBatch(step: step, size: 3, key: RandomKey(1))
                #expect(batch.targets.elements(Int32.self) == images(step..<step + 1).map { Int32($0 % 10) })
            }
        }

        @Test func movedImagesKeepTheirPixels() throws {
            let data = try MNIST(digits.files, patch: 1, shift: 1, validationCount: 5)
            var positions: Set<Int> = []
            for step in 0..<40 {
                let batch = data.trainingBatch(step: step, size: 4, key: RandomKey(1))
                let black = (0 - 0.1307) / 0.3081, white = (1 - 0.1307) / 0.3081
                for row in 0..<4 {
                    let pixels = batch.inputs.select(axis: 0, row).doubles()
                    // The last pixel is the only white one; beyond the moved image there is black.
                    if let corner = pixels.firstIndex(where: { abs($0 - white) < 1e-5 }) {
                        positions.insert(corner)
                        #expect(pixels[(corner + 1)...].allSatisfy { abs($0 - black) < 1e-5 })
                    } else {
                        positions.insert(-1)
                    }
                }
            }
            #expect(positions == [23, 22, 17, 16, -1])
            // Evaluation leaves images alone.
            let plain = try MNIST(digits.files, patch: 1, validationCount: 5)
            #expect(plain.evaluationBatches(size: 5)[0].inputs.doubles() == data.evaluationBatches(size: 5)[0].inputs.doubles())
        }

        @Test func splitsAreSeparate() throws {
            let validation = try MNIST(digits.files, patch: 2, validationCount: 5)
            let test = try MNIST(digits.files, patch: 2, validationCount: 5, evaluation: .test)
            #expect(validation.evaluationBatches(size: 2).flatMap { $0.targets.elements(Int32.self) } == [5, 6, 7, 8, 9])
            #expect(test.evaluationBatches(size: 4).map(\.sequenceCount) == [4, 2])
            #expect(test.evaluationBatches(size: 4).flatMap { $0.targets.elements(Int32.self) } == Array(0..<6))
            #expect(validation.fingerprint != test.fingerprint)
            #expect(try MNIST(digits.files, patch: 2, validationCount: 5).fingerprint == validation.fingerprint)
            #expect(try MNIST(digits.files, patch: 2, validationCount: 6).fingerprint != validation.fingerprint)
        }

        @Test func packedFilesAreTheSame() throws {
            let plain = try MNIST(digits.files, patch: 2, validationCount: 5)
            for name in digits.scratch.listing() {
                let bytes = [UInt8](try Data(contentsOf: digits.scratch[name]))
                try digits.scratch.write(name, Data(DigitFiles.gzip(bytes)))
            }
            #expect(try MNIST(digits.files, patch: 2, validationCount: 5).fingerprint == plain.fingerprint)
        }

        @Test func foldersMayHoldPackedOrPlainFiles() throws {
            let scratch = digits.scratch
            try FileManager.default.createDirectory(at: scratch["mnist"], withIntermediateDirectories: true)
            for name in ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
                let bytes = [UInt8](try Data(contentsOf: scratch[name]))
                try scratch.write("mnist/\(name).gz", Data(DigitFiles.gzip(bytes)))
                try FileManager.default.removeItem(at: scratch[name])
            }
            let files = try MNIST.Files(in: DatasetFolder(scratch.path), download: false)
            #expect(files.trainingImages.path == digits.files.trainingImages.path)
            #expect(files.testLabels.path == scratch["mnist/t10k-labels-idx1-ubyte.gz"].path)
            #expect(files.warnings.count == 4)
            try FileManager.default.removeItem(at: scratch["train-labels-idx1-ubyte"])
            let error = #expect(throws: DatasetError.self) { try MNIST.Files(in: DatasetFolder(scratch.path), download: false) }
            let text = error?.description ?? ""
            #expect(
                text.contains("train-labels-idx1-ubyte.gz was not found") && text.contains("/mnist/train-labels-idx1-ubyte\n"))
        }

        // MARK: Damage

        @Test func parametersAreCheckedTogether() throws {
            let found = issues { _ = try MNIST(digits.files, patch: 3, shift: -1, validationCount: 20) }
            #expect(
                found == [
                    "images of 4 × 6 pixels are not divisible into patches of 3 × 3",
                    "the validation split has 20 of 20 training images; it must be in 1..<20",
                    "the shift is -1; it must be 0 or more",
                ])
        }

        @Test func everyDamagedFileIsNamed() throws {
            let scratch = digits.scratch
            // Labels where images should be; a label too many, and one beyond 9; a cut file; bytes behind the end.
            try scratch.write("train-images-idx3-ubyte", Data(DigitFiles.labels(20)))
            try scratch.write("train-labels-idx1-ubyte", Data(DigitFiles.idx([3], [1, 10, 255])))
            try scratch.write("t10k-images-idx3-ubyte", Data(DigitFiles.images(6).dropLast(7)))
            try scratch.write("t10k-labels-idx1-ubyte", Data(DigitFiles.labels(6) + [0, 0]))
            let f = digits.files
            #expect(
                issues { _ = try MNIST(f) } == [
                    "\(f.trainingImages.path): begins with 00 00 08 01; expected 00 00 08 03, idx with 3 axes of bytes, "
                        + "or gzip (1f 8b)",
                    "\(f.trainingLabels.path): label 10 at index 1 (1 more); labels must be in 0...9",
                    "\(f.testImages.path): the header gives 6 × 4 × 6 elements, 144 bytes; there are 137",
                    "\(f.testLabels.path): the header gives 6 elements, 6 bytes; there are 8",
                ])
        }

        @Test func countsHaveToFit() throws {
            try digits.scratch.write("train-labels-idx1-ubyte", Data(DigitFiles.labels(19)))
            try digits.scratch.write("t10k-images-idx3-ubyte", Data(DigitFiles.idx([6, 2, 0], [])))
            let f = digits.files
            #expect(
                issues { _ = try MNIST(f) } == [
                    "\(f.trainingImages.path) has 20 images, \(f.trainingLabels.path) has 19 labels",
                    "\(f.testImages.path): has 6 images of 2 × 0 pixels",
                ])
            try digits.write("train", 20)
            try digits.scratch.write("t10k-images-idx3-ubyte", Data(DigitFiles.idx([6, 2, 2], [UInt8](repeating: 0, count: 24))))
            #expect(
                issues { _ = try MNIST(digits.files, patch: 2, validationCount: 5) } == [
                    "training images have 4 × 6 pixels, test images 2 × 2"
                ])
        }

        @Test func damagedGzipIsNamed() throws {
            let packed = try DigitFiles.gzip(DigitFiles.images(20))
            func issue(_ bytes: [UInt8]) throws -> String {
                try digits.scratch.write("train-images-idx3-ubyte", Data(bytes))
                return issues { _ = try MNIST(digits.files, patch: 2, validationCount: 5) }.joined(separator: "\n")
            }
            // Cut inside the checksum: everything came out, and yet the file is not whole.
            let unpacked = DigitFiles.images(20).count
            #expect(
                try issue(packed.dropLast(3)).hasSuffix(
                    "the gzip data is truncated after \(packed.count - 3) compressed and \(unpacked) decompressed bytes"))
            #expect(try issue(Array(packed.prefix(packed.count / 2))).contains("the gzip data is truncated"))
            #expect(try issue([0x1F, 0x8B]).contains("the gzip data is truncated after 2 compressed and 0 decompressed bytes"))
            var wrong = packed
            wrong[packed.count - 6] ^= 1
            #expect(try issue(wrong).contains("incorrect data check"))
            #expect(try issue(packed + [1, 2, 3]).contains("3 bytes follow the end of the gzip data"))
            #expect(try issue(Array("<html>".utf8)).contains("begins with 3c 68 74 6d; expected 00 00 08 03"))
            #expect(try issue([]).contains("is empty"))
            #expect(try issue([0, 0, 8, 3, 0]).contains("ends after 5 of the 16 bytes of the header"))
            #expect(try issue(DigitFiles.gzip(Array("<html>".utf8))).contains("decompressed, it begins with 3c 68 74 6d"))
            #expect(try issue(DigitFiles.gzip(DigitFiles.images(20) + [0])).contains("there are more"))
            #expect(try issue(DigitFiles.gzip(DigitFiles.images(20).dropLast())).contains("there are 479"))
            // Sizes whose product is beyond any memory.
            let huge = [UInt8(0), 0, 8, 3] + [UInt8](repeating: 255, count: 12)
            #expect(try issue(huge).contains("the header gives 4294967295 × 4294967295 × 4294967295 elements, too many"))
            // Sizes that no machine has the memory for, behind some packed bytes.
            let large = try DigitFiles.gzip([0, 0, 8, 3] + [UInt8](repeating: 255, count: 4) + [0, 16, 0, 0, 0, 0, 0, 1])
            #expect(try issue(large).contains("its 4294967295 × 1048576 × 1 elements: needs"))
            #expect(try issue(DigitFiles.gzip(DigitFiles.idx([1 << 20, 1, 1], [0]))).contains("1048576 bytes; there are 1"))
        }

        @Test func missingFilesAreNamed() throws {
            try FileManager.default.removeItem(at: digits.files.testLabels)
            let found = issues { _ = try MNIST(digits.files, patch: 2, validationCount: 5) }
            #expect(found.count == 1 && found[0].hasPrefix(digits.files.testLabels.path + ": cannot be read: "))
        }

        @Test(.enabled(if: ProcessInfo.processInfo.environment["NSTM_DATA"] != nil, "needs NSTM_DATA"))
        func officialFiles() throws {
            let files = try MNIST.Files(in: DatasetFolder(), download: false)
            #expect(files.warnings.isEmpty)
            let data = try MNIST(files)
            #expect((data.trainingCount, data.validationCount, data.testCount) == (55_000, 5_000, 10_000))
            #expect(data.contextLength == 49 && data.inputKind == .features(width: 16))
            let test = data.evaluationBatches(of: .test, size: 1000)
            #expect(Array(test[0].targets.elements(Int32.self).prefix(10)) == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
            var counts = [Int](repeating: 0, count: 10)
            for batch in test { for label in batch.targets.elements(Int32.self) { counts[Int(label)] += 1 } }
            #expect(counts == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
            // Mean and standard deviation are those of all 60,000 images.
            let whole = try MNIST(files, patch: 28, validationCount: 59_999)
            let sums = whole.evaluationBatches(size: 10_000).reduce(into: (0.0, 0.0)) { sums, batch in
                batch.inputs.withElements(of: Float.self) { p in for x in p { sums.0 += Double(x); sums.1 += Double(x * x) } }
            }
            let n = 59_999.0 * 784, mean = sums.0 / n
            #expect(abs(mean) < 1e-3 && abs((sums.1 / n - mean * mean).squareRoot() - 1) < 1e-3)
        }
    }

    @Suite struct Shuffles {
        @Test(arguments: [1, 2, 3, 5, 16, 17, 1000, 55_000])
        func isAPermutation(n: Int) {
            let key = RandomKey(7).fold(n)
            #expect((0..<n).map { key.permuted($0, of: n) }.sorted() == Array(0..<n))
        }

        /// Over many keys, every number is at every index with about the same frequency.
        @Test func permutationsAreFair() {
            let n = 10, keys = 4000
            var counts = [Int](repeating: 0, count: n * n)
            for seed in 0..<keys {
                let key = RandomKey(3).fold(seed)
                for i in 0..<n { counts[i * n + key.permuted(i, of: n)] += 1 }
            }
            // 400 are expected, with a standard deviation of 19; the bound is five of them.
            #expect(counts.allSatisfy { abs($0 - 400) < 95 }, "\(counts)")
        }
    }
}
