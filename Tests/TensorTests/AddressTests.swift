import CNSTMKernels
import Foundation
import NSTMTensor
import Testing

/// Results depend on the values of the operands and not on their addresses, which differ from run to run.
@Suite struct AddressTests {
    /// A row and its softmax at every distance of a few cache lines that the allocator may return, and in the same memory.
    @Test(arguments: [NSTM_F32, NSTM_F64]) func softmax(_ type: nstm_real) {
        let size = type == NSTM_F32 ? 4 : 8, line = 64
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 256 * line, alignment: line)
        defer { memory.deallocate() }
        for rows in 1...3 {
            for columns in 1...80 {
                let bytes = rows * columns * size, x = memory + 128 * line
                func result(at distance: Int) -> Data {
                    for i in 0..<rows * columns {
                        let v = sin(Double(i * columns))
                        if size == 4 {
                            (x + 4 * i).storeBytes(of: Float(v), as: Float.self)
                        } else {
                            (x + 8 * i).storeBytes(of: v, as: Double.self)
                        }
                    }
                    nstm_softmax(type, x, x + distance, rows, columns)
                    return Data(bytes: x + distance, count: bytes)
                }
                let expected = result(at: 0), apart = (bytes + line - 1) / line
                for lines in apart...apart + 8 {
                    for distance in [lines * line, -lines * line] {
                        #expect(result(at: distance) == expected, "\(rows) rows of \(columns), \(distance) bytes apart")
                    }
                }
            }
        }
    }
}
