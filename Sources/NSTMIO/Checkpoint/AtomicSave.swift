import Foundation

/// Replacing a file so that, whatever happens and whenever, either the old or the new one is there in full.
package enum AtomicSave {
    /// Writes a temporary file next to the target and renames it into place. `write` gets the temporary's path, where no file
    /// is yet, and has to have flushed what it made. When anything fails the temporary is removed and the old file stays.
    static func replace(_ target: String, _ write: (String) throws(CheckpointError) -> Void) throws(CheckpointError) {
        let folder = folder(of: target)
        var status = stat()
        if stat(target, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { throw .system("replace the folder", target, EISDIR) }
        removeStaleTemporaries(in: folder, of: (target as NSString).lastPathComponent)
        let temporary = "\(target)\(marker)\(getpid())"
        unlink(temporary)
        do throws(CheckpointError) {
            try write(temporary)
            guard rename(temporary, target) == 0 else { throw .system("rename the new file into place", target, errno) }
        } catch {
            unlink(temporary)
            throw error
        }
        try synchronize(folder: folder)
    }

    private static let marker = ".tmp-"

    static func folder(of path: String) -> String {
        let folder = (path as NSString).deletingLastPathComponent
        return folder.isEmpty ? "." : folder
    }

    /// Deletes `<name>.tmp-<pid>` of processes that are gone, where the name is that of the target but for the number in it. Best
    /// effort: what cannot be deleted does no harm.
    private static func removeStaleTemporaries(in folder: String, of target: String) {
        let pattern = numberless(target)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            guard let range = name.range(of: marker, options: .backwards),
                numberless(String(name[..<range.lowerBound])) == pattern
            else { continue }
            let digits = name[range.upperBound...]
            guard digits.allSatisfy({ ("0"..."9").contains($0) }), let pid = pid_t(digits), pid > 0, pid != getpid(),
                kill(pid, 0) != 0, errno == ESRCH
            else { continue }
            unlink("\(folder)/\(name)")
        }
    }
    /// A name without the number at the end of its stem: `step-20.h5` and `step-300.h5` are both `step-#.h5`.
    private static func numberless(_ name: String) -> String {
        let end = name.lastIndex(of: ".") ?? name.endIndex, stem = name[..<end]
        let digits = stem.reversed().prefix { ("0"..."9").contains($0) }.count
        return digits == 0 ? name : "\(stem.dropLast(digits))#\(name[end...])"
    }

    /// A rename is only durable once the folder itself is on the medium.
    private static func synchronize(folder: String) throws(CheckpointError) {
        let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open the folder", folder, errno) }
        defer { close(descriptor) }
        // Some network file systems cannot flush a folder, and say so with EINVAL.
        guard flushToMedium(descriptor) == 0 || errno == EINVAL else { throw .system("flush the folder to disk", folder, errno) }
    }

    /// Throws `noSpace` when the volume of `path` has fewer than `needed` bytes free.
    package static func checkFreeSpace(_ needed: Int, for path: String) throws(CheckpointError) {
        let available = try freeSpace(for: path)
        guard needed <= available else { throw .noSpace(path: path, needed: needed, available: available) }
    }
    /// Bytes that may still be written to the volume that holds `path`.
    static func freeSpace(for path: String) throws(CheckpointError) -> Int {
        var status = statvfs()
        let folder = folder(of: path)
        guard statvfs(folder, &status) == 0 else { throw .system("examine the folder", folder, errno) }
        let (bytes, overflow) = Int(status.f_bavail).multipliedReportingOverflow(by: Int(status.f_frsize))
        return overflow ? Int.max : bytes
    }
}
