import Foundation
import NSTMData
import NSTMTensor
import Testing

extension DataTests {
    @Suite struct Texts {
        /// 200 different characters, so that a token is its index in the text.
        static let text = String(String.UnicodeScalarView((0..<200).map { Unicode.Scalar(0x100 + $0)! }))

        @Test func splitsByCharacters() throws {
            let data = try TextDataset(name: "t", text: Self.text, context: 4)
            #expect((data.trainingCount, data.validationCount) == (180, 20))
            #expect(data.inputKind == .tokens(vocabulary: 200))
            #expect(data.targetKind == .nextToken(vocabulary: 200))
            let small = try TextDataset(name: "t", text: "ééééé", context: 1, trainingFraction: 0.5)
            #expect((small.trainingCount, small.validationCount) == (2, 3))
        }

        @Test func trainingIsAFunctionOfKeyAndStep() throws {
            let data = try TextDataset(name: "t", text: Self.text, context: 7)
            func inputs(_ step: Int, _ seed: UInt64) -> [Int32] {
                data.trainingBatch(step: step, size: 5, key: RandomKey(seed)).inputs.elements(Int32.self)
            }
            let later = inputs(9, 1)
            #expect(inputs(3, 1) != later)
            #expect(inputs(9, 1) == later)
            #expect(inputs(9, 2) != later)
        }

        @Test func targetsAreTheNextCharacter() throws {
            let data = try TextDataset(name: "t", text: Self.text, context: 7)
            var starts: Set<Int32> = []
            for step in 0..<400 {
                let batch = data.trainingBatch(step: step, size: 4, key: RandomKey(5))
                #expect(batch.inputs.shape == [4, 7] && batch.targets.shape == [4, 7] && batch.tokenCount == 28)
                let inputs = batch.inputs.elements(Int32.self), targets = batch.targets.elements(Int32.self)
                #expect(zip(inputs, targets).allSatisfy { $1 == $0 + 1 })
                #expect(targets.allSatisfy { $0 < 180 }, "a training batch reads the validation split")
                for row in 0..<4 { starts.insert(inputs[row * 7]) }
            }
            // Every offset can come up, the last one too: its last target is the last training character.
            #expect(starts == Set(0..<173))
        }

        @Test(arguments: [(6, 2), (6, 3), (19, 4), (1, 8), (5, 1)])
        func evaluationCoversTheSplitOnce(context: Int, size: Int) throws {
            let data = try TextDataset(name: "t", text: Self.text, context: context)
            let batches = data.evaluationBatches(size: size)
            #expect(batches.reduce(0) { $0 + $1.tokenCount } == 19)
            #expect(batches.flatMap { $0.inputs.elements(Int32.self) } == Array(180..<199))
            #expect(batches.flatMap { $0.targets.elements(Int32.self) } == Array(181..<200))
            #expect(batches.allSatisfy { $0.sequenceCount <= size && $0.length <= context })
        }

        @Test func fingerprintFollowsContentAndSplit() throws {
            func print(_ text: String = Self.text, _ context: Int = 4, _ fraction: Double = 0.9) throws -> String {
                try TextDataset(name: "t", text: text, context: context, trainingFraction: fraction).fingerprint
            }
            let base = try print()
            #expect(base.count == 64)
            #expect(try print() == base)
            #expect(try print(Self.text, 5) == base)
            #expect(try print(Self.text + "a") != base)
            #expect(try print(Self.text, 4, 0.8) != base)
        }

        @Test func namesAllIssues() {
            let error = #expect(throws: DatasetError.self) {
                try TextDataset(name: "t", text: "abc", context: 0, trainingFraction: 1)
            }
            guard case .invalid("t", let issues) = error else {
                Issue.record("\(error as Any)")
                return
            }
            #expect(issues.count == 2)
        }

