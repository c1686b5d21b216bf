import Foundation
import NSTMIO
import Testing

import NSTMTraining

/// One process at a time writes into the folder of a run.
@Suite(.serialized) struct FolderLockTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    @Test func onlyOneHolds() throws {
        let folder = scratch["a/b"], first = try FolderLock(folder)
        #expect(first.warning == nil && scratch.listing("a/b") == ["run.lock"])
        let error = #expect(throws: TrainingError.self) { try FolderLock(folder) }
        #expect("\(try #require(error))".contains("pid \(ProcessInfo.processInfo.processIdentifier) on "))
        // By another path it is the same folder.
        try FileManager.default.createSymbolicLink(at: scratch["alias"], withDestinationURL: folder)
        #expect(throws: TrainingError.self) { try FolderLock(scratch["alias"]) }
        first.release()
        first.release()
        // A folder that was made for nothing goes; one with a file in it stays, and so does one that was there before.
        #expect(!FileManager.default.fileExists(atPath: folder.path))
        let second = try FolderLock(folder)
        try scratch.write("a/b/file", "")
        second.release()
        #expect(scratch.listing("a/b") == ["file"])
        try FileManager.default.createDirectory(at: scratch["empty"], withIntermediateDirectories: true)
        try FolderLock(scratch["empty"]).release()
        #expect(FileManager.default.fileExists(atPath: scratch["empty"].path))
        // What a killed process left behind, and what only looks like a lock.
        try scratch.write("left/run.lock", "pid 1 on nowhere\n")
        try FolderLock(scratch["left"]).release()
        #expect(scratch.listing("left") == [])
        try FileManager.default.createSymbolicLink(at: scratch["left/run.lock"], withDestinationURL: scratch["elsewhere"])
        #expect(throws: TrainingError.self) { try FolderLock(scratch["left"]) }
        #expect(!FileManager.default.fileExists(atPath: scratch["elsewhere"].path))
    }

    /// Threads that take and release a lock as fast as they can never have it together.
    @Test func locksAreExclusiveUnderContention() throws {
        let folder = scratch["run"], counter = scratch["count"]
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data("0".utf8).write(to: counter)
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            var done = 0
            while done < 100 {
                guard let lock = try? FolderLock(folder) else { continue }
                let n = (try? String(contentsOf: counter, encoding: .utf8)).flatMap { Int($0) } ?? 0
                try? Data("\(n + 1)".utf8).write(to: counter)
                lock.release()
                done += 1
            }
        }
        #expect(try String(contentsOf: counter, encoding: .utf8) == "400")
    }

    @Test func secondProcessIsRefused() throws {
        let tool = try Tool(
            ["train", "--output", "run"] + tinyRun("training.steps=1000000", "training.checkpoint.interval=1"), in: scratch)
        try #require(try Tool.run(["train", "--output", "other"] + tinyRun(), in: scratch).status == 0)
        #expect(eventually { scratch.listing("run").contains { $0.hasPrefix("step-") && $0.hasSuffix(".h5") } })
        for arguments in [
            ["train", "--resume", "run"], ["train", "--output", "run", "--overwrite"] + tinyRun(),
            ["train", "--resume", "other", "--output", "run", "--overwrite"],
            ["compact", "other", "--output", "run", "--overwrite"],
            ["expand", "other", "--states", "8", "--output", "run", "--overwrite"],
            ["prune", "other", "--policy", "random", "--keep", "2", "--output", "run", "--overwrite"],
        ] {
            let result = try Tool.run(arguments, in: scratch)
            #expect(result.status == 1, "\(arguments): \(result.output)")
            #expect(
                result.error.contains("pid \(tool.process.processIdentifier) on ") && result.error.contains("since 20"),
                "\(arguments): \(result.error)")
        }
        // Reading needs no lock.
        for arguments in [["evaluate", "other"], ["checkpoint", "info", "other"], ["summary", "other"]] {
            let lock = try FolderLock(scratch["other"])
            #expect(try Tool.run(arguments, in: scratch).status == 0, "\(arguments)")
            lock.release()
        }
        tool.signal(SIGINT)
        #expect(try tool.wait().status == 130)
        // The log is that of one run.
        let steps = try metricLines(scratch["run"]).filter { $0.contains("\"loss\"") }
        for (i, line) in steps.enumerated() { #expect(line.hasPrefix("{\"step\":\(i + 1),")) }
        #expect(try RunFolder(scratch["run"]).newest()?.step == steps.count)
    }

    @Test func killedProcessLeavesNoLock() throws {
        let tool = try Tool(
            ["train", "--output", "run"] + tinyRun("training.steps=1000000", "training.checkpoint.interval=1"), in: scratch)
        #expect(eventually { scratch.listing("run").contains { $0.hasPrefix("step-") && $0.hasSuffix(".h5") } })
        tool.signal(SIGKILL)
        _ = try tool.wait()
        #expect(scratch.listing("run").contains("run.lock"))
        let step = try #require(try RunFolder(scratch["run"]).newest()).step
        let resumed = try Tool.run(["train", "--resume", "run", "--until", "\(step + 1)"], in: scratch)
        #expect(resumed.status == 0, "\(resumed.error)")
        #expect(!scratch.listing("run").contains("run.lock"))
    }

    /// A folder or log that somebody moves away, deletes or replaces while the run writes to it: an error, and the steps are
    /// saved.
    @Test func movedFoldersAreNoticed() throws {
        let files = FileManager.default
        let meddling: [(name: String, isSaved: Bool, act: (URL) throws -> Void)] = [
            ("log deleted", true, { try files.removeItem(at: $0.appendingPathComponent("metrics.jsonl")) }),
            (
                "log replaced", true,
                { try Data("{}\n".utf8).write(to: $0.appendingPathComponent("metrics.jsonl"), options: .atomic) }
            ),
            ("folder deleted", true, { try files.removeItem(at: $0) }),
            ("folder moved", true, { try files.moveItem(at: $0, to: $0.appendingPathExtension("moved")) }),
            (
                "folder empty", true,
                {
                    try files.moveItem(at: $0, to: $0.appendingPathExtension("moved"))
                    try files.createDirectory(at: $0, withIntermediateDirectories: false)
                }
            ),
            (
                "folder of another run", false,
                {
                    try files.moveItem(at: $0, to: $0.appendingPathExtension("moved"))
                    try files.copyItem(at: $0.deletingLastPathComponent().appendingPathComponent("other"), to: $0)
                }
            ),
        ]
        let other = try tinyTrainer(folder: scratch["other"])
        try other.run()
        for (name, isSaved, act) in meddling {
            let folder = scratch[name], trainer = try tinyTrainer(folder: folder)
            var failure: (any Error)?
            trainer.onEvent = { event in
                guard case .step(let report) = event, report.step == 3 else { return }
                do { try act(folder) } catch { failure = error }
            }
            let error = #expect(throws: TrainingError.self, "\(name)") { try trainer.run() }
            #expect(failure == nil, "\(name)")
            let text = "\(try #require(error))"
            #expect(text.contains("metrics.jsonl: was deleted, moved or replaced"), "\(name): \(text)")
            #expect(text.contains("after step 3, \(isSaved ? "saved as" : "which could not be saved")"), "\(name): \(text)")
            #expect(try RunFolder(folder).newest()?.step == (isSaved ? 3 : 6), "\(name)")
            if !isSaved { expectSame(try newest(folder), try newest(scratch["other"])) }
        }
    }
}
