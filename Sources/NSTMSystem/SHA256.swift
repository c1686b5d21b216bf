#if canImport(CommonCrypto)
    private import CommonCrypto
#else
    private import CCrypto
#endif

/// An incremental SHA-256 hash (FIPS 180-4) by the system's library: OpenSSL, or CommonCrypto on macOS.
///
/// Call `update` any number of times, then `finish`.
package struct SHA256: ~Copyable {
    /// Size of a digest, in bytes.
    package static let byteCount = 32

    #if canImport(CommonCrypto)
        private var context = CC_SHA256_CTX()
    #else
        private let context: OpaquePointer
    #endif

    package init() {
        #if canImport(CommonCrypto)
            CC_SHA256_Init(&context)
        #else
            guard let new = EVP_MD_CTX_new(), EVP_DigestInit_ex(new, EVP_sha256(), nil) == 1 else {
                fatalError("OpenSSL offers no SHA-256")
            }
            context = new
        #endif
    }

    #if !canImport(CommonCrypto)
        deinit { EVP_MD_CTX_free(context) }
    #endif

    /// Appends bytes to the message.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
        #if canImport(CommonCrypto)
            // The length is 32 bits wide there.
            for start in stride(from: 0, to: bytes.count, by: 1 << 30) {
                CC_SHA256_Update(&context, base + start, CC_LONG(min(1 << 30, bytes.count - start)))
            }
        #else
            guard EVP_DigestUpdate(context, base, bytes.count) == 1 else { fatalError("OpenSSL's SHA-256 failed") }
        #endif
    }

    /// Ends the message; the next `update` begins another one.
    /// - Returns: the digest, 32 bytes.
    package mutating func finish() -> [UInt8] {
        defer { self = SHA256() }
        return [UInt8](unsafeUninitializedCapacity: SHA256.byteCount) { digest, count in
            #if canImport(CommonCrypto)
                CC_SHA256_Final(digest.baseAddress!, &context)
            #else
                guard EVP_DigestFinal_ex(context, digest.baseAddress!, nil) == 1 else { fatalError("OpenSSL's SHA-256 failed") }
            #endif
            count = SHA256.byteCount
        }
    }

    /// The digest of bytes in memory, 32 bytes.
    package static func digest(of bytes: some Sequence<UInt8>) -> [UInt8] {
        var hash = SHA256()
        let whole = Array(bytes)
        whole.withUnsafeBytes { hash.update($0) }
        return hash.finish()
    }
}
