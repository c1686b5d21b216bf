import CNSTMKernels

/// A multi-dimensional array with value semantics over shared storage.
///
/// Copies are free until one of them is written. Views (`transposed`, `slice`, `broadcast`) are strided and share storage;
/// kernels that need dense rows call `contiguous()`, which is free if the tensor is contiguous. Operations are eager.
public struct Tensor: @unchecked Sendable {
    /// The reference to the storage, layout and type of the tensor.
    ///
    /// It is a single reference, so that a copy needs one reference count.
    @usableFromInline package private(set) var body: nstm_tensor
    /// Number of elements.
    ///
    /// Stored beside the reference because the compiler (Swift 6.3) fails at optionals of a type that is only such a reference.
    public let count: Int

    /// Strides of the axes, in elements.
    @inlinable package var strides: SIMD8<Int32> {
        var strides = SIMD8<Int32>()
        nstm_tensor_strides(body, &strides)
        return strides
    }
    @inlinable public var shape: Shape {
        var sizes = SIMD8<Int32>()
        nstm_tensor_sizes(body, &sizes)
        return Shape(sizes: sizes, rank: rank)
    }
    // The type's raw value is what it is in memory.
    @inlinable public var dtype: DType { unsafeBitCast(nstm_tensor_type(body), to: DType.self) }
    /// Whether the elements are stored densely in row-major order.
    @inlinable public var isContiguous: Bool { nstm_tensor_contiguous(body) }
    @inlinable public var rank: Int { Int(nstm_tensor_rank(body)) }

    /// A view of another tensor's memory.
    /// - Parameter offset: of the first element, counted in elements from the first one of that tensor.
    package init(of other: Tensor, _ shape: Shape, _ strides: SIMD8<Int32>, offset: Int = 0) {
        let count = shape.count, isDense = Tensor.isDense(shape, strides)
        self.count = count
        body = withUnsafePointer(to: shape.sizes) { sizes in
            withUnsafePointer(to: strides) { strides in
                nstm_tensor_view(
                    other.body, other.uninitializedPointer + offset * other.dtype.byteCount, sizes, strides, Int32(shape.rank),
                    Int64(count), isDense)
            }
        }
    }
    /// A view of all elements of a contiguous tensor, in row-major order.
    init(of other: Tensor, dense shape: Shape) {
        count = other.count
        body = withUnsafePointer(to: shape.sizes) { sizes in
            nstm_tensor_view(other.body, other.uninitializedPointer, sizes, nil, Int32(shape.rank), Int64(other.count), true)
        }
    }
    /// Uninitialized memory: every element must be written before it is read.
    package init(uninitialized shape: Shape, _ dtype: DType) {
        let count = shape.count
        self.count = count
        body = withUnsafePointer(to: shape.sizes) { sizes in
            nstm_tensor_make(sizes, Int32(shape.rank), dtype.rawValue, Int64(count), Int64(count * dtype.byteCount))
        }
    }
    /// Uninitialized memory of the shape and type of a contiguous tensor.
    package init(uninitializedLike other: Tensor) { self.init(uninitialized: other.shape, other.dtype) }

