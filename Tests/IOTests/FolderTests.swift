import Foundation
import NSTMIO
import NSTMTensor
import Testing

struct FolderTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    private func save(_ steps: Int...) throws {
        for step in steps { try CheckpointFile.write(sampleArchive(version: step), to: scratch.file("step-\(step).h5")) }
    }
    private func damage(_ step: Int) throws {
        let url = scratch.file("step-\(step).h5")
        try Data(contentsOf: url).dropLast().write(to: url)
    }

    @Test func theNewestIsTheHighestNumber() throws {
        #expect(try CheckpointFile.latest(in: scratch.url) == nil)
        #expect(try CheckpointFile.latest(in: scratch.url.appendingPathComponent("absent")) == nil)
        try save(100, 20, 3)
        for name in ["step-.h5", "step-best.h5", "step-200.h5.tmp-1", "other-900.h5", "step-300.txt", "step--5.h5"] {
            try Data().write(to: scratch.file(name))
        }
        let latest = try #require(try CheckpointFile.latest(in: scratch.url))
        #expect(latest.step == 100)
        #expect(latest.info.url.lastPathComponent == "step-100.h5")
        #expect(latest.skipped.isEmpty)
    }

    @Test func damagedOnesArePassedOverAndReported() throws {
        try save(1, 2, 3, 4)
        try damage(4)
        try Data("text".utf8).write(to: scratch.file("step-3.h5"))
        let latest = try #require(try CheckpointFile.latest(in: scratch.url))
        #expect(latest.step == 2)
        #expect(latest.skipped.map(\.url.lastPathComponent) == ["step-4.h5", "step-3.h5"])
        guard case .truncated = latest.skipped[0].error, case .notCheckpoint = latest.skipped[1].error else {
            Issue.record("\(latest.skipped)")
            return
        }
        try damage(2)
        try damage(1)
        let error = checkpointError { () throws(CheckpointError) in _ = try CheckpointFile.latest(in: scratch.url) }
        guard case .noUsableCheckpoint(scratch.url.path, let skipped) = error else {
            Issue.record("\(error as Any)")
            return
        }
        #expect(skipped.count == 4)
    }

    @Test func rotationKeepsTheNewestAndTheNamed() throws {
        try save(1, 2, 3, 4, 5)
        let deleted = try CheckpointFile.rotate(in: scratch.url, keepingNewest: 2, alsoKeeping: ["step-2.h5"])
        #expect(deleted.map(\.lastPathComponent) == ["step-1.h5", "step-3.h5"])
        #expect(scratch.names == ["step-2.h5", "step-4.h5", "step-5.h5"])
        #expect(try CheckpointFile.rotate(in: scratch.url, keepingNewest: 3).isEmpty)
        let rest = try CheckpointFile.rotate(in: scratch.url, keepingNewest: 0)
        #expect(rest.map(\.lastPathComponent) == ["step-2.h5", "step-4.h5"])
        #expect(scratch.names == ["step-5.h5"])
    }

    @Test func rotationNeverDeletesTheLastIntactOne() throws {
        try save(1, 2, 3, 4)
        try damage(4)
        try damage(3)
        #expect(try CheckpointFile.rotate(in: scratch.url, keepingNewest: 1).map(\.lastPathComponent) == ["step-1.h5"])
        #expect(scratch.names == ["step-2.h5", "step-3.h5", "step-4.h5"])
        try damage(2)
        #expect(try CheckpointFile.rotate(in: scratch.url, keepingNewest: 1).isEmpty)
        #expect(scratch.names.count == 3)
    }
}
