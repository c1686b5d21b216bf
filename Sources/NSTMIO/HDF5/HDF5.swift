internal import CHDF5
import Foundation

/// The one gate to libhdf5, which may or may not be thread-safe: all calls happen inside `locked`.
package enum HDF5 {
    // Recursive, because closing a handle inside a locked region takes no second thought that way.
    private static let lock = NSRecursiveLock()

    static let defaults: hid_t = 0
    static let wholeExtent: hid_t = 0

    /// Registered at the first save; negative when that failed. See `sticky_driver.h`.
    static let writeDriver = nstm_register_sticky_driver()

    /// What has to be said before the library does anything else.
    private static let prepared: Void = {
        // Its exit handler walks through what is left in memory, and a file made to harm may have damaged that. All files are
        // closed where they were opened.
        H5dont_atexit()
        // A file may name a filter that the library would look for in a folder, and run.
        H5PLset_loading_state(0)
    }()

    package static func locked<R>(_ body: () throws(CheckpointError) -> R) throws(CheckpointError) -> R {
        lock.lock()
        defer { lock.unlock() }
        _ = prepared
        // Thread-safe builds keep one error stack per thread, so this is said on every entry, not once.
        H5Eset_auto2(defaults, nil, nil)
        return try body()
    }

    /// Throws when a call returned a negative number.
    static func check(_ status: some SignedInteger, _ operation: String, _ path: String) throws(CheckpointError) {
        if status < 0 { throw failure(operation, path) }
    }

    /// The error on top of libhdf5's stack: a system error when a system call was behind it.
    static func failure(_ operation: String, _ path: String) -> CheckpointError {
        let found = nstm_failure_take()
        func text(_ characters: some BitwiseCopyable) -> String {
            withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        return failure(
            operation, path, code: found.code, outermost: text(found.outermost), innermost: text(found.innermost))
    }
    static func failure(
        _ operation: String, _ path: String, code: Int32, outermost: String, innermost: String
    ) -> CheckpointError {
        if code != 0 { return .system(operation, path, code) }
        return .hdf5(path: path, operation: operation, outermost: outermost, innermost: innermost)
    }
}

/// An HDF5 identifier that is closed exactly once: by `close`, which reports failure, or else when it goes out of scope.
struct HDF5Handle: ~Copyable {
    let id: hid_t
    private let closing: @convention(c) (hid_t) -> herr_t

    /// Takes over an identifier that a call has just returned; negative means the call failed.
    init(
        _ id: hid_t, _ closing: @convention(c) (hid_t) -> herr_t, _ operation: String, _ path: String
    ) throws(CheckpointError) {
        try HDF5.check(id, operation, path)
        self.id = id
        self.closing = closing
    }
    deinit { _ = closing(id) }

    consuming func close(_ operation: String, _ path: String) throws(CheckpointError) {
        let status = closing(id)
        discard self
        try HDF5.check(status, operation, path)
    }
}
