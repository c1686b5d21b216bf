import Foundation
import NSTMIO
import NSTMTensor
import Testing

/// A failed save changes nothing.
struct FailedSaveTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    private func failure(_ archive: CheckpointArchive, to url: URL) -> CheckpointError? {
        checkpointError { () throws(CheckpointError) in try CheckpointFile.write(archive, to: url) }
    }

    @Test func invalidArchivesNameAllIssues() throws {
        let url = scratch.file()
        try CheckpointFile.write(sampleArchive(), to: url)
        var archive = CheckpointArchive()
        let names = ["", "/a", "a/", "a//b", "a b", "ä", "a/../b", ".", "meta/x", String(repeating: "n", count: 256)]
        for name in names { archive[tensor: name] = .scalar(1) }
        archive[tensor: Array(repeating: "d", count: 17).joined(separator: "/")] = .scalar(1)
        archive[tensor: "group"] = .scalar(1)
        archive[tensor: "group/member"] = .scalar(1)
        archive[tensor: "both"] = .scalar(1)
        archive[integers: "both"] = [1]
        archive[document: "a/b"] = "{}"
        guard case .invalidArchive(url.path, let issues) = failure(archive, to: url) else {
            Issue.record("not refused")
            return
        }
        #expect(issues.count == names.count + 4, "\(issues)")
        expectEqual(try CheckpointFile.read(url), sampleArchive())
        #expect(scratch.names == ["step-1.h5"])
    }

    @Test func aFolderIsNotReplaced() throws {
        let folder = scratch.file()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        guard case .ioError(folder.path, _, EISDIR, _) = failure(sampleArchive(), to: folder) else {
            Issue.record("not refused")
            return
        }
        #expect(scratch.names == ["step-1.h5"])
    }

    @Test func aMissingFolderIsNamed() throws {
        let url = scratch.url.appendingPathComponent("absent/step-1.h5")
        guard case .ioError(_, _, ENOENT, _) = failure(sampleArchive(), to: url) else {
            Issue.record("not refused")
            return
        }
    }

    @Test(.enabled(if: geteuid() != 0, "the superuser may write anywhere"))
    func aReadOnlyFolderKeepsItsFile() throws {
        let url = scratch.file()
        try CheckpointFile.write(sampleArchive(), to: url)
        #expect(chmod(scratch.url.path, 0o500) == 0)
        defer { chmod(scratch.url.path, 0o700) }
        guard case .ioError(_, _, EACCES, _) = failure(sampleArchive(version: 2), to: url) else {
            Issue.record("not refused")
            return
        }
        expectEqual(try CheckpointFile.read(url), sampleArchive())
    }

    @Test func tooLittleSpaceIsFoundBeforehand() throws {
        let path = scratch.file().path
        let error = checkpointError { () throws(CheckpointError) in try AtomicSave.checkFreeSpace(.max, for: path) }
        guard case .noSpace(path, .max, let available) = error else {
            Issue.record("\(error as Any)")
            return
        }
        #expect(available > 0)
    }

    // Values captured by an exit test need Swift 6.3.
    #if compiler(>=6.3)
        /// The system refuses to let the file grow beyond 256 KiB, in the middle of writing.
        @Test func failingInTheMiddleKeepsTheOldFile() async throws {
            let folder = scratch.url.path
            try CheckpointFile.write(sampleArchive(), to: scratch.file())
            await #expect(processExitsWith: .success) { [folder = folder as String] in
                let url = URL(fileURLWithPath: folder).appendingPathComponent("step-1.h5")
                var large = sampleArchive(version: 2)
                for i in 0..<8 { large[tensor: "large/\(i)"] = .ones([300, 1000]) }
                try CheckpointFile.write(sampleArchive(), to: url)
                let descriptors = openDescriptors()
                signal(SIGXFSZ, SIG_IGN)
                var limit = rlimit()
                getrlimit(fileSizeLimit, &limit)
                let before = limit.rlim_cur
                limit.rlim_cur = 256 << 10
                setrlimit(fileSizeLimit, &limit)
                for _ in 0..<3 {
                    do throws(CheckpointError) {
                        try CheckpointFile.write(large, to: url)
                        exit(10)
                    } catch {
                        guard case .ioError(_, _, EFBIG, _) = error else {
                            print(error)
                            exit(11)
                        }
                    }
                    guard try CheckpointFile.read(url)[integers: "rng/main"]?.first == 1 else { exit(12) }
                    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
                    guard names == ["step-1.h5"] else { exit(13) }
                    // A descriptor left open would keep the space of the deleted temporary.
                    guard openDescriptors() == descriptors else { exit(15) }
                }
                limit.rlim_cur = before
                setrlimit(fileSizeLimit, &limit)
                try CheckpointFile.write(large, to: url)
                guard try CheckpointFile.read(url)[integers: "rng/main"]?.first == 2 else { exit(14) }
                // Leaving through `exit` runs libhdf5's exit handler, which must find nothing that it could not close.
            }
        }
    #endif
}

