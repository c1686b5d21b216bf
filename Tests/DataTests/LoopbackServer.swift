import Foundation

/// Answers one HTTP request on the loopback interface with given bytes, then closes: enough to test a download offline.
struct LoopbackServer {
    let address: URL

    /// - Parameter answer: nil to refuse connections.
    init(answer: Data?) throws {
        #if os(Linux)
            let stream = Int32(SOCK_STREAM.rawValue)
        #else
            let stream = SOCK_STREAM
        #endif
        let listener = socket(AF_INET, stream, 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isReady = withUnsafeMutablePointer(to: &name) { name in
            name.withMemoryRebound(to: sockaddr.self, capacity: 1) { any in
                // A port that is bound but not listened at refuses connections, and nobody else can get it.
                guard bind(listener, any, size) == 0, answer == nil || listen(listener, 4) == 0 else { return false }
                return getsockname(listener, any, &size) == 0
            }
        }
        guard isReady else { throw CocoaError(.fileReadUnknown) }
        address = URL(string: "http://127.0.0.1:\(UInt16(bigEndian: name.sin_port))/input.txt")!
        guard let answer else { return }
        // The thread alone closes the descriptors: elsewhere their numbers could be in use again by then.
        Thread.detachNewThread {
            let connection = accept(listener, nil, nil)
            defer { close(listener) }
            guard connection >= 0 else { return }
            // The whole request fits one read; what it says does not matter.
            var request = [UInt8](repeating: 0, count: 4096)
            _ = read(connection, &request, request.count)
            answer.withUnsafeBytes { bytes in
                var sent = 0
                while sent < bytes.count {
                    let n = write(connection, bytes.baseAddress! + sent, bytes.count - sent)
                    if n <= 0 { break }
                    sent += n
                }
            }
            close(connection)
        }
    }

    static func response(_ status: String, length: Int, _ body: Data) -> Data {
        Data("HTTP/1.1 \(status)\r\nContent-Length: \(length)\r\nConnection: close\r\n\r\n".utf8) + body
    }
}
