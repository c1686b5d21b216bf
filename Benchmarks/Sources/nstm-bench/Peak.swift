import CPeak
import Foundation
import NSTM

/// What all threads together reach at best of several tries: multiply-adds a second in registers ("flops"), or bytes a second read
/// and written by a copy between two arrays of 4 MB ("bytes").
func peak(_ kind: String) -> Double {
    let threads = Parallel.threadCount
    var best = 0.0
    for _ in 0..<20 {
        var amounts = [Double](repeating: 0, count: threads)
        let from = Tensor.zeros([threads, 1 << 20]), to = Tensor.zeros([threads, 1 << 20])
        let start = DispatchTime.now().uptimeNanoseconds
        amounts.withUnsafeMutableBufferPointer { amounts in
            nonisolated(unsafe) let amounts = amounts
            from.withElements(of: Float.self) { from in
                to.withElements(of: Float.self) { to in
                    nonisolated(unsafe) let source = from.baseAddress!
                    nonisolated(unsafe) let target = UnsafeMutablePointer(mutating: to.baseAddress!)
                    Parallel.for(threads) { i in
                        if kind == "flops" {
                            var sink: Float = 0
                            amounts[i] = cpeak_multiply_adds(1_000_000, &sink)
                        } else {
                            for _ in 0..<8 { memcpy(target + (i << 20), source + (i << 20), 4 << 20) }
                            amounts[i] = 8 * 2 * 4 * Double(1 << 20)
                        }
                    }
                }
            }
        }
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
        best = max(best, amounts.reduce(0, +) / seconds)
    }
    return best
}
