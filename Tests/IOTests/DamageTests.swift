import Foundation
import NSTMIO
import NSTMTensor
import Testing

/// Damage of every kind is detected before libhdf5 reads a byte, with a specific error.
struct DamageTests {
    let scratch: Scratch
    let url: URL
    let bytes: [UInt8]

    init() throws {
        scratch = try Scratch()
        url = scratch.file()
        try CheckpointFile.write(sampleArchive(), to: url)
        bytes = [UInt8](try Data(contentsOf: url))
    }

    private func error(of contents: [UInt8]) throws -> CheckpointError? {
        try Data(contents).write(to: url)
        let error = checkpointError { () throws(CheckpointError) in _ = try CheckpointFile.read(url) }
        let infoError = checkpointError { () throws(CheckpointError) in _ = try CheckpointFile.info(url) }
        #expect(error == infoError)
        return error
    }

    @Test func truncation() throws {
        for length in [bytes.count - 1, bytes.count / 2, 600, 512] {
            #expect(try error(of: Array(bytes[..<length])) == .truncated(path: url.path, expected: bytes.count, actual: length))
        }
        for length in [511, 100, 8, 3, 0] {
            #expect(try error(of: Array(bytes[..<length])) == .truncated(path: url.path, expected: 512, actual: length))
        }
    }

    @Test func growth() throws {
        #expect(
            try error(of: bytes + [0]) == .trailingData(path: url.path, expected: bytes.count, actual: bytes.count + 1))
    }

    @Test func flippedBytes() throws {
        var positions = Array(0..<16) + Array(stride(from: 16, to: 512, by: 5)) + Array(512..<530)
        positions += stride(from: 530, to: bytes.count, by: max(1, bytes.count / 250))
        positions.append(bytes.count - 1)
        for position in positions {
            var damaged = bytes
            damaged[position] ^= position.isMultiple(of: 2) ? 0xFF : 0x01
            switch try error(of: damaged) {
            case .notCheckpoint where position < 8: break
            case .digestMismatch(_, "header", _, _) where (8..<512).contains(position): break
            case .digestMismatch(_, "payload", _, _) where position >= 512: break
            case let other: Issue.record("flipped byte \(position): \(other as Any)")
            }
        }
    }

    @Test func zeroedBlock() throws {
        var damaged = bytes
        for i in 2048..<min(4096, bytes.count) { damaged[i] = 0 }
        guard case .digestMismatch(_, "payload", _, _) = try error(of: damaged) else {
            Issue.record("not found")
            return
        }
    }

    @Test func otherFiles() throws {
        for text in ["hello", "NSTM", String(repeating: "step loss\n", count: 300)] {
            let found = try error(of: Array(text.utf8))
            if text == "NSTM" {
                #expect(found == .truncated(path: url.path, expected: 512, actual: 4))
            } else {
                #expect(found == .notCheckpoint(path: url.path, found: "other data (\(text.utf8.count) bytes)"))
            }
        }
        #expect(
            try error(of: Array(bytes[512...]))
                == .notCheckpoint(path: url.path, found: "an HDF5 file without a checkpoint header"))
    }

    @Test func laterFormat() throws {
        let info = try CheckpointFile.info(url)
        let later = CheckpointFile.Header(
            formatVersion: CheckpointFile.Header.currentVersion + 1, payloadBytes: info.header.payloadBytes,
            payloadDigest: info.header.payloadDigest)
        #expect(
            try error(of: later.encoded + bytes[512...])
                == .newerFormat(
                    path: url.path, found: CheckpointFile.Header.currentVersion + 1,
                    supported: CheckpointFile.Header.currentVersion))
    }

    @Test func headerWithoutHDF5() throws {
        try Data(CheckpointFile.Header(payloadBytes: 0, payloadDigest: []).encoded + Array("not HDF5 at all".utf8)).write(to: url)
        try CheckpointFile.seal(url)
        let error = checkpointError { () throws(CheckpointError) in _ = try CheckpointFile.read(url) }
        #expect(error == .refused(path: url.path, object: "/", reason: "no HDF5 signature after the header"))
    }

    @Test func pathsThatAreNoFile() throws {
        let absent = scratch.file("absent.h5")
        let noFile = checkpointError { () throws(CheckpointError) in _ = try CheckpointFile.read(absent) }
        #expect(noFile == .notFound(path: absent.path))
        let folder = checkpointError { () throws(CheckpointError) in _ = try CheckpointFile.read(scratch.url) }
        #expect(folder == .notCheckpoint(path: scratch.url.path, found: "a folder"))
        let pipe = scratch.file("pipe.h5")
        #expect(mkfifo(pipe.path, 0o600) == 0)
        let special = checkpointError { () throws(CheckpointError) in _ = try CheckpointFile.read(pipe) }
        #expect(special == .notCheckpoint(path: pipe.path, found: "a special file"))
    }
}