        @Test func bothPartsNeedAWindow() throws {
            let error = #expect(throws: DatasetError.self) { try TextDataset(name: "t", text: "abcdefghij", context: 9) }
            #expect(
                error
                    == .invalid(
                        dataset: "t",
                        issues: [
                            "the training part has 9 of the text's 10 characters; a context of 9 needs at least 10",
                            "the validation part has 1 of the text's 10 characters; a context of 9 needs at least 10",
                        ]))
            _ = try TextDataset(name: "t", text: "abcd", context: 1, trainingFraction: 0.5)
        }

        @Test func aGivenTokenizerMustKnowTheText() {
            #expect(throws: DatasetError.tokenizer(.unknownCharacters(["d", "e"]))) {
                try TextDataset(name: "t", text: "abcdeabc", context: 1, trainingFraction: 0.5, tokenizer: .init(text: "abc"))
            }
        }

        @Test func readsFiles() throws {
            let scratch = try Scratch()
            let file = try scratch.write("text.txt", Data("to be or not to be — that".utf8))
            let data = try TextDataset(contentsOf: file, context: 1)
            #expect(data.name == "text.txt" && data.trainingCount + data.validationCount == 25)

            let missing = scratch.url.appendingPathComponent("none.txt")
            let error = #expect(throws: DatasetError.self) { try TextDataset(contentsOf: missing, context: 1) }
            #expect(error?.description.contains(missing.path) == true)

            let broken = try scratch.write("broken.txt", Data([0x61, 0xC3, 0xA9, 0xFF, 0x62]))
            #expect(throws: DatasetError.invalidUTF8(path: broken.path, byteOffset: 3)) {
                try TextDataset(contentsOf: broken, context: 1)
            }
        }

        /// Files of zeros that take no room on the disk.
        private func sparse(_ bytes: Int, in scratch: Scratch) throws -> URL {
            let file = try scratch.write("sparse-\(bytes)", Data())
            try #require(truncate(file.path, off_t(bytes)) == 0)
            return file
        }
        private func refusal(_ available: Int, _ make: () throws -> Void) -> DatasetError? {
            #expect(throws: DatasetError.self) { try AvailableMemory.$assumed.withValue(available, operation: make) }
        }

        @Test func sizesAreComparedWithTheMemory() throws {
            let scratch = try Scratch(), large = try sparse(InputFile.largestData, in: scratch), small = 20 << 20
            let file = try sparse(small, in: scratch)
            // Before anything is read: the bytes and the text, or the text and its tokens.
            for (unit, need) in [(CharacterTokenizer.Unit.character, 2), (.byte, 5)] {
                for (url, size) in [(large, InputFile.largestData), (file, small)] {
                    let error = refusal(need * size - 1) { _ = try TextDataset(contentsOf: url, context: 1, unit: unit) }
                    let purpose = "the contents of \(url.path)"
                    #expect(error == .noMemory(MemoryError(purpose: purpose, needed: need * size, available: need * size - 1)))
                }
            }
            // The tokens, once it is known how many there are.
            let error = refusal(4 * small - 1) { _ = try TextDataset(contentsOf: file, name: "zeros", context: 1) }
            let tokens = MemoryError(purpose: "the \(small) tokens of 'zeros'", needed: 4 * small, available: 4 * small - 1)
            #expect(error == .noMemory(tokens))
            #expect("\(error!)".hasPrefix("the \(small) tokens of 'zeros': needs \(4 * small) bytes of memory, "))
            try AvailableMemory.$assumed.withValue(5 * small) {
                let data = try TextDataset(contentsOf: file, context: 1)
                #expect(data.trainingCount + data.validationCount == small)
            }
            // So is every other file of data.
            let images = #expect(throws: IDXFile.Issues.self) {
                try AvailableMemory.$assumed.withValue(small) { try IDXFile(contentsOf: file, rank: 1) }
            }
            #expect(images?.list.first?.contains("needs \(2 * small) bytes of memory, \(small) are available") == true)
        }

        @Test(.enabled(if: ProcessInfo.processInfo.environment["NSTM_DATA"] != nil, "needs NSTM_DATA"))
        func tinyShakespeare() throws {
            let file = try DatasetFolder().resolve(.tinyShakespeare, download: false)
            #expect(file.warning == nil && file.origin == .user)
            let data = try TextDataset(contentsOf: file.url, name: "tinyshakespeare", context: 64)
            #expect((data.trainingCount, data.validationCount) == (1_003_854, 111_540))
            #expect(data.tokenizer.vocabulary == 65)
            #expect(data.evaluationBatches(size: 32).reduce(0) { $0 + $1.tokenCount } == 111_539)
            let first = data.evaluationBatches(size: 1)[0]
            #expect(try data.tokenizer.decode(first.inputs.elements(Int32.self)).hasPrefix("?\n\nGREMIO:\nGood morrow"))
        }
    }
}
