import Foundation
import NSTMIO
import NSTMTensor
import Testing

struct SafetensorsTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }
    private var url: URL { scratch["weights.safetensors"] }

    /// A file of a header and bytes.
    private func write(_ header: String, data: [UInt8] = [], length: UInt64? = nil) throws {
        let n = length ?? UInt64(header.utf8.count)
        try scratch.write(
            url.lastPathComponent, Data((0..<8).map { UInt8(truncatingIfNeeded: n >> ($0 * 8)) } + Array(header.utf8) + data))
    }
    private func issues(_ header: String, data: [UInt8] = [], length: UInt64? = nil) throws -> [String] {
        try write(header, data: data, length: length)
        return readingIssues()
    }
    private func readingIssues() -> [String] {
        let error = checkpointError { () throws(CheckpointError) in _ = try SafetensorsFile.read(url) }
        guard case .invalidSafetensors(url.path, let issues)? = error else {
            Issue.record("\(error as Any)")
            return []
        }
        return issues
    }

    /// Made with numpy: `Tests/Golden/make_safetensors_golden.py`.
    @Test func readsWhatNumpyWrote() throws {
        let golden = Bundle.module.url(forResource: "sample", withExtension: "safetensors", subdirectory: "Golden")
        let file = try SafetensorsFile.read(try #require(golden))
        #expect(file.metadata == ["format": "np", "note": "größer"])
        #expect(
            file.tensors.map(\.path) == [
                "layer.bias", "empty", "indices", "layer.weight", "scalar", "brain", "half", "bytes", "mask",
            ])
        func check(_ name: String, _ shape: Shape, _ dtype: DType, _ values: [Double]) throws {
            let tensor = try #require(file[name])
            #expect(tensor.shape == shape && tensor.dtype == dtype && tensor.doubles() == values, "\(name): \(tensor)")
        }
        try check("layer.weight", [2, 3], .float32, [-0.5, -0.25, 0, 0.25, 0.5, 0.75])
        try check("layer.bias", [3], .float64, [1e-300, -2.5, .infinity])
        try check("half", [2, 2], .float32, [0, -1.5, 65504, 0x1p-24])
        try check("brain", [4], .float32, [1, -2.5, 225 * 0x1p120, 0])
        try check("indices", [3], .int32, [-2_147_483_648, -1, 2_147_483_647])
        try check("bytes", [1, 3], .uint8, [0, 128, 255])
        try check("mask", [3], .bool, [1, 0, 1])
        try check("scalar", [], .float32, [42])
        try check("empty", [0, 4], .float32, [])
    }

    /// Every number of 16 bits, against its definition.
    @Test func halvesAreWidenedExactly() throws {
        let bytes = (0..<65_536).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
        for name in ["F16", "BF16"] {
            try write(#"{"x":{"dtype":"\#(name)","shape":[65536],"data_offsets":[0,131072]}}"#, data: bytes)
            let values = try #require(try SafetensorsFile.read(url)["x"]).elements(Float.self)
            let bits = name == "F16" ? 10 : 7, widest = name == "F16" ? 31 : 255, bias = name == "F16" ? 15 : 127
            for half in 0..<65_536 {
                let sign = half & 0x8000 == 0 ? 1.0 : -1.0, exponent = half >> bits & widest, fraction = half & (1 << bits - 1)
                let value = values[half]
                if exponent == widest {
                    #expect(fraction == 0 ? Double(value) == sign * .infinity : value.isNaN)
                } else {
                    let digits = Double(fraction) / Double(1 << bits) + (exponent > 0 ? 1 : 0)
                    let expected = sign * digits * pow(2, Double(max(1, exponent) - bias))
                    #expect(Double(value) == expected && (value.sign == .minus) == (sign < 0))
                }
            }
        }
    }

    @Test func survivesWritingAndReading() throws {
        let archive = sampleArchive()
        var file = SafetensorsFile(archive.tensors, metadata: ["a": "1", "größe": "\"\n"])
        file.tensors.append(("transposed", Tensor((0..<12).map { Float($0) }, [3, 4]).transposed()))
        try file.write(to: url)
        let back = try SafetensorsFile.read(url)
        #expect(back.metadata == file.metadata)
        #expect(back.tensors.map(\.path).sorted() == file.tensors.map(\.path).sorted())
        for (path, tensor) in file.tensors {
            let read = try #require(back[path])
            #expect(read.shape == tensor.shape && read.dtype == tensor.dtype)
            #expect(read.withBytes { Array($0) } == tensor.withBytes { Array($0) }, "\(path)")
        }
        // The elements begin at a multiple of 8 bytes.
        let length = try Data(contentsOf: url).prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        #expect(length % 8 == 0)
        // As a checkpoint's tensors they can be loaded into a model.
        var loaded = CheckpointArchive()
        loaded.append(back.tensors, under: "model")
        #expect(loaded[tensor: "model/transposed"]?.shape == [4, 3])
    }

    @Test func nothingIsAFileToo() throws {
        try SafetensorsFile([]).write(to: url)
        #expect(try SafetensorsFile.read(url).tensors.isEmpty)
        try write("{}   ")
        #expect(try SafetensorsFile.read(url).metadata.isEmpty)
    }

    @Test func namesThatCannotBeWritten() throws {
        try SafetensorsFile([("old", .scalar(1))]).write(to: url)
        let wrong = SafetensorsFile([("a", .scalar(1)), ("a", .scalar(2)), ("__metadata__", .scalar(3))])
        let error = checkpointError { () throws(CheckpointError) in try wrong.write(to: url) }
        #expect(
            error
                == .invalidSafetensors(
                    path: url.path,
                    issues: ["two tensors have the name 'a'", "'__metadata__' is reserved and cannot name a tensor"]))
        #expect(try SafetensorsFile.read(url)["old"]?.item() == 1)
        #expect(scratch.names == [url.lastPathComponent])
    }

    // MARK: Damage

    @Test func headsThatAreNone() throws {
        try scratch.write(url.lastPathComponent, Data([1, 2, 3]))
        #expect(readingIssues() == ["3 bytes; the length of the header alone takes 8"])
        #expect(try issues("{}", length: .max) == ["a header of 18446744073709551615 bytes; at most 100000000"])
        #expect(try issues("{}", length: 3) == ["a header of 3 bytes in a file of 10"])
        #expect(try issues("") == ["the header is not a JSON map in UTF-8"])
        #expect(try issues(" {}") == ["the header is not a JSON map in UTF-8"])
        #expect(try issues("{").first?.hasPrefix("header: line 1") == true)
        #expect(try issues("{}{}").first?.contains("something follows the value") == true)
        let one = #""a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#
        #expect(try issues("{\(one),\(one)}", data: [1]).first?.contains(#"duplicate key "a""#) == true)
        #expect(
            checkpointError { () throws(CheckpointError) in _ = try SafetensorsFile.read(scratch["none"]) }
                == .notFound(path: scratch["none"].path))
        let folder = checkpointError { () throws(CheckpointError) in _ = try SafetensorsFile.read(scratch.url) }
        #expect(folder == .invalidSafetensors(path: scratch.path, issues: ["expected a file, found a folder"]))
        var bytes = [UInt8](Data("{\"a\":0}".utf8))
        bytes[2] = 0xFF
        try scratch.write(url.lastPathComponent, Data([7, 0, 0, 0, 0, 0, 0, 0] + bytes))
        #expect(readingIssues() == ["the header is not a JSON map in UTF-8"])
    }

    @Test func allFaultsComeTogether() throws {
        let found = try issues(
            """
            {"__metadata__": {"a": 1},
             "type": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]},
             "size": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
             "beyond": {"dtype": "U8", "shape": [5], "data_offsets": [4, 9]},
             "backwards": {"dtype": "U8", "shape": [1], "data_offsets": [2, 1]},
             "negative": {"dtype": "U8", "shape": [-1], "data_offsets": [0]},
             "extra": {"dtype": 3, "shape": [0], "data_offsets": [0, 0], "x": 1},
             "huge": {"dtype": "F64", "shape": [2147483647, 2147483647], "data_offsets": [0, 0]},
             "axes": {"dtype": "U8", "shape": [1, 1, 1, 1, 1, 1, 1, 1, 1], "data_offsets": [0, 1]},
             "none": 3}
            """, data: [0, 0, 0, 0, 0, 0, 0, 0])
        let types = "F64, F32, F16, BF16, I32, U8, BOOL"
        #expect(
            found == [
                "__metadata__: 'a' is int 1, not a string", "'type': element type 'F8_E4M3'; known types: \(types)",
                "'size': 2 elements of F32, 4 bytes each, in data_offsets of 4 bytes",
                "'beyond': data_offsets [4, 9]; expected begin ≤ end ≤ 8, the bytes after the header",
                "'backwards': data_offsets [2, 1]; expected begin ≤ end ≤ 8, the bytes after the header",
                "'negative': shape is [-1]; expected a list of nonnegative integers",
                "'negative': data_offsets [0]; expected begin ≤ end ≤ 8, the bytes after the header",
                "'extra': unknown key 'x'", "'extra': dtype is int 3; expected a string",
                "'huge': 4611686014132420609 elements of F64, 8 bytes each, in data_offsets of 0 bytes",
                "'axes': shape [1, 1, 1, 1, 1, 1, 1, 1, 1]; at most 8 axes and 2³¹ − 1 elements after the first axis",
                "'none': int 3 instead of a map",
            ], "\(found)")
    }

    @Test func everyByteBelongsToOneTensor() throws {
        func entry(_ name: String, _ begin: Int, _ end: Int) -> String {
            #""\#(name)":{"dtype":"U8","shape":[\#(end - begin)],"data_offsets":[\#(begin),\#(end)]}"#
        }
        let bytes = [UInt8](repeating: 7, count: 8)
        #expect(
            try issues("{\(entry("b", 6, 7)),\(entry("a", 1, 3))}", data: bytes) == [
                "bytes 0..<1 belong to no tensor", "bytes 3..<6 belong to no tensor", "bytes 7..<8 belong to no tensor",
            ])
        #expect(
            try issues("{\(entry("a", 0, 5)),\(entry("b", 1, 2)),\(entry("c", 4, 8))}", data: bytes) == [
                "'a' (bytes 0..<5) and 'b' (bytes 1..<2) overlap", "'a' (bytes 0..<5) and 'c' (bytes 4..<8) overlap",
            ])
        #expect(try issues("{}", data: [1]) == ["bytes 0..<1 belong to no tensor"])
        // An empty tensor has no bytes, at any offset.
        try write("{\(entry("a", 0, 8)),\(entry("none", 3, 3))}", data: bytes)
        #expect(try SafetensorsFile.read(url)["none"]?.count == 0)
    }

    @Test func booleansAreZeroOrOne() throws {
        let header = #"{"m":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}"#
        #expect(try issues(header, data: [1, 2, 0]) == ["'m': element 1 is 2; a BOOL must be 0 or 1"])
    }
}
