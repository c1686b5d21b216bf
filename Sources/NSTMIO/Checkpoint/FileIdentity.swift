import Foundation

/// The identity of a file or folder by device and inode, which is the same for symbolic links, other spellings of a path and
/// mounts.
package struct FileIdentity: Sendable, Hashable {
    private let device: UInt64
    private let inode: UInt64

    /// The identity of the file or folder at a path; nil when there is none.
    package init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.init(status)
    }
    /// The identity of the file or folder at a URL; nil when there is none.
    package init?(_ url: URL) { self.init(url.path) }
    /// The identity of an open file, whose path may have been reused since; nil for an invalid descriptor.
    package init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }
    private init(_ status: stat) {
        device = UInt64(truncatingIfNeeded: status.st_dev)
        inode = UInt64(truncatingIfNeeded: status.st_ino)
    }

    /// Whether two URLs refer to the same file or folder; false when one of them does not exist.
    package static func isSame(_ a: URL, _ b: URL) -> Bool {
        guard let a = FileIdentity(a), let b = FileIdentity(b) else { return false }
        return a == b
    }
}
