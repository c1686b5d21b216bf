import Foundation
import NSTMSystem

extension CheckpointFile {
    /// The newest intact checkpoint of a folder.
    public struct Latest: Sendable {
        /// The content of the checkpoint.
        public let info: Info
        /// Number in the file's name.
        public let step: Int
        /// Newer checkpoints that are not intact, newest first.
        public let skipped: [Skipped]
    }

    /// The newest intact checkpoint among the files `<prefix><number>.h5`, where the highest number is the newest.
    ///
    /// Files are verified in this order until one is intact.
    /// - Returns: nil when the folder has no such file or does not exist.
    /// - Throws: `noUsableCheckpoint` when there are such files but none is intact, so that a run is not silently restarted.
    public static func latest(in folder: URL, prefix: String = "step-") throws(CheckpointError) -> Latest? {
        var skipped: [Skipped] = []
        for (step, url) in try numbered(in: folder, prefix: prefix) {
            do throws(CheckpointError) {
                return Latest(info: try info(url), step: step, skipped: skipped)
            } catch {
                skipped.append(Skipped(url: url, error: error))
            }
        }
        guard skipped.isEmpty else { throw .noUsableCheckpoint(folder: folder.path, skipped: skipped) }
        return nil
    }

    /// Deletes old checkpoints among the files `<prefix><number>.h5`.
    ///
    /// The newest intact checkpoint and all newer files are never deleted. When none is intact, nothing is deleted.
    /// - Parameters:
    ///   - count: number of newest checkpoints to keep, at least 1.
    ///   - names: names of further files to keep, such as `step-1000.h5`, for example of the best checkpoints.
    /// - Returns: the deleted files, oldest first.
    /// - Throws: `ioError`.
    @discardableResult
    public static func rotate(
        in folder: URL, prefix: String = "step-", keepingNewest count: Int, alsoKeeping names: Set<String> = []
    ) throws(CheckpointError) -> [URL] {
        let files = try numbered(in: folder, prefix: prefix)
        guard files.count > max(count, 1) else { return [] }
        guard let intact = files.firstIndex(where: { (try? info($0.url)) != nil }) else { return [] }
        let old = files.dropFirst(max(count, intact + 1)).map(\.url).filter { !names.contains($0.lastPathComponent) }
        for url in old.reversed() where unlink(url.path) != 0 && errno != ENOENT {
            throw .system("delete the old checkpoint", url.path, errno)
        }
        return old.reversed()
    }

    /// The files `<prefix><number>.h5` of a folder, highest number first.
    package static func numbered(in folder: URL, prefix: String) throws(CheckpointError) -> [(step: Int, url: URL)] {
        var status = stat()
        if stat(folder.path, &status) != 0, errno == ENOENT { return [] }
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        } catch {
            throw .ioError(
                path: folder.path, operation: "list the folder", code: error.systemErrorCode ?? EIO, text: error.plainReason)
        }
        let files = names.compactMap { name -> (step: Int, url: URL)? in
            guard name.hasPrefix(prefix), name.hasSuffix(".h5") else { return nil }
            let digits = name.dropFirst(prefix.count).dropLast(3)
            guard !digits.isEmpty, digits.allSatisfy({ ("0"..."9").contains($0) }), let step = Int(digits) else { return nil }
            return (step, folder.appendingPathComponent(name))
        }
        return files.sorted { ($0.step, $0.url.path) > ($1.step, $1.url.path) }
    }
}
