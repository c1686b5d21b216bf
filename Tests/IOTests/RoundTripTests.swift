import Foundation
import NSTMIO
import NSTMTensor
import Testing

struct RoundTripTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    @Test func everyTypeShapeAndOrderSurvives() throws {
        let archive = sampleArchive()
        try CheckpointFile.write(archive, to: scratch.file())
        let back = try CheckpointFile.read(scratch.file())
        expectEqual(back, archive)
        #expect(back.source == scratch.file().path)
        #expect(scratch.names == ["step-1.h5"])
    }

    @Test func anEmptyArchiveSurvives() throws {
        try CheckpointFile.write(CheckpointArchive(), to: scratch.file())
        expectEqual(try CheckpointFile.read(scratch.file()), CheckpointArchive())
    }

    @Test func stridedViewsAreStoredDensely() throws {
        let base = Tensor((0..<60).map { Int32($0) }, [3, 4, 5])
        var archive = CheckpointArchive()
        archive[tensor: "transposed"] = base.transposed(0, 2)
        archive[tensor: "slice"] = base.slice(axis: 1, 1..<3)
        archive[tensor: "row"] = base.select(axis: 0, 1)
        archive[tensor: "broadcast"] = Tensor([1, 2] as [Float]).broadcast(to: [3, 2])
        try CheckpointFile.write(archive, to: scratch.file())
        expectEqual(try CheckpointFile.read(scratch.file()), archive)
    }

    @Test(arguments: [[600_007], [3, 400_001], [2, 3, 150_000], [700, 1000]])
    func tensorsOfManyChunksSurvive(dims: [Int]) throws {
        let shape = Shape(dims)
        var archive = CheckpointArchive()
        archive[tensor: "large"] = Tensor(shape, initializing: Float.self) { p in for i in p.indices { p[i] = Float(i) } }
        archive[tensor: "wide"] = Tensor(shape, initializing: Double.self) { p in for i in p.indices { p[i] = Double(i) } }
        try CheckpointFile.write(archive, to: scratch.file())
        expectEqual(try CheckpointFile.read(scratch.file()), archive)
    }

    @Test func orderIsKeptAcrossManyGroups() throws {
        var archive = CheckpointArchive()
        for i in 0..<300 {
            archive[tensor: "g\(i * 7 % 13)/t\((i * 31) % 300)"] = .scalar(Double(i))
            archive[integers: "h\(i * 5 % 11)/n\((i * 17) % 300)"] = [Int64(i)]
        }
        try CheckpointFile.write(archive, to: scratch.file())
        expectEqual(try CheckpointFile.read(scratch.file()), archive)
    }

    @Test func infoListsWithoutLoading() throws {
        let archive = sampleArchive()
        let before = Date.now
        try CheckpointFile.write(archive, to: scratch.file())
        let info = try CheckpointFile.info(scratch.file())
        #expect(info.tensors.map(\.path) == archive.tensors.map(\.path))
        #expect(info.tensors.map(\.shape) == archive.tensors.map(\.tensor.shape))
        #expect(info.tensors.map(\.dtype) == archive.tensors.map(\.tensor.dtype))
        #expect(info.tensors[0].bytes == 48)
        #expect(info.integers.map(\.path) == ["rng/main", "data/cursor"])
        #expect(info.integers.map(\.count) == [3, 0])
        #expect(info.documents == archive.documents)
        #expect(info.header.formatVersion == CheckpointFile.Header.currentVersion)
        #expect(info.header.payloadDigest.count == 32)
        #expect(abs(info.created.timeIntervalSince(before)) < 5)
    }

    @Test func theFileIsPlainHDF5AfterTheHeader() throws {
        try CheckpointFile.write(sampleArchive(), to: scratch.file())
        let bytes = [UInt8](try Data(contentsOf: scratch.file()))
        #expect(Array(bytes[..<8]) == Array("NSTMCKPT".utf8))
        #expect(Array(bytes[512..<520]) == [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A])
    }

    @Test func savingAgainReplaces() throws {
        try CheckpointFile.write(sampleArchive(version: 1), to: scratch.file())
        try CheckpointFile.write(sampleArchive(version: 2), to: scratch.file())
        expectEqual(try CheckpointFile.read(scratch.file()), sampleArchive(version: 2))
    }

    @Test func threadsMaySaveAndReadAtOnce() async throws {
        let url = scratch.file()
        try CheckpointFile.write(sampleArchive(version: 0), to: url)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for i in 1...8 {
                group.addTask { try CheckpointFile.write(sampleArchive(version: i), to: url) }
                group.addTask {
                    let count = try CheckpointFile.read(url).tensors.count
                    #expect(count == 9)
                }
            }
            try await group.waitForAll()
        }
        #expect(scratch.names == ["step-1.h5"])
    }
}

