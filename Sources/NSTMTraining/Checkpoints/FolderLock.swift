import Foundation
import NSTMIO
import NSTMSystem

/// An exclusive lock of a folder against other writing processes, from `init` to `release`.
///
/// The lock is `flock` on the file `run.lock`, which the kernel releases when the process ends in any way: a file left by a
/// killed process has no effect. The file contains a description of the holder.
package final class FolderLock: @unchecked Sendable {
    /// A warning if the file system does not support locks, so that the folder is not locked; nil otherwise.
    package let warning: String?
    private let folder: URL
    /// The folders that `init` created, innermost first; `release` removes those that are empty.
    private let madeFolders: [URL]
    private let folderIdentity: FileIdentity?
    private var descriptor: Int32

    private var file: URL { folder.appendingPathComponent(FolderLock.name) }
    static let name = "run.lock"

    /// Locks a folder, which is created if it does not exist.
    /// - Throws: `TrainingError.folderLocked` when it is locked by another process or another lock of this one;
    ///   `TrainingError.folder` when it cannot be created or written.
    package init(_ folder: URL) throws {
        self.folder = folder
        madeFolders = Array(
            sequence(first: folder.standardizedFileURL) { $0.path == "/" ? nil : $0.deletingLastPathComponent() }
                .prefix { FileIdentity($0.path) == nil })
        do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
            throw TrainingError.folder(path: folder.path, reason: "cannot be created: \(error.plainReason)")
        }
        folderIdentity = FileIdentity(folder.path)
        let path = folder.appendingPathComponent(FolderLock.name).path
        while true {
            descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o644)
            guard descriptor >= 0 else {
                throw TrainingError.folder(path: path, reason: "cannot be written: \(String(cString: strerror(errno)))")
            }
            if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
                let code = errno
                if code == EINTR {
                    close(descriptor)
                    continue
                }
                if code == EWOULDBLOCK {
                    let holder = FolderLock.holder(descriptor)
                    close(descriptor)
                    throw TrainingError.folderLocked(path: folder.path, holder: holder)
                }
                warning =
                    "\(folder.path): the file system does not support locks (\(String(cString: strerror(code)))), "
                    + "so that the folder is not protected from a second writing process"
                return
            }
            // The former holder may have removed the file in between. This lock would then be on a file that no other process
            // opens.
            if FileIdentity(descriptor: descriptor) == FileIdentity(path) { break }
            close(descriptor)
        }
        warning = nil
        let text =
            "pid \(getpid()) on \(FolderLock.host), since "
            + ISO8601DateFormatter().string(from: Date()) + "\n"
        // If the disk is full, the lock is effective, but without a description of its holder.
        if ftruncate(descriptor, 0) == 0 { _ = Data(text.utf8).withUnsafeBytes { writeAll($0, to: descriptor) } }
    }
    /// The host name, without a network lookup, which could be slow.
    private static var host: String {
        var name = [UInt8](repeating: 0, count: 256)
        let failed = name.withUnsafeMutableBytes { gethostname($0.baseAddress!.assumingMemoryBound(to: CChar.self), 255) != 0 }
        return failed ? "this host" : String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
    }
    private static func holder(_ descriptor: Int32) -> String? {
        var bytes = [UInt8](repeating: 0, count: 300)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return text.isEmpty ? nil : text
    }

    /// Whether the folder has not been deleted, moved or replaced since it was locked.
    package var isInPlace: Bool { folderIdentity == FileIdentity(folder.path) }

    /// Releases the lock.
    ///
    /// Further calls have no effect.
    package func release() {
        guard descriptor >= 0 else { return }
        if FileIdentity(descriptor: descriptor) == FileIdentity(file.path) { unlink(file.path) }
        close(descriptor)
        descriptor = -1
        guard isInPlace else { return }
        for made in madeFolders { guard rmdir(made.path) == 0 else { break } }
    }
    deinit { release() }
}
