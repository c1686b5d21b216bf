import Foundation
import NSTMIO
import NSTMLayers

/// The folder of a run: `step-<n>.h5` checkpoints and `metrics.jsonl`.
public struct RunFolder: Sendable {
    public let url: URL
    public init(_ url: URL) { self.url = url }

    public var metrics: URL { url.appendingPathComponent("metrics.jsonl") }

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

    /// Makes the folder, or throws as `check` does with nothing changed. Overwriting deletes the checkpoints in the way.
    func prepare(at step: Int, overwriting: Bool) throws {
        try check(beginningAt: step, overwriting: overwriting)
        if overwriting {
            for file in later(than: step) {
                do { try FileManager.default.removeItem(at: file.url) } catch {
                    throw TrainingError.folder(path: file.url.path, reason: "cannot be deleted: \(error.localizedDescription)")
                }
            }
        }
        do { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) } catch {
            throw TrainingError.folder(path: url.path, reason: "cannot be made: \(error.localizedDescription)")
        }
    }
    /// Writes the first checkpoint of a run that goes on from another one.
    /// - Throws: `TrainingError`, `CheckpointError`.
    public func begin(with archive: CheckpointArchive, step: Int, overwriting: Bool = false) throws -> URL {
        try prepare(at: 0, overwriting: overwriting)
        let file = url.appendingPathComponent("step-\(step).h5")
        try CheckpointFile.write(archive, to: file)
        return file
    }
    /// Writes a log of metrics that begins with what happened to states before the run.
    public func begin(with events: [StateEvent]) throws {
        let log = try MetricsLog(metrics, keepingUntil: 0)
        for event in events { try log.write(event) }
    }
    private func later(than step: Int) -> [(step: Int, url: URL)] { checkpoints().filter { step == 0 || $0.step > step } }

    /// All checkpoints, intact or not, newest first.
    public func checkpoints() -> [(step: Int, url: URL)] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        let files = names.compactMap { name -> (step: Int, url: URL)? in
            guard name.hasPrefix("step-"), name.hasSuffix(".h5"), let step = Int(name.dropFirst(5).dropLast(3)) else {
                return nil
            }
            return (step, url.appendingPathComponent(name))
        }
        return files.sorted { $0.step > $1.step }
    }
}

extension URL {
    /// The path, relative to the current folder when the file is below it; for people.
    package var shortPath: String {
        let here = FileManager.default.currentDirectoryPath + "/"
        return path.hasPrefix(here) ? String(path.dropFirst(here.count)) : path
    }
}
