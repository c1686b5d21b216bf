import Foundation
import Synchronization

/// Standard output and standard error, for programs.
///
/// Writing never stops a program: no signal, no trap, no error. What a reader that went away or a full disk did not take is
/// lost, and `failure` says why, for a program whose output is its result.
public enum Console {
    public enum Stream: Int32, Sendable {
        case output = 1
        case error = 2
    }
    private static let codes = Mutex<[Int32: Int32]>([:])

    /// To be called before a program opens any file: a write into a closed pipe, or beyond the size that a file may have, becomes an error instead of a signal, and no
    /// file of the program can get the number of a standard stream that was closed when the program started. Reads and writes
    /// of such a stream still fail.
    public static func prepare() {
        _ = signal(SIGPIPE, SIG_IGN)
        _ = signal(SIGXFSZ, SIG_IGN)
        // The lowest free number is the one that is given away, so they are filled in order.
        for (descriptor, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
        where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
            _ = open("/dev/null", mode)
        }
    }

    /// Writes a text as it is, terminal control sequences included.
    public static func write(_ text: String, to stream: Stream = .output) { write(Data(text.utf8), to: stream) }
    public static func write(_ bytes: Data, to stream: Stream = .output) {
        let code = bytes.withUnsafeBytes { writeAll($0, to: stream.rawValue) }
        if code != 0 { codes.withLock { if $0[stream.rawValue] == nil { $0[stream.rawValue] = code } } }
    }
    /// Writes lines for people. Control characters in them, which may come from a file or its name, are shown instead of sent.
    public static func line(_ text: String, to stream: Stream = .output) { write(text.printable + "\n", to: stream) }

    /// Why something could not be written to a stream, in the words of the system; nil when all was written.
    public static func failure(_ stream: Stream) -> String? {
        codes.withLock { $0[stream.rawValue] }.map { String(cString: strerror($0)) }
    }
}

/// Writes all bytes to a descriptor.
/// - Returns: 0, or the `errno` of what failed.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32 {
    var done = 0
    while done < bytes.count {
        let n = Foundation.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
        if n > 0 {
            done += n
        } else if n == 0 {
            return ENOSPC
        } else if errno == EAGAIN {
            // Somebody made the pipe or terminal non-blocking.
            var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            if poll(&request, 1, -1) < 0 && errno != EINTR { return errno }
        } else if errno != EINTR {
            return errno
        }
    }
    return 0
}

extension String {
    /// With control characters (but line feeds and tabs), marks that turn the direction of text, and line separators as `\u{1B}`.
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