    /// A new tensor whose elements the closure writes, all of them, in row-major order.
    public init<T: Element>(_ shape: Shape, initializing type: T.Type, _ body: (UnsafeMutableBufferPointer<T>) throws -> Void)
        rethrows
    {
        self.init(uninitialized: shape, T.dtype)
        try body(UnsafeMutableBufferPointer(start: uninitializedPointer.assumingMemoryBound(to: T.self), count: shape.count))
    }
    /// A tensor of given elements in row-major order.
    public init<T: Element>(_ elements: [T], _ shape: Shape) {
        guard elements.count == shape.count else {
            nstmFatal(.other(op: "Tensor", "\(elements.count) elements do not fill shape \(shape)"))
        }
        self.init(shape, initializing: T.self) { p in _ = p.initialize(from: elements) }
    }
    public init<T: Element>(_ elements: [T]) { self.init(elements, [elements.count]) }
    public init(repeating value: Double, _ shape: Shape, dtype: DType = .float32) {
        self.init(uninitialized: shape, dtype)
        let n = shape.count
        switch dtype {
        case .float32, .float64: nstm_fill(dtype.real, uninitializedPointer, value, n)
        case .int32: uninitializedPointer.assumingMemoryBound(to: Int32.self).update(repeating: Int32(value), count: n)
        case .uint8, .bool: uninitializedPointer.assumingMemoryBound(to: UInt8.self).update(repeating: UInt8(value), count: n)
        }
    }
    public static func zeros(_ shape: Shape, dtype: DType = .float32) -> Tensor { Tensor(repeating: 0, shape, dtype: dtype) }
    public static func ones(_ shape: Shape, dtype: DType = .float32) -> Tensor { Tensor(repeating: 1, shape, dtype: dtype) }
    public static func scalar(_ value: Double, dtype: DType = .float32) -> Tensor { Tensor(repeating: value, [], dtype: dtype) }

    // MARK: Layout

    static func isDense(_ shape: Shape, _ strides: SIMD8<Int32>) -> Bool {
        var run: Int32 = 1
        var axis = shape.rank - 1
        while axis >= 0 {
            let size = shape.sizes[axis]
            if size == 0 { return true }
            if size != 1 && strides[axis] != run { return false }
            run = run &* size
            axis -= 1
        }
        return true
    }

    /// The same values, densely stored in row-major order.
    ///
    /// Free if they already are.
    @inlinable @inline(__always) public func contiguous() -> Tensor { isContiguous ? self : denseCopy() }
    @usableFromInline func denseCopy() -> Tensor {
        let out = Tensor(uninitialized: shape, dtype)
        withUnsafePointer(to: shape.sizes) { sizes in
            withUnsafePointer(to: strides) { strides in
                nstm_copy_strided(
                    dtype.byteCount, Int32(rank), UnsafeRawPointer(sizes).assumingMemoryBound(to: Int32.self),
                    UnsafeRawPointer(strides).assumingMemoryBound(to: Int32.self), pointer, out.uninitializedPointer)
            }
        }
        return out
    }

    // MARK: Element access

    /// Address of the first element, for kernels.
    ///
    /// Valid while this tensor is alive; see `withExtendedLifetime`.
    @inlinable package var pointer: UnsafeRawPointer { UnsafeRawPointer(nstm_tensor_base(body)) }
    /// Address of the first element of a new tensor that no other value refers to.
    @inlinable package var uninitializedPointer: UnsafeMutableRawPointer { nstm_tensor_base(body) }
    /// The identity of the memory: the same address for all tensors that share it.
    package var storage: UnsafeRawPointer { nstm_tensor_memory(body) }
    /// Whether it keeps more memory alive than its elements need.
    package var isPartialView: Bool { nstm_tensor_is_partial_view(body) }

