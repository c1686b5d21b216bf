internal import CHDF5
import Foundation

/// Serialized access to libhdf5, which may not be thread-safe: all calls must be inside `locked`.
package enum HDF5 {
    // Recursive, so that functions that lock can be called inside a locked region.
    private static let lock = NSRecursiveLock()

    static let defaults: hid_t = 0
    static let wholeExtent: hid_t = 0

    /// The file driver for writing, registered at the first save; negative if that failed.
    ///
    /// See `sticky_driver.h`.
    static let writeDriver = nstm_register_sticky_driver()

    /// Settings that must precede all other calls.
    private static let prepared: Void = {
        // The exit handler traverses the library's memory, which a malicious file may have corrupted. It is not needed, because
        // all files are closed where they were opened.
        H5dont_atexit()
        // Otherwise a file could name a filter plugin that the library loads from a folder and executes.
        H5PLset_loading_state(0)
    }()

    /// Runs a function that calls libhdf5, one thread at a time.
    package static func locked<R>(_ body: () throws(CheckpointError) -> R) throws(CheckpointError) -> R {
        lock.lock()
        defer { lock.unlock() }
        _ = prepared
        // Set on every entry because thread-safe builds have an error stack per thread.
        H5Eset_auto2(defaults, nil, nil)
        return try body()
    }

    /// Throws the error of libhdf5 if a call returned a negative status.
    static func check(_ status: some SignedInteger, _ operation: String, _ path: String) throws(CheckpointError) {
        if status < 0 { throw failure(operation, path) }
    }

    /// The error on top of libhdf5's error stack: a system error if a system call caused it.
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

    /// A handle for an identifier that a call returned.
    /// - Throws: the error of libhdf5 if the identifier is negative.
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