#if canImport(Glibc)
    private let fileSizeLimit = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
#else
    private let fileSizeLimit = RLIMIT_FSIZE
#endif

struct TemporaryFileTests {
    @Test func staleTemporariesAreRemoved() throws {
        let scratch = try Scratch()
        // A process that has ended, and whose number is not in use again.
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "exit 0"]
        try process.run()
        process.waitUntilExit()
        let dead = "step-7.h5.tmp-\(process.processIdentifier)"
        let living = "step-8.h5.tmp-\(getppid())"
        let own = "step-1.h5.tmp-\(getpid())"
        // Also files of others that only look like temporaries, whatever number they end in.
        let gone = process.processIdentifier
        let others = [
            "notes.tmp-", "notes.tmp-x", "notes.tmp-0", "notes.tmp-\(gone)", "notes.h5.tmp-\(gone)", "step-1.txt.tmp-\(gone)",
            "step-1.h5.tmp-+\(gone)", "step-x.h5.tmp-\(gone)", "my-step-1.h5.tmp-\(gone)",
        ]
        for name in [dead, living, own] + others { try Data("partial".utf8).write(to: scratch.file(name)) }
        try CheckpointFile.write(sampleArchive(), to: scratch.file())
        #expect(scratch.names == (["step-1.h5", living] + others).sorted())
    }

    /// The estimated size is slightly above the written size.
    @Test func theEstimatedSizeIsTheSizeOfTheFile() throws {
        let scratch = try Scratch()
        var archives = [CheckpointArchive(), sampleArchive()]
        for (count, size) in [(1, 1 << 22), (3, 700_001), (300, 3), (2000, 40), (40, 20_000)] {
            var archive = sampleArchive()
            for i in 0..<count {
                archive[tensor: "model/blocks.\(i).some.parameter"] = Tensor(repeating: 1, [size], dtype: .float32)
            }
            archives.append(archive)
        }
        var deep = CheckpointArchive()
        for i in 0..<50 {
            deep[tensor: "a.\(i)/b/\(String(repeating: "c", count: 200))"] = Tensor(repeating: 1, [7, 3], dtype: .uint8)
        }
        archives.append(deep)
        for archive in archives {
            try CheckpointFile.write(archive, to: scratch.file())
            let size = try Data(contentsOf: scratch.file()).count, asked = archive.estimatedFileBytes
            #expect(asked >= size && asked <= size + size / 2 + 16_384, "\(archive.tensors.count) tensors: \(asked) for \(size)")
        }
    }
}

#if compiler(>=6.3)
    /// Killing the process at any moment of saving leaves a complete version.
    @Suite(.serialized) struct KilledSaveTests {
        static func archive(_ version: Int) -> CheckpointArchive {
            var archive = CheckpointArchive()
            for i in 0..<6 {
                archive[tensor: "model/\(i)"] = Tensor(repeating: Double(version), [200, 50 + (version * 37 + i * 11) % 400])
            }
            archive[integers: "version"] = [Int64(version)]
            archive[document: "state"] = "{\"version\": \(version)}"
            return archive
        }

        @Test func aKilledSaveLeavesACompleteVersion() async throws {
            let scratch = try Scratch()
            let url = scratch.file(), path = url.path
            try CheckpointFile.write(KilledSaveTests.archive(0), to: url)
            var interrupted = 0, versions: Set<Int64> = []
            for round in 0..<20 {
                let start = 1 + round * 1000
                await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, start = start as Int] in
                    let url = URL(fileURLWithPath: path)
                    Thread.detachNewThread {
                        usleep(.random(in: 500...60_000))
                        kill(getpid(), SIGKILL)
                    }
                    for version in start... { try CheckpointFile.write(KilledSaveTests.archive(version), to: url) }
                }
                if !scratch.temporaries.isEmpty { interrupted += 1 }
                let found = try CheckpointFile.read(url)
                let version = try #require(found[integers: "version"]?.first)
                expectEqual(found, KilledSaveTests.archive(Int(version)))
                versions.insert(version)
            }
            #expect(interrupted > 0, "no kill hit a save")
            #expect(versions.count > 1, "no save was finished")
            try CheckpointFile.write(KilledSaveTests.archive(0), to: url)
            #expect(scratch.names == ["step-1.h5"])
        }
    }
#endif
