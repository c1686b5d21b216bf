import Foundation
import Synchronization

/// Standard output and standard error of a program.
///
/// A failed write never stops the program with a signal, trap or error. The text is lost, and `failure` has the reason, for
/// programs whose output is their result.
public enum Console {
    /// A standard stream; the raw value is its file descriptor.
    public enum Stream: Int32, Sendable {
        case output = 1
        case error = 2
    }
    private static let codes = Mutex<[Int32: Int32]>([:])

    /// Prepares the standard streams; to be called before the program opens any file.
    ///
    /// A write to a closed pipe, or beyond the maximum size of a file, becomes an error instead of a signal. Standard streams
    /// that were closed at the start are reserved, so that no file of the program gets their descriptors; reads and writes of
    /// them still fail.
    public static func prepare() {
        _ = signal(SIGPIPE, SIG_IGN)
        _ = signal(SIGXFSZ, SIG_IGN)
        // `open` returns the lowest free descriptor, so that they are filled in order.
        for (descriptor, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
        where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
            _ = open("/dev/null", mode)
        }
    }

    /// Writes a text unchanged, including terminal control sequences.
    public static func write(_ text: String, to stream: Stream = .output) { write(Data(text.utf8), to: stream) }
    /// Writes bytes unchanged.
    public static func write(_ bytes: Data, to stream: Stream = .output) {
        let code = bytes.withUnsafeBytes { writeAll($0, to: stream.rawValue) }
        if code != 0 { codes.withLock { if $0[stream.rawValue] == nil { $0[stream.rawValue] = code } } }
    }
    /// Writes a text and a line feed.
    ///
    /// Control characters, which may come from a file or its name, are escaped.
    public static func line(_ text: String, to stream: Stream = .output) { write(text.printable + "\n", to: stream) }

    /// The system's text for the first failed write to a stream; nil when all writes succeeded.
    public static func failure(_ stream: Stream) -> String? {
        codes.withLock { $0[stream.rawValue] }.map { String(cString: strerror($0)) }
    }
}

/// Writes all bytes to a descriptor.
/// - Returns: 0, or the `errno` of the failed call.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32 {
    var done = 0
    while done < bytes.count {
        let n = Foundation.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
        if n > 0 {
            done += n
        } else if n == 0 {
            return ENOSPC
        } else if errno == EAGAIN {
            // The pipe or terminal is non-blocking.
            var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            if poll(&request, 1, -1) < 0 && errno != EINTR { return errno }
        } else if errno != EINTR {
            return errno
        }
    }
    return 0
}

extension String {
    /// The text with control characters (except line feeds and tabs), bidirectional marks and line separators escaped, as
    /// `\u{1B}`.
    package var printable: String {
        func isShown(_ c: Unicode.Scalar) -> Bool {
            switch c.value {
            case 0x09, 0x0A: true
            case 0..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: false
            default: true
            }
        }
        guard !unicodeScalars.allSatisfy(isShown) else { return self }
        var text = ""
        for c in unicodeScalars {
            if isShown(c) {
                text.unicodeScalars.append(c)
            } else {
                text += "\\u{" + String(c.value, radix: 16, uppercase: true) + "}"
            }
        }
        return text
    }
}
