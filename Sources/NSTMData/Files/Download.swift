import Foundation
import NSTMSystem

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// A download of one file.
///
/// It is written to a hidden file in the destination's folder, which is renamed only if its digest is the published one. A failed
/// download leaves nothing behind.
struct Download {
    let source: DatasetSource
    let destination: URL
    /// Paths that were searched before, for the error message.
    let lookedAt: [String]
    let progress: DatasetFolder.Progress?

    func run() throws(DatasetError) {
        let folder = destination.deletingLastPathComponent()
        let firstNew = firstMissing(folder)
        let partial = folder.appendingPathComponent(".\(source.file).\(UUID().uuidString).part")
        do throws(DatasetError) {
            let sink = try FileSink(partial, total: source.digest.byteCount, progress: progress)
            if source.address.isFileURL { try copy(into: sink) } else { try fetch(into: sink) }
            let digest = try sink.finish()
            guard digest == source.digest else {
                throw .checksumMismatch(address: source.address.absoluteString, expected: source.digest, found: digest)
            }
            // rename(2) replaces a damaged file and never shows a half-written one.
            guard rename(partial.path, destination.path) == 0 else {
                throw .cannotWrite(path: destination.path, reason: String(cString: strerror(errno)))
            }
        } catch {
            try? FileManager.default.removeItem(at: partial)
            removeEmptyFolders(from: folder, upTo: firstNew)
            throw error
        }
    }

    /// Copies from a `file:` URL, which URLSession does not support on every platform.
    private func copy(into sink: FileSink) throws(DatasetError) {
        do { try readInPieces(source.address) { piece throws(DatasetError) in try sink.write(piece) } } catch {
            if case .unreadable(_, let reason) = error { throw failed(reason) }
            throw error
        }
    }
    private func fetch(into sink: FileSink) throws(DatasetError) {
        let receiver = Receiver(sink)
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = 30
        let session = URLSession(configuration: configuration, delegate: receiver, delegateQueue: nil)
        session.dataTask(with: source.address).resume()
        receiver.done.wait()
        session.invalidateAndCancel()
        switch receiver.failure {
        case nil: return
        case .writing(let error): throw error
        case .network(let reason): throw failed(reason)
        }
    }
    private func failed(_ reason: String) -> DatasetError {
        .downloadFailed(
            dataset: source.dataset, file: source.file, address: source.address.absoluteString, reason: reason,
            lookedAt: lookedAt)
    }

    // MARK: Removal of folders that a failed download created

    private func firstMissing(_ folder: URL) -> URL? {
        var missing: URL?
        var folder = folder
        while folder.path != "/", !FileManager.default.fileExists(atPath: folder.path) {
            missing = folder
            folder.deleteLastPathComponent()
        }
        return missing
    }
    private func removeEmptyFolders(from folder: URL, upTo last: URL?) {
        guard let last else { return }
        var folder = folder
        // rmdir(2) fails if another process has added a file to the folder meanwhile.
        while rmdir(folder.path) == 0, folder.path != last.path { folder.deleteLastPathComponent() }
    }
}

/// A new file that is written in pieces, with its digest.
private final class FileSink {
    private let path: String
    private let handle: FileHandle
    private var digest = DigestCounter()
    private var received = 0
    private let total: Int
    private let progress: DatasetFolder.Progress?

    init(_ file: URL, total: Int, progress: DatasetFolder.Progress?) throws(DatasetError) {
        do {
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data().write(to: file, options: .withoutOverwriting)
            handle = try FileHandle(forWritingTo: file)
        } catch {
            throw .cannotWrite(path: file.path, reason: error.plainReason)
        }
        path = file.path
        self.total = total
        self.progress = progress
        progress?(0, total)
    }
    func write(_ piece: Data) throws(DatasetError) {
        do { try handle.write(contentsOf: piece) } catch { throw .cannotWrite(path: path, reason: error.plainReason) }
        digest.update(piece)
        received += piece.count
        progress?(received, total)
    }
    func finish() throws(DatasetError) -> FileDigest {
        do {
            try handle.synchronize()
            try handle.close()
        } catch {
            throw .cannotWrite(path: path, reason: error.plainReason)
        }
        return digest.finish()
    }
}

/// A session delegate that writes received data to a sink.
///
/// It is safe to share because the session calls it from one serial queue and the waiting thread reads `failure` only after
/// `done`.
private final class Receiver: NSObject, URLSessionDataDelegate, @unchecked Sendable {
    enum Failure {
        case writing(DatasetError)
        case network(String)
    }
    let done = DispatchSemaphore(value: 0)
    private(set) var failure: Failure?
    private let sink: FileSink

    init(_ sink: FileSink) { self.sink = sink }

    /// Records a failure for an error status, whose response body is not the file.
    private func checkStatus(_ task: URLSessionTask) {
        guard failure == nil, let status = (task.response as? HTTPURLResponse)?.statusCode else { return }
        if !(200...299).contains(status) { failure = .network("the server responded with status \(status)") }
    }
    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        checkStatus(dataTask)
        guard failure == nil else { return dataTask.cancel() }
        do { try sink.write(data) } catch {
            failure = .writing(error)
            dataTask.cancel()
        }
    }
    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        checkStatus(task)
        if let error, failure == nil { failure = .network(error.plainReason) }
        done.signal()
    }
}
