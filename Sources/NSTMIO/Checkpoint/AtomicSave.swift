import Foundation

/// Atomic replacement of a file: at any time, also after a crash, either the old or the new file exists in full.
package enum AtomicSave {
    /// Writes a temporary file in the folder of the target and renames it to the target.
    ///
    /// After an error the temporary file is removed and the target is unchanged.
    /// - Parameter write: called with the path of the temporary file, which does not exist; has to create it and flush it to
    ///   disk.
    /// - Throws: `CheckpointError.ioError`, and the errors of `write`.
    static func replace(_ target: String, _ write: (String) throws(CheckpointError) -> Void) throws(CheckpointError) {
        let folder = folder(of: target)
        var status = stat()
        if stat(target, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { throw .system("replace the folder", target, EISDIR) }
        removeStaleTemporaries(in: folder, of: (target as NSString).lastPathComponent)
        let temporary = "\(target)\(marker)\(getpid())"
        unlink(temporary)
        do throws(CheckpointError) {
            try write(temporary)
            guard rename(temporary, target) == 0 else { throw .system("rename the temporary file", target, errno) }
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

    /// Deletes files `<name>.tmp-<pid>` of processes that no longer exist, if the name equals that of the target except for the
    /// number in it.
    ///
    /// Best effort: a file that cannot be deleted does no harm.
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
    /// A name with `#` in place of the number at the end of its stem: `step-#.h5` for `step-20.h5` and `step-300.h5`.
    private static func numberless(_ name: String) -> String {
        let end = name.lastIndex(of: ".") ?? name.endIndex, stem = name[..<end]
        let digits = stem.reversed().prefix { ("0"..."9").contains($0) }.count
        return digits == 0 ? name : "\(stem.dropLast(digits))#\(name[end...])"
    }

    /// Flushes a folder to disk, without which a rename in it is not durable.
    private static func synchronize(folder: String) throws(CheckpointError) {
        let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open the folder", folder, errno) }
        defer { close(descriptor) }
        // Some network file systems do not support this and return EINVAL.
        guard flushToMedium(descriptor) == 0 || errno == EINVAL else { throw .system("flush the folder to disk", folder, errno) }
    }

    /// Checks the free space on the volume of `path`, in bytes.
    /// - Throws: `CheckpointError.noSpace` if it is less than `needed`.
    package static func checkFreeSpace(_ needed: Int, for path: String) throws(CheckpointError) {
        let available = try freeSpace(for: path)
        guard needed <= available else { throw .noSpace(path: path, needed: needed, available: available) }
    }
    /// Free space on the volume of `path`, in bytes.
    static func freeSpace(for path: String) throws(CheckpointError) -> Int {
        var status = statvfs()
        let folder = folder(of: path)
        guard statvfs(folder, &status) == 0 else { throw .system("examine the folder", folder, errno) }
        let (bytes, overflow) = Int(status.f_bavail).multipliedReportingOverflow(by: Int(status.f_frsize))
        return overflow ? Int.max : bytes
    }
}
