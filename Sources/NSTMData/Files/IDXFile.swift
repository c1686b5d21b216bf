import Foundation
import NSTMTensor

/// An array of unsigned bytes in the idx format of the MNIST database (yann.lecun.com/exdb/mnist), plain or compressed with gzip.
///
/// The format is: two zero bytes, the element type (8: unsigned byte), the number of axes; the size of each axis as a big-endian
/// 32-bit integer; the elements in row-major order.
package struct IDXFile: Sendable, Equatable {
    /// Sizes of the axes.
    package let dims: [Int]
    /// Elements in row-major order.
    package let elements: [UInt8]

    /// All issues of a file.
    package struct Issues: Error, Sendable, Equatable {
        /// One text per issue.
        package let list: [String]
    }

    /// The array of a file.
    ///
    /// Compression is detected by the first bytes, not by the name.
    /// - Parameter rank: required number of axes.
    /// - Throws: `Issues` with all issues.
    package init(contentsOf file: URL, rank: Int) throws(Issues) {
        let bytes: [UInt8]
        do { bytes = [UInt8](try InputFile.read(file, atMost: InputFile.largestData, needing: 2)) } catch {
            throw Issues(list: ["cannot be read: \(error.reason)"])
        }
        try self.init(bytes, rank: rank)
    }

    /// The array of a file's bytes.
    /// - Parameter rank: required number of axes.
    /// - Throws: `Issues` with all issues.
    package init(_ file: [UInt8], rank: Int) throws(Issues) {
        let headBytes = 4 + 4 * rank, isPacked = Gzip.isGzip(file)
        let start = isPacked ? Gzip.unpack(file, atMost: headBytes) : Gzip.Result(bytes: Array(file.prefix(headBytes)))
        let head = start.bytes, magic: [UInt8] = [0, 0, 8, UInt8(rank)]
        guard head.starts(with: magic) else {
            // Without a decompressed header, the issue of the decompression is the cause.
            if let issue = start.issue, head.count < 4 { throw Issues(list: [issue]) }
            let found = head.isEmpty ? "is empty" : "begins with \(IDXFile.hexadecimal(head.prefix(4)))"
            let expected = "\(IDXFile.hexadecimal(magic[...])), idx with \(rank) \(rank == 1 ? "axis" : "axes") of bytes"
            throw Issues(list: [
                isPacked ? "decompressed, it \(found); expected \(expected)" : "\(found); expected \(expected), or gzip (1f 8b)"
            ])
        }
        guard head.count == headBytes else {
            throw Issues(list: [start.issue ?? "ends after \(head.count) of the \(headBytes) bytes of the header"])
        }
        let dims = (0..<rank).map { axis in head[(4 + 4 * axis)..<(8 + 4 * axis)].reduce(0) { $0 << 8 | Int($1) } }
        var count = 1, isTooLarge = false
        for size in dims {
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            isTooLarge = isTooLarge || overflow || product > Int.max / 2
            count = overflow ? 0 : product
        }
        let sizes = dims.map(String.init).joined(separator: " × ")
        if isTooLarge { throw Issues(list: ["the header gives \(sizes) elements, too many"]) }
        // Growing the array of bytes can take twice its size; the elements are a copy.
        do { try AvailableMemory.check([count, 3].saturatedProduct, for: "its \(sizes) elements") } catch {
            throw Issues(list: ["\(error)"])
        }

        let all = isPacked ? Gzip.unpack(file, atMost: headBytes + count + 1) : Gzip.Result(bytes: file)
        var issues = all.issue.map { [$0] } ?? []
        let found = all.bytes.count - headBytes
        if found < count {
            issues.append("the header gives \(sizes) elements, \(count) bytes; there are \(found)")
        } else if found > count {
            let more = isPacked ? "there are more" : "there are \(found)"
            issues.append("the header gives \(sizes) elements, \(count) bytes; \(more)")
        }
        guard issues.isEmpty else { throw Issues(list: issues) }
        self.dims = dims
        elements = Array(all.bytes[headBytes...])
    }

    private static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }
}
