import Foundation
import NSTMIO
import NSTMLayers
import NSTMSystem

/// The folder of a run: `step-<n>.h5` checkpoints and `metrics.jsonl`.
public struct RunFolder: Sendable {
    public let url: URL
    public init(_ url: URL) { self.url = url }

    public var metrics: URL { url.appendingPathComponent("metrics.jsonl") }

    /// Keeps other processes from writing into the folder, which is made if need be.
    /// - Throws: `TrainingError.folderLocked`, `TrainingError.folder`.
    public func lock() throws -> FolderLock { try FolderLock(url) }

    /// The newest intact checkpoint; nil when there is none at all.
    /// - Throws: `CheckpointError.noUsableCheckpoint` when there are some and none is intact.
    public func newest() throws(CheckpointError) -> CheckpointFile.Latest? { try CheckpointFile.latest(in: url) }

    /// Sees to it that a run that begins at `step` mixes with no other: the folder may have checkpoints of earlier steps only.
    /// Damaged ones do not count when a run goes on.
    /// - Throws: `TrainingError.folderInUse`.
    public func check(beginningAt step: Int, overwriting: Bool = false) throws {
        guard !overwriting else { return }
        let blocking = later(than: step).first { step == 0 || (try? CheckpointFile.info($0.url)) != nil }
        if let blocking {
            throw TrainingError.folderInUse(path: url.path, newest: blocking.url.lastPathComponent, step: step)
        }
    }

    /// Makes the folder, or throws as `check` does with nothing changed.
    /// - Returns: with `overwriting` the checkpoints in the way, which are still there: they go once what replaces them is safe.
    func prepare(at step: Int, overwriting: Bool) throws -> [URL] {
        try check(beginningAt: step, overwriting: overwriting)
        do { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) } catch {
            throw TrainingError.folder(path: url.path, reason: "cannot be made: \(error.plainReason)")
        }
        return overwriting ? later(than: step).map(\.url) : []
    }
    /// Deletes checkpoints of an earlier run, but not the one that has taken the place of one of them.
    func remove(_ earlier: [URL], replacedBy new: URL) throws {
        for file in earlier where file.lastPathComponent != new.lastPathComponent {
            do { try FileManager.default.removeItem(at: file) } catch CocoaError.fileNoSuchFile {} catch {
                throw TrainingError.folder(path: file.path, reason: "cannot be deleted: \(error.plainReason)")
            }
        }
    }

    /// Writes the first checkpoint of a run that is made from another one, and a log of metrics that begins with what happened to
    /// states on the way. When this fails the folder is as it was.
    /// - Parameter overwriting: the checkpoints and the log of an earlier run in the folder go, after the new checkpoint is safe.
    /// - Throws: `TrainingError`, `CheckpointError`.
    public func begin(
        with archive: CheckpointArchive, step: Int, events: [StateEvent] = [], overwriting: Bool = false
    ) throws -> URL {
        let earlier = try prepare(at: 0, overwriting: overwriting), file = url.appendingPathComponent("step-\(step).h5")
        try CheckpointFile.write(archive, to: file)
        try remove(earlier, replacedBy: file)
        let log = try MetricsLog(metrics, keepingUntil: 0)
        for event in events { try log.write(event) }
        return file
    }
    private func later(than step: Int) -> [(step: Int, url: URL)] { checkpoints().filter { step == 0 || $0.step > step } }

    /// All checkpoints, intact or not, newest first.
    public func checkpoints() -> [(step: Int, url: URL)] {
        (try? CheckpointFile.numbered(in: url, prefix: "step-")) ?? []
    }
}

extension URL {
    /// The path, relative to the current folder when the file is below it; for people.
    public var shortPath: String {
        let here = FileManager.default.currentDirectoryPath + "/"
        return path.hasPrefix(here) ? String(path.dropFirst(here.count)) : path
    }
}
