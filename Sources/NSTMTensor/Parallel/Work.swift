import CNSTMKernels

/// What kernels executed, counted by the kernels themselves once a call: nothing is derived from the sizes of a model.
///
/// ```swift
/// let work = Work.counting { _ = a.matmul(b) }
/// print(work.multiplyAdds)                        // rows · columns · depth
/// ```
///
/// The counts depend on what is computed alone: not on the number of threads, nor on what other threads compute meanwhile.
public struct Work: Sendable, Equatable {
    /// Multiplications of matrix products, attention, convolutions, scans and Fourier transforms, each with the addition that may
    /// go with it.
    ///
    /// What is skipped (blocks behind a mask, states that a token is not routed to) does not count, lanes that pad a row do where
    /// a kernel computes them (convolutions over planes, matrix states, transforms).
    public var multiplyAdds: Int
    /// Elements that everything else computed: element functions, norms, softmax, reductions, comparisons, optimizers.
    public var elements: Int
    /// Bytes of the arrays that kernels read and wrote, each once a call; vectors that all rows share are left out.
    public var bytes: Int

    public init(multiplyAdds: Int = 0, elements: Int = 0, bytes: Int = 0) {
        self.multiplyAdds = multiplyAdds
        self.elements = elements
        self.bytes = bytes
    }

    /// Counts what `body` has computed on this thread and on those it shares work with.
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
    /// The work of each of so many equal parts, rounded down.
    public static func / (a: Work, n: Int) -> Work {
        Work(multiplyAdds: a.multiplyAdds / n, elements: a.elements / n, bytes: a.bytes / n)
    }
}
