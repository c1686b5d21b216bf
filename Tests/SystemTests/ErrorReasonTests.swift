import Foundation
import NSTMSystem
import TestSupport
import Testing

/// Errors of Foundation in plain words.
@Suite struct ErrorReasonTests {
    private func error(_ body: () throws -> Void) throws -> any Error {
        do { try body() } catch { return error }
        throw CocoaError(.featureUnsupported)
    }
    private func text(_ code: Int32) -> String { String(cString: strerror(code)) }

    /// Errors of files and folders, for every function that writes, lists or deletes them.
    @Test func refusalsOfTheSystem() throws {
        let scratch = try Scratch(), manager = FileManager.default
        let file = try scratch.write("file", ""), below = scratch["file/below"], absent = scratch["absent/below"]
        let long = scratch[String(repeating: "x", count: 300)]
        func makes(_ url: URL, _ parents: Bool = true) -> () throws -> Void {
            { try manager.createDirectory(at: url, withIntermediateDirectories: parents) }
        }
        func writes(_ url: URL, _ options: Data.WritingOptions = []) -> () throws -> Void {
            { try Data([1]).write(to: url, options: options) }
        }
        func lists(_ url: URL) -> () throws -> Void { { _ = try manager.contentsOfDirectory(atPath: url.path) } }
        func removes(_ url: URL) -> () throws -> Void { { try manager.removeItem(at: url) } }
        func opens(_ url: URL) -> () throws -> Void { { try FileHandle(forWritingTo: url).close() } }
        var cases: [(operation: () throws -> Void, codes: [Int32])] = [
            (makes(absent, false), [ENOENT]), (writes(absent), [ENOENT]), (writes(absent, .atomic), [ENOENT]),
            (lists(absent), [ENOENT]), (removes(absent), [ENOENT]), (opens(absent), [ENOENT]),
            (makes(below), [ENOTDIR]), (writes(below), [ENOTDIR]), (writes(below, .atomic), [ENOTDIR, ENOENT]),
            (lists(file), [ENOTDIR]), (removes(below), [ENOTDIR]), (opens(below), [ENOTDIR]),
            (makes(file), [EEXIST]), (writes(file, .withoutOverwriting), [EEXIST]),
            (writes(scratch.url), [EISDIR]), (writes(scratch.url, .atomic), [EISDIR, EEXIST]), (opens(scratch.url), [EISDIR]),
            (makes(long), [ENAMETOOLONG]), (writes(long), [ENAMETOOLONG]), (writes(long, .atomic), [ENAMETOOLONG]),
            (lists(long), [ENAMETOOLONG]), (removes(long), [ENAMETOOLONG]), (opens(long), [ENAMETOOLONG]),
        ]
        #if os(Linux)
            let full = URL(fileURLWithPath: "/dev/full")
            cases += [(writes(full), [ENOSPC]), ({ try FileHandle(forWritingTo: full).write(contentsOf: Data([1])) }, [ENOSPC])]
            // Folders in which nobody may write, root neither.
            let denied = [EPERM, EACCES, EROFS, ENOENT]
            cases += [
                (makes(URL(fileURLWithPath: "/sys/nstm")), denied), (writes(URL(fileURLWithPath: "/sys/nstm")), denied),
                (makes(URL(fileURLWithPath: "/proc/nstm")), denied), (removes(URL(fileURLWithPath: "/proc/version")), denied),
            ]
        #endif
        for (number, (operation, codes)) in cases.enumerated() {
            let error = try error(operation)
            #expect(codes.contains(error.systemErrorCode ?? 0), "\(number): \(error)")
            #expect(codes.map(text).contains(error.plainReason), "\(number): \(error.plainReason)")
        }
    }

    /// Whatever is known of an error, its text is not a domain and a number alone.
    @Test func everyErrorHasWords() throws {
        let domains = [NSCocoaErrorDomain, NSPOSIXErrorDomain, NSURLErrorDomain, "other.domain"]
        for domain in domains {
            for code in Array(-1100...1100) + [4097, 4864, Int(Int32.max), .min, .max] {
                let bare = NSError(domain: domain, code: code)
                for error in [bare, NSError(domain: "wrapper", code: 1, userInfo: [NSUnderlyingErrorKey: bare])] {
                    let reason = error.plainReason
                    #expect(
                        !reason.contains("Domain") && !reason.contains("other.domain") && !reason.contains("The operation could"),
                        "\(reason)")
                    #expect(reason.contains(" ") || reason == text(Int32(clamping: code)), "\(reason)")
                }
            }
        }
        let codes: [(CocoaError.Code, String)] = [
            (.fileNoSuchFile, "no such file or folder"), (.fileReadNoSuchFile, "no such file or folder"),
            (.fileWriteNoPermission, "permission denied"), (.fileReadNoPermission, "permission denied"),
            (.fileWriteOutOfSpace, "no space left on the volume"), (.fileWriteVolumeReadOnly, "the volume is read-only"),
        ]
        for (code, text) in codes { #expect(CocoaError(code).plainReason == text) }
        let unknown = "the system gives no reason (error 512)"
        #expect(CocoaError(.fileWriteUnknown).plainReason == unknown)
        #expect(NSError(domain: NSCocoaErrorDomain, code: 512).plainReason == unknown)
    }

    @Test func ownTextsStay() {
        struct Own: Error, CustomStringConvertible { let description = "its own words" }
        #expect(Own().plainReason == "its own words" && Own().systemErrorCode == nil)
        #expect(POSIXError(.ENOSPC).plainReason == text(ENOSPC))
        func network(_ text: String) -> NSError {
            NSError(domain: NSURLErrorDomain, code: -1003, userInfo: [NSLocalizedDescriptionKey: text])
        }
        #expect(network("Could not resolve host: a.b").plainReason == "Could not resolve host: a.b")
        #expect(network("(NSURLErrorDomain error -1003.)").plainReason == "the system gives no reason (error -1003)")
    }
}