    /// The elements in row-major order.
    public func withElements<T: Element, R>(of type: T.Type, _ body: (UnsafeBufferPointer<T>) throws -> R) rethrows -> R {
        guard T.dtype == dtype else { nstmFatal(.dtype(op: "withElements", got: dtype, want: "\(T.dtype)")) }
        let dense = contiguous()
        defer { withExtendedLifetime(dense) {} }
        return try body(UnsafeBufferPointer(start: dense.pointer.assumingMemoryBound(to: T.self), count: count))
    }
    /// The elements of several tensors of one type in row-major order, for kernels that read them.
    public static func withElements<T: Element, R>(
        of type: T.Type, _ tensors: [Tensor], _ body: ([UnsafePointer<T>]) throws -> R
    ) rethrows -> R {
        for x in tensors where x.dtype != T.dtype {
            nstmFatal(.dtype(op: "withElements", got: x.dtype, want: "\(T.dtype)"))
        }
        let dense = tensors.map { $0.contiguous() }
        defer { withExtendedLifetime(dense) {} }
        return try body(dense.map { $0.pointer.assumingMemoryBound(to: T.self) })
    }
    /// New tensors of given shapes whose elements the closure writes, all of them, in row-major order: the results of a kernel.
    public static func initializing<T: Element>(
        _ type: T.Type, _ shapes: [Shape], _ body: ([UnsafeMutablePointer<T>]) throws -> Void
    ) rethrows -> [Tensor] {
        let made = shapes.map { Tensor(uninitialized: $0, T.dtype) }
        try body(made.map { $0.uninitializedPointer.assumingMemoryBound(to: T.self) })
        return made
    }
    /// Writes the elements in place, in row-major order; copies first when the storage is shared or strided.
    public mutating func withMutableElements<T: Element, R>(
        of type: T.Type, _ body: (UnsafeMutableBufferPointer<T>) throws -> R
    ) rethrows -> R {
        guard T.dtype == dtype else { nstmFatal(.dtype(op: "withMutableElements", got: dtype, want: "\(T.dtype)")) }
        return try body(UnsafeMutableBufferPointer(start: mutablePointer().assumingMemoryBound(to: T.self), count: count))
    }
    /// The only copy-on-write point.
    package mutating func mutablePointer() -> UnsafeMutableRawPointer {
        if !isContiguous {
            self = contiguous()
        } else if !withUnsafeMutablePointer(to: &body, { nstm_tensor_is_unique($0) }) {
            let out = Tensor(uninitialized: shape, dtype)
            out.uninitializedPointer.copyMemory(from: pointer, byteCount: count * dtype.byteCount)
            self = out
        }
        return uninitializedPointer
    }
    /// All elements in row-major order.
    public func elements<T: Element>(_ type: T.Type) -> [T] { withElements(of: type) { Array($0) } }
    /// All elements of any type as doubles in row-major order, for printing and checks.
    public func doubles() -> [Double] {
        switch dtype {
        case .float32: elements(Float.self).map(Double.init)
        case .float64: elements(Double.self)
        case .int32: elements(Int32.self).map(Double.init)
        case .uint8: elements(UInt8.self).map(Double.init)
        case .bool: elements(Bool.self).map { $0 ? 1 : 0 }
        }
    }
    /// The value of a tensor with one element.
    public func item() -> Double {
        guard count == 1 else { nstmFatal(.other(op: "item", "shape \(shape) has \(count) elements, needs 1")) }
        switch dtype {
        case .float32: return Double(pointer.load(as: Float.self))
        case .float64: return pointer.load(as: Double.self)
        case .int32: return Double(pointer.load(as: Int32.self))
        case .uint8, .bool: return Double(pointer.load(as: UInt8.self))
        }
    }
    /// The elements as raw bytes in row-major order, in the byte order of the host.
    public func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        let dense = contiguous()
        defer { withExtendedLifetime(dense) {} }
        return try body(UnsafeRawBufferPointer(start: dense.pointer, count: count * dtype.byteCount))
    }
    /// A tensor from raw bytes in row-major order, in the byte order of the host.
    public init(bytes: UnsafeRawBufferPointer, _ shape: Shape, _ dtype: DType) {
        guard bytes.count == shape.count * dtype.byteCount else {
            nstmFatal(.other(op: "Tensor(bytes:)", "\(bytes.count) bytes do not fill shape \(shape) of \(dtype)"))
        }
        self.init(uninitialized: shape, dtype)
        if let start = bytes.baseAddress { uninitializedPointer.copyMemory(from: start, byteCount: bytes.count) }
    }
}

extension DType {
    /// The C kernels' name for a floating-point type.
    package var real: nstm_real {
        switch self {
        case .float32: NSTM_F32
        case .float64: NSTM_F64
        default: nstmFatal(.dtype(op: "kernel", got: self, want: "float32 or float64"))
        }
    }
}

extension Tensor: CustomStringConvertible {
    public var description: String {
        let n = count
        let head = (n <= 16 ? self : flattened().slice(axis: 0, 0..<16)).doubles().map { "\($0)" }.joined(separator: ", ")
        return "Tensor \(shape) \(dtype) [\(head)\(n > 16 ? ", …" : "")]"
    }
}
