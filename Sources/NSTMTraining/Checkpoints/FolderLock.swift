import Foundation
import NSTMIO
import NSTMSystem

/// Keeps every other process from writing into a folder, from `init` to `release`.
///
/// The kernel holds the lock (`flock` on the file `run.lock`), so it ends with the process, however that ends: a file that a
/// killed process left behind locks nothing. The file says who holds the lock.
public final class FolderLock: @unchecked Sendable {
    /// Why the folder is not locked after all: not every file system can.
    public let warning: String?
    private let folder: URL
    /// Whether the folder is new, and therefore removed again when nothing was written into it.
    private let madeFolder: Bool
    private let folderIdentity: FileIdentity?
    private var descriptor: Int32

    private var file: URL { folder.appendingPathComponent(FolderLock.name) }
    static let name = "run.lock"

    /// Makes the folder, if need be, and locks it.
    /// - Throws: `TrainingError.folderLocked` when another process, or another part of this one, has locked it;
    ///   `TrainingError.folder` when it cannot be made or written.
    public init(_ folder: URL) throws {
        self.folder = folder
        madeFolder = FileIdentity(folder.path) == nil
        do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
            throw TrainingError.folder(path: folder.path, reason: "cannot be made: \(error.plainReason)")
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
                    "\(folder.path): its file system has no locks (\(String(cString: strerror(code)))); "
                    + "nothing keeps a second process from writing there"
                return
            }
            // Whoever had the lock may have removed the file in between: then this lock is on a file that no other will open.
            if FileIdentity(descriptor: descriptor) == FileIdentity(path) { break }
            close(descriptor)
        }
        warning = nil
        let text =
            "pid \(getpid()) on \(FolderLock.host), since "
            + ISO8601DateFormatter().string(from: Date()) + "\n"
        // The lock holds on a full disk too; its message then names nobody.
        if ftruncate(descriptor, 0) == 0 { _ = Data(text.utf8).withUnsafeBytes { writeAll($0, to: descriptor) } }
    }
    /// The machine's own name for itself: asking the network for one may take long.
    private static var host: String {
        var name = [UInt8](repeating: 0, count: 256)
        let failed = name.withUnsafeMutableBytes { gethostname($0.baseAddress!.assumingMemoryBound(to: CChar.self), 255) != 0 }
        return failed ? "this machine" : String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
    }
    private static func holder(_ descriptor: Int32) -> String? {
        var bytes = [UInt8](repeating: 0, count: 300)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return text.isEmpty ? nil : text
    }

    /// Whether the folder is still the one that was locked, and not deleted, moved or replaced.
    public var isInPlace: Bool { folderIdentity == FileIdentity(folder.path) }

    /// Lets others in.
    public func release() {
        guard descriptor >= 0 else { return }
        if FileIdentity(descriptor: descriptor) == FileIdentity(file.path) { unlink(file.path) }
        close(descriptor)
        descriptor = -1
        if madeFolder && isInPlace { rmdir(folder.path) }
    }
    deinit { release() }
}
