import Foundation
import NSTMIO
import NSTMLayers
import NSTMSystem

/// The folder of a run, with checkpoints `step-<n>.h5` and `metrics.jsonl`.
public struct RunFolder: Sendable {
    /// Path of the folder.
    public let url: URL
    public init(_ url: URL) { self.url = url }

    /// Path of the metrics log.
    public var metrics: URL { url.appendingPathComponent("metrics.jsonl") }

    /// Locks the folder against other writing processes.
    ///
    /// It is created if it does not exist.
    /// - Throws: `TrainingError.folderLocked`, `TrainingError.folder`.
    package func lock() throws -> FolderLock { try FolderLock(url) }

    /// The newest intact checkpoint; nil when the folder has no checkpoints.
    /// - Throws: `CheckpointError.noUsableCheckpoint` when there are checkpoints but none is intact.
    public func newest() throws(CheckpointError) -> CheckpointFile.Latest? { try CheckpointFile.latest(in: url) }

    /// Checks that the files of a run that starts at `step` do not mix with those of another run: the folder may have checkpoints
    /// of earlier steps only.
    ///
    /// Damaged ones are ignored when a run is resumed.
    /// - Parameter overwriting: true to skip the check.
    /// - Throws: `TrainingError.folderInUse`.
    public func check(beginningAt step: Int, overwriting: Bool = false) throws {
        guard !overwriting else { return }
        let blocking = later(than: step).first { step == 0 || (try? CheckpointFile.info($0.url)) != nil }
        if let blocking {
            throw TrainingError.folderInUse(path: url.path, newest: blocking.url.lastPathComponent, step: step)
        }
    }

    /// Checks the folder with `check` and creates it if necessary.
    /// - Returns: with `overwriting`, the checkpoints of an earlier run, to be deleted when the first new checkpoint has been
    ///   saved.
    func prepare(at step: Int, overwriting: Bool) throws -> [URL] {
        try check(beginningAt: step, overwriting: overwriting)
        do { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) } catch {
            throw TrainingError.folder(path: url.path, reason: "cannot be created: \(error.plainReason)")
        }
        return overwriting ? later(than: step).map(\.url) : []
    }
    /// Renames the log of an earlier run, whose checkpoints someone deleted, so that a new run does not replace it.
    /// - Returns: the new path; nil when there is no log, or an empty one.
    func keepLog() throws -> URL? {
        guard let size = try? metrics.resourceValues(forKeys: [.fileSizeKey, .isRegularFileKey]), size.isRegularFile == true,
            size.fileSize ?? 0 > 0
        else { return nil }
        var number = 1
        func name() -> URL { url.appendingPathComponent("metrics.\(number).jsonl") }
        while FileIdentity(name()) != nil { number += 1 }
        do { try FileManager.default.moveItem(at: metrics, to: name()) } catch {
            throw TrainingError.log(path: metrics.path, reason: "cannot be renamed: \(error.plainReason)")
        }
        return name()
    }
    /// Deletes checkpoints of an earlier run, except the one that the new checkpoint has replaced.
    func remove(_ earlier: [URL], replacedBy new: URL) throws {
        for file in earlier where file.lastPathComponent != new.lastPathComponent {
            do { try FileManager.default.removeItem(at: file) } catch CocoaError.fileNoSuchFile {} catch {
                throw TrainingError.folder(path: file.path, reason: "cannot be deleted: \(error.plainReason)")
            }
        }
    }

    /// Writes the first checkpoint of a run that is derived from another one, and a metrics log.
    ///
    /// After an error the folder is unchanged.
    /// - Parameters:
    ///   - archive: the checkpoint.
    ///   - step: its step.
    ///   - events: state events of the derivation, which are the first entries of the log.
    ///   - overwriting: whether checkpoints and log of an earlier run in the folder are deleted, after the new checkpoint has
    ///     been saved.
    /// - Returns: path of the checkpoint.
    /// - Throws: `TrainingError`, `CheckpointError`.
    public func begin(
        with archive: CheckpointArchive, step: Int, events: [StateEvent] = [], overwriting: Bool = false
    ) throws -> URL {
        let earlier = try prepare(at: 0, overwriting: overwriting), file = url.appendingPathComponent("step-\(step).h5")
        try CheckpointFile.write(archive, to: file)
        try remove(earlier, replacedBy: file)
        if !overwriting { _ = try keepLog() }
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
    /// The path for messages: relative to the current folder if the file is below it.
    public var shortPath: String {
        let here = FileManager.default.currentDirectoryPath + "/"
        return path.hasPrefix(here) ? String(path.dropFirst(here.count)) : path
    }
}
