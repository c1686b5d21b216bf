import Foundation
import NSTMIO
import NSTMTensor
@_exported import TestSupport
import Testing

extension Scratch {
    func file(_ name: String = "step-1.h5") -> URL { self[name] }
    var names: [String] { listing(".") }
    var temporaries: [String] { names.filter { $0.contains(".tmp-") } }
}

/// Everything an archive can hold, in an order that is not alphabetical.
func sampleArchive(version: Int = 1) -> CheckpointArchive {
    var archive = CheckpointArchive()
    archive[tensor: "model/z.weight"] = Tensor((0..<12).map { Float($0 + version) }, [3, 4])
    archive[tensor: "model/a.bias"] = Tensor([1.5, -0.0, .infinity, .nan] as [Double])
    archive[tensor: "optimizer/m/z.weight"] = Tensor([1, -2, .max, .min] as [Int32], [2, 2])
    archive[tensor: "model/mask"] = Tensor([true, false, true])
    archive[tensor: "model/bytes"] = Tensor([0, 1, 254, 255] as [UInt8], [4, 1])
    archive[tensor: "model/temperature"] = .scalar(0.25)
    archive[tensor: "model/flag"] = Tensor([true], [])
    archive[tensor: "model/none"] = Tensor([] as [Float], [0])
    archive[tensor: "optimizer/m/none"] = Tensor([] as [Double], [3, 0, 2])
    archive[integers: "rng/main"] = [Int64(version), .min, .max]
    archive[integers: "data/cursor"] = []
    archive[document: "config"] = #"{"width": 128, "name": "größe"}"#
    archive[document: "empty"] = ""
    return archive
}

func expectEqual(_ a: CheckpointArchive, _ b: CheckpointArchive, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(a.tensors.map(\.path) == b.tensors.map(\.path), sourceLocation: sourceLocation)
    for (x, y) in zip(a.tensors, b.tensors) {
        #expect(x.tensor.shape == y.tensor.shape, "\(x.path)", sourceLocation: sourceLocation)
        #expect(x.tensor.dtype == y.tensor.dtype, "\(x.path)", sourceLocation: sourceLocation)
        #expect(x.tensor.withBytes { Array($0) } == y.tensor.withBytes { Array($0) }, "\(x.path)", sourceLocation: sourceLocation)
    }
    #expect(a.integers.map(\.path) == b.integers.map(\.path), sourceLocation: sourceLocation)
    #expect(a.integers.map(\.values) == b.integers.map(\.values), sourceLocation: sourceLocation)
    #expect(a.documents == b.documents, sourceLocation: sourceLocation)
}

/// The checkpoint error that a body throws; records an issue when it throws none.
func checkpointError(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws(CheckpointError) -> Void
) -> CheckpointError? {
    do throws(CheckpointError) {
        try body()
        Issue.record("no error", sourceLocation: sourceLocation)
        return nil
    } catch {
        #expect(!error.description.isEmpty, sourceLocation: sourceLocation)
        return error
    }
}

/// Open files and sockets, without the timers and queues that system libraries open when they first need them.
func openDescriptors() -> Int {
    (0..<256).count { descriptor in
        var status = stat()
        return fstat(Int32(descriptor), &status) == 0 && [S_IFREG, S_IFSOCK].contains(status.st_mode & S_IFMT)
    }
}
