import CNSTMKernels

/// The work of kernels, counted by the kernels themselves once per call, not derived from the sizes of a model.
///
/// ```swift
/// let work = Work.counting { _ = a.matmul(b) }
/// print(work.multiplyAdds)                        // rows · columns · depth
/// ```
///
/// The counts depend only on the computation: not on the number of threads, nor on concurrent work of other threads.
public struct Work: Sendable, Equatable {
    /// Multiplications of matrix products, attention, convolutions, scans and Fourier transforms, each with at most one addition.
    ///
    /// Skipped work (blocks behind a mask, states that a token is not routed to) is not counted; lanes that pad a row are counted
    /// where a kernel computes them (convolutions over planes, matrix states, transforms).
    public var multiplyAdds: Int
    /// Elements computed by all other kernels: element functions, norms, softmax, reductions, comparisons, optimizers.
    public var elements: Int
    /// Bytes of the arrays that kernels read and wrote, each counted once per call; vectors shared by all rows are not counted.
    public var bytes: Int

    public init(multiplyAdds: Int = 0, elements: Int = 0, bytes: Int = 0) {
        self.multiplyAdds = multiplyAdds
        self.elements = elements
        self.bytes = bytes
    }

    /// The work of `body` on this thread and on the threads with which it shares regions.
    ///
    /// Counts may be nested.
    public static func counting(_ body: () throws -> Void) rethrows -> Work {
        let outer = nstm_work_total()
        let total = UnsafeMutablePointer<nstm_work>.allocate(capacity: 1)
        total.initialize(to: nstm_work())
        nstm_work_count(total)
        defer {
            nstm_work_count(outer)
            nstm_work_add(total.pointee.multiply_adds, total.pointee.elements, total.pointee.bytes)
            total.deallocate()
        }
        try body()
        return Work(
            multiplyAdds: Int(total.pointee.multiply_adds), elements: Int(total.pointee.elements), bytes: Int(total.pointee.bytes)
        )
    }

    public static func + (a: Work, b: Work) -> Work {
        Work(multiplyAdds: a.multiplyAdds + b.multiplyAdds, elements: a.elements + b.elements, bytes: a.bytes + b.bytes)
    }
    /// The work divided by a number, rounded down.
    public static func / (a: Work, n: Int) -> Work {
        Work(multiplyAdds: a.multiplyAdds / n, elements: a.elements / n, bytes: a.bytes / n)
    }
}