struct ArchiveTests {
    @Test func subscriptsAppendReplaceAndRemove() {
        var archive = CheckpointArchive()
        archive[tensor: "a"] = .scalar(1)
        archive[tensor: "b"] = .scalar(2)
        archive[tensor: "c"] = .scalar(3)
        archive[tensor: "b"] = .scalar(4)
        #expect(archive.tensors.map(\.path) == ["a", "b", "c"])
        archive[tensor: "a"] = nil
        archive[tensor: "missing"] = nil
        #expect(archive.tensors.map(\.path) == ["b", "c"])
        #expect(archive[tensor: "c"]?.item() == 3)
        archive[integers: "n"] = [1]
        archive[integers: "m"] = [2]
        archive[integers: "n"] = nil
        #expect(archive[integers: "m"] == [2])
    }

    @Test func prefixesGroupNames() {
        var archive = CheckpointArchive()
        archive.append([("w", .scalar(1)), ("b", .scalar(2))], under: "model")
        archive[tensor: "models/x"] = .scalar(3)
        #expect(archive.tensors(under: "model").map(\.path) == ["w", "b"])
    }

    @Test func documentsEncodeAndDecode() throws {
        struct State: Codable, Equatable { var step: Int, best: Double }
        var archive = CheckpointArchive()
        try archive.encode(State(step: 3, best: 0.5), document: "state")
        #expect(archive[document: "state"] == #"{"best":0.5,"step":3}"#)
        #expect(try archive.decode(State.self, document: "state") == State(step: 3, best: 0.5))
        let missing = checkpointError { () throws(CheckpointError) in _ = try archive.decode(State.self, document: "absent") }
        guard case .invalidDocument(_, "absent", let reason) = missing else { Issue.record("\(missing as Any)"); return }
        #expect(reason.contains("state"))
        archive[document: "state"] = "[1, 2"
        let broken = checkpointError { () throws(CheckpointError) in _ = try archive.decode(State.self, document: "state") }
        guard case .invalidDocument = broken else { Issue.record("\(broken as Any)"); return }
    }

    @Test func comparisonListsAllFaultsAtOnce() throws {
        var archive = CheckpointArchive()
        archive[tensor: "model/right"] = .zeros([2])
        archive[tensor: "model/shape"] = .zeros([2, 3])
        archive[tensor: "model/type"] = .zeros([4], dtype: .float64)
        archive[tensor: "model/extra"] = .zeros([1])
        archive[tensor: "other/extra"] = .zeros([1])
        let error = checkpointError { () throws(CheckpointError) in
            try archive.tensors(
                under: "model",
                matching: [
                    ("right", [2], .float32), ("shape", [3, 2], .float32), ("type", [4], .float32), ("gone", [], .int32),
                ])
        }
        #expect(
            error
                == .tensorMismatch(
                    path: "archive in memory", prefix: "model",
                    issues: [
                        .shape(path: "shape", expected: [3, 2], found: [2, 3]),
                        .dtype(path: "type", expected: .float32, found: .float64),
                        .missing(path: "gone", shape: [], dtype: .int32),
                        .unexpected(path: "extra", shape: [1], dtype: .float32),
                    ]))
        archive[tensor: "model/extra"] = nil
        archive[tensor: "model/type"] = nil
        let matched = try archive.tensors(under: "model", matching: [("shape", [2, 3], .float32), ("right", [2], .float32)])
        #expect(matched.map(\.shape) == [[2, 3], [2]])
    }
}
