import NSTMSystem
import Testing

/// Against the examples of FIPS 180-4 and the NIST test vectors.
struct SHA256Tests {
    static let examples = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (String(repeating: "a", count: 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ]
    func hexadecimal(_ digest: [UInt8]) -> String {
        digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test(arguments: examples) func publishedDigests(message: String, digest: String) {
        #expect(hexadecimal(SHA256.digest(of: message.utf8)) == digest)
    }

    /// The digest does not depend on how the message is divided.
    @Test(arguments: [1, 3, 63, 64, 65, 4096]) func pieces(size: Int) {
        let message = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var hash = SHA256()
        for start in stride(from: 0, to: message.count, by: size) {
            message[start..<min(start + size, message.count)].withUnsafeBytes { hash.update($0) }
            [UInt8]().withUnsafeBytes { hash.update($0) }
        }
        #expect(hash.finish() == SHA256.digest(of: message))
    }
}
