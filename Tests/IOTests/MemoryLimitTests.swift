import Foundation
import NSTMIO
import NSTMTensor
import Testing

/// Data larger than the available memory is refused by its size, before an allocation.
struct MemoryLimitTests {
    /// A file that is all hole: it has the bytes that its header promises, and takes no space.
    @Test func sparseSafetensors() throws {
        let scratch = try Scratch(), url = scratch["weights.safetensors"]
        // Twice the memory of the host, in rows of 1 MiB.
        let rows = (Int(ProcessInfo.processInfo.physicalMemory) >> 20) * 2 + 1, bytes = rows << 20
        let text = #"{"w":{"dtype":"F32","shape":[\#(rows),262144],"data_offsets":[0,\#(bytes)]}}"#
        let head = (0..<8).map { UInt8(truncatingIfNeeded: text.utf8.count >> ($0 * 8)) } + Array(text.utf8)
        try Data(head).write(to: url)
        // Some file systems have no files of this size.
        guard truncate(url.path, off_t(head.count + bytes)) == 0 else { return }
        let error = checkpointError { () throws(CheckpointError) in _ = try SafetensorsFile.read(url) }
        guard case .noMemory(let memory)? = error else {
            Issue.record("\(error as Any)")
            return
        }
        #expect(memory.needed == bytes && memory.available < bytes && memory.purpose.contains(url.path))
    }
}
