import Foundation

/// What a path leads to, by device and inode: symbolic links, other spellings and mounts of one folder are the same.
public struct FileIdentity: Sendable, Hashable {
    private let device: UInt64
    private let inode: UInt64

    /// Nil when there is nothing at the path.
    public init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.init(status)
    }
    public init?(_ url: URL) { self.init(url.path) }
    /// Of an open file, which its path may no longer lead to.
    public init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }
    private init(_ status: stat) {
        device = UInt64(truncatingIfNeeded: status.st_dev)
        inode = UInt64(truncatingIfNeeded: status.st_ino)
    }

    /// Whether two paths lead to one file or folder; false when one of them leads nowhere.
    public static func isSame(_ a: URL, _ b: URL) -> Bool {
        guard let a = FileIdentity(a), let b = FileIdentity(b) else { return false }
        return a == b
    }
}
