import CHDF5
import Foundation
import NSTMIO
import NSTMTensor
import Testing

/// Files with a valid digest and content that the writer of checkpoints never creates.
struct HostileFileTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    /// Why a valid checkpoint is refused after `body` changed it and it got its digest anew.
    private func refusal(_ body: (hid_t) -> Void) throws -> String? {
        let url = scratch.file("hostile.h5")
        try CheckpointFile.write(sampleArchive(), to: url)
        try HDF5.locked {
            // 1 is H5F_ACC_RDWR, a macro that Swift does not see.
            let file = H5Fopen(url.path, 1, 0)
            #expect(file >= 0)
            body(file)
            #expect(H5Fclose(file) >= 0)
        }
        try CheckpointFile.seal(url)
        let error = checkpointError { () throws(CheckpointError) in _ = try CheckpointFile.read(url) }
        guard case .refused(url.path, _, let reason) = error else {
            Issue.record("\(error as Any)")
            return nil
        }
        return reason
    }

    /// Adds a dataset; `configure` changes its creation properties.
    private func add(
        _ name: String, to file: hid_t, type: hid_t = nstm_H5T_IEEE_F32LE(), dims: [Int], order: Int64? = 9,
        data: UnsafeRawPointer? = nil, configure: (hid_t) -> Void = { _ in }
    ) {
        let space = H5Screate_simple(Int32(dims.count), dims.map { hsize_t($0) }, nil)
        let creation = H5Pcreate(nstm_H5P_DATASET_CREATE())
        configure(creation)
        let dataset = H5Dcreate2(file, name, type, space, 0, creation, 0)
        #expect(dataset >= 0)
        if let data { #expect(H5Dwrite(dataset, type, 0, 0, 0, data) >= 0) }
        if let order { setOrder(order, of: dataset) }
        H5Dclose(dataset)
        H5Pclose(creation)
        H5Sclose(space)
    }
    private func setOrder(_ order: Int64, of dataset: hid_t) {
        let scalar = H5Screate(H5S_SCALAR)
        let attribute = H5Acreate2(dataset, "order", nstm_H5T_STD_I64LE(), scalar, 0, 0)
        #expect(withUnsafePointer(to: order) { H5Awrite(attribute, nstm_H5T_NATIVE_INT64(), $0) } >= 0)
        H5Aclose(attribute)
        H5Sclose(scalar)
    }
    private func chunked(_ chunk: [Int]) -> (hid_t) -> Void {
        { creation in _ = H5Pset_chunk(creation, Int32(chunk.count), chunk.map { hsize_t($0) }) }
    }

    @Test func linksThatLeadElsewhere() throws {
        let link = "a soft, external or user-defined link"
        #expect(try refusal { _ = H5Lcreate_soft("/model/z.weight", $0, "link", 0, 0) } == link)
        #expect(try refusal { _ = H5Lcreate_external("/etc/passwd", "/x", $0, "model/link", 0, 0) } == link)
        #expect(try refusal { _ = H5Lcreate_hard($0, "model/flag", $0, "again", 0, 0) } == "an object with 2 names")
        #expect(try refusal { _ = H5Lcreate_hard($0, "model", $0, "model/loop", 0, 0) } == "an object with 2 names")
    }

    @Test func dataInOtherFiles() throws {
        #expect(
            try refusal { file in
                add("host", to: file, type: nstm_H5T_STD_U8LE(), dims: [4]) { H5Pset_external($0, "/etc/hostname", 0, 4) }
            } == "data in other files")
        #expect(
            try refusal { file in
                let space = H5Screate_simple(1, [4], nil)
                add("virtual", to: file, dims: [4]) { H5Pset_virtual($0, space, "/etc/hostname", "/x", space) }
                H5Sclose(space)
            } == "a virtual or unknown layout")
    }

    @Test func sizesThatAreNotThere() throws {
        #expect(
            try refusal { add("huge", to: $0, dims: [1 << 30, 256], configure: chunked([1 << 10, 256])) }
                == "\(1 << 40) bytes declared, 0 stored")
        #expect(
            try refusal { file in
                add("bomb", to: file, dims: [1 << 30]) { creation in
                    chunked([1 << 20])(creation)
                    H5Pset_deflate(creation, 9)
                }
            } == "\(1 << 32) bytes declared, 0 stored")
        #expect(try refusal { add("chunk", to: $0, dims: [1 << 30], configure: chunked([1 << 28])) } == "chunks [\(1 << 28)]")
        #expect(
            try refusal { add("axis", to: $0, dims: [1 << 40], configure: chunked([1])) } == "the shape [\(1 << 40)]")
        let ones = [Int](repeating: 1, count: 9)
        #expect(try refusal { add("rank", to: $0, dims: ones, configure: chunked(ones)) } == "9 axes")
        #expect(
            try refusal { add("strides", to: $0, dims: [0, 1 << 20, 1 << 20]) } == "the shape [0, \(1 << 20), \(1 << 20)]")
        #expect(
            try refusal { file in
                let null = H5Screate(H5S_NULL)
                H5Dclose(H5Dcreate2(file, "null", nstm_H5T_IEEE_F32LE(), null, 0, 0, 0))
                H5Sclose(null)
            } == "a dataset without a shape")
    }

    @Test func unknownFiltersTypesAndLayouts() throws {
        #expect(
            try refusal { file in
                add("packed", to: file, type: nstm_H5T_STD_I32LE(), dims: [4]) { creation in
                    chunked([4])(creation)
                    H5Pset_scaleoffset(creation, H5Z_SO_INT, 0)
                }
            } == "the filter 6")
        let element = "an element type that checkpoints do not use"
        #expect(try refusal { add("text", to: $0, type: nstm_H5T_C_S1(), dims: [4]) } == element)
        #expect(try refusal { add("bytes", to: $0, type: nstm_H5T_STD_I8LE(), dims: [4]) } == element)
        #expect(try refusal { add("bare", to: $0, dims: [2], data: [1, 2] as [Float]) } == "data without a checksum")
        #expect(
            try refusal { file in
                let type = H5Tcopy(nstm_H5T_IEEE_F32LE())
                H5Tcommit2(file, "type", type, 0, 0, 0)
                H5Tclose(type)
            } == "neither a group nor a dataset")
        #expect(
            try refusal {
                add(
                    "square", to: $0, type: nstm_H5T_STD_I64LE(), dims: [1, 1], data: [1] as [Int64], configure: chunked([1, 1]))
            } == "64-bit integers of rank 2")
    }

    @Test func invalidNamesAndNesting() throws {
        #expect(try refusal { add("a b", to: $0, dims: [0]) } == "a link with the invalid name 'a b'")
        let long = try refusal { add(String(repeating: "n", count: 300), to: $0, dims: [0]) }
        #expect(long?.hasPrefix("a link with the invalid name") == true)
        let deep = try refusal { file in
            var path = ""
            for _ in 0..<20 {
                path += "/g"
                H5Gclose(H5Gcreate2(file, path, 0, 0, 0))
            }
        }
        #expect(deep == "groups nested deeper than 16")
    }

    @Test func brokenOrder() throws {
        #expect(try refusal { add("new", to: $0, dims: [0], order: nil) } == "no attribute 'order'")
        #expect(try refusal { add("new", to: $0, dims: [0], order: 3) } == "the attribute 'order' is 3, expected 4")
        #expect(try refusal { add("new", to: $0, dims: [0], order: -1) } == "the attribute 'order' is -1, expected 0")
    }

    @Test func brokenDocumentsAndBooleans() throws {
        #expect(try refusal { add("meta/x", to: $0, dims: [0]) } == "not a document")
        #expect(
            try refusal {
                let invalid: [UInt8] = [0xC3, 0x28]
                add("meta/x", to: $0, type: nstm_H5T_STD_U8LE(), dims: [2], data: invalid, configure: chunked([2]))
            } == "not UTF-8")
        #expect(
            try refusal { file in
                let dataset = H5Dopen2(file, "model/mask", 0), type = H5Dget_type(dataset)
                H5Dwrite(dataset, type, 0, 0, 0, [2, 0, 1] as [UInt8])
                H5Tclose(type)
                H5Dclose(dataset)
            } == "a boolean that is neither 0 nor 1")
    }

    // Values captured by an exit test need Swift 6.3.
    #if compiler(>=6.3)
        /// With a valid digest only the checksums of libhdf5 can detect the change.
        ///
        /// The result must be an error or the original values, and no crash.
        @Test func flippedBytesWithAValidDigestAreDetected() async throws {
            let url = scratch.file(), path = url.path
            try CheckpointFile.write(sampleArchive(), to: url)
            await #expect(processExitsWith: .success) { [path = path as String] in
                let url = URL(fileURLWithPath: path)
                let bytes = [UInt8](try Data(contentsOf: url))
                let original = try CheckpointFile.read(url)
                for position in stride(from: 512, to: bytes.count, by: 47) {
                    var damaged = bytes
                    damaged[position] ^= 0xFF
                    try Data(damaged).write(to: url)
                    try CheckpointFile.seal(url)
                    if let found = try? CheckpointFile.read(url) { expectEqual(found, original) }
                }
            }
        }
    #endif

    @Test func packedDataIsRead() throws {
        let url = scratch.file()
        try CheckpointFile.write(sampleArchive(), to: url)
        let zeros = [Float](repeating: 0, count: 100_000)
        try HDF5.locked {
            let file = H5Fopen(url.path, 1, 0)
            add("packed", to: file, dims: [100_000], data: zeros) { creation in
                chunked([50_000])(creation)
                H5Pset_shuffle(creation)
                H5Pset_deflate(creation, 1)
                H5Pset_fletcher32(creation)
            }
            H5Fclose(file)
        }
        try CheckpointFile.seal(url)
        #expect(try CheckpointFile.read(url)[tensor: "packed"]?.elements(Float.self) == zeros)
    }
}
