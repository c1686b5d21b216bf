import NSTMTensor

/// The backward function of an operation with one output, which adds to the gradients of the inputs from the gradient of the
/// output and the saved values.
///
/// It captures nothing.
typealias BackwardFunction<Values> = (_ gradient: Tensor, _ saved: UnsafePointer<Values>, _ gradients: GradientSink) -> Void

/// The backward function of an operation with several outputs.
typealias BackwardFunctionOfOutputs<Values> = (
    _ outputs: OutputGradients, _ saved: UnsafePointer<Values>, _ gradients: GradientSink
) -> Void

/// The gradients of an operation's outputs in the slots of a backward pass; nil for one that was not used.
struct OutputGradients {
    let slots: UnsafeMutablePointer<Tensor?>
    let count: Int

    var isEmpty: Bool { !(0..<count).contains { slots[$0] != nil } }
    /// Removes a gradient from its slot and returns it.
    func take(_ output: Int) -> Tensor? {
        precondition(output < count)
        defer { slots[output] = nil }
        return slots[output]
    }
}

/// The functions for the type of the values that an operation saved; they precede the values in the memory of the tape and
/// capture nothing.
struct SavedOperation {
    /// Calls the backward function of the values at an address.
    let run: (_ address: UnsafeMutableRawPointer, _ outputs: OutputGradients, _ gradients: GradientSink) -> Void
    /// Destroys the values at an address, with these functions.
    let destroy: (_ address: UnsafeMutableRawPointer) -> Void
}

/// Values that an operation with one output saved, and the backward function that takes them.
struct Saved<Values> {
    let operation: SavedOperation
    var values: Values
    let backward: BackwardFunction<Values>

    // Inlined into operations, where the types are known, so that the closures are plain functions.
    @inline(__always) init(_ values: consuming Values, _ backward: @escaping BackwardFunction<Values>) {
        operation = SavedOperation(
            run: { address, outputs, gradients in
                guard let gradient = outputs.take(0) else { return }
                let saved = address.assumingMemoryBound(to: Saved.self)
                withUnsafePointer(to: &saved.pointee.values) { saved.pointee.backward(gradient, $0, gradients) }
            }, destroy: { $0.assumingMemoryBound(to: Saved.self).deinitialize(count: 1) })
        self.values = values
        self.backward = backward
    }
}
/// Values that an operation with several outputs saved, with its backward function.
///
/// It is a separate type, because Swift would allocate an adapter for a type that is generic over the function.
struct SavedOfOutputs<Values> {
    let operation: SavedOperation
    var values: Values
    let backward: BackwardFunctionOfOutputs<Values>

    @inline(__always) init(_ values: consuming Values, _ backward: @escaping BackwardFunctionOfOutputs<Values>) {
        operation = SavedOperation(
            run: { address, outputs, gradients in
                let saved = address.assumingMemoryBound(to: SavedOfOutputs.self)
                withUnsafePointer(to: &saved.pointee.values) { saved.pointee.backward(outputs, $0, gradients) }
            }, destroy: { $0.assumingMemoryBound(to: SavedOfOutputs.self).deinitialize(count: 1) })
        self.values = values
        self.backward = backward
    }
}

/// Memory for saved values: allocated consecutively in blocks from the tensor allocator, and freed together.
struct SavedMemory {
    private static let blockBytes = 16_384
    /// The blocks; each starts with the address of the previous one and its own length.
    private var block: UnsafeMutableRawPointer?
    private var used = 0, room = 0

    /// Moves a value into this memory; the owner of the memory destroys it.
    @inline(__always) mutating func store<T>(_ value: consuming T) -> UnsafeMutableRawPointer {
        var at = (used + MemoryLayout<T>.alignment - 1) & ~(MemoryLayout<T>.alignment - 1)
        if at + MemoryLayout<T>.size > room { at = extend(MemoryLayout<T>.size) }
        let address = block! + at
        address.initializeMemory(as: T.self, to: value)
        used = at + MemoryLayout<T>.size
        return address
    }
    /// Allocates a block for at least `bytes` bytes, and returns the offset of the first.
    private mutating func extend(_ bytes: Int) -> Int {
        let header = 64
        room = max(SavedMemory.blockBytes, header + bytes)
        let next = CachedMemory.allocate(byteCount: room)
        next.storeBytes(of: block, as: UnsafeMutableRawPointer?.self)
        next.storeBytes(of: room, toByteOffset: 8, as: Int.self)
        block = next
        return header
    }
    /// Frees the blocks; all values must have been destroyed.
    mutating func free() {
        while let last = block {
            block = last.load(as: UnsafeMutableRawPointer?.self)
            CachedMemory.free(last, byteCount: last.load(fromByteOffset: 8, as: Int.self))
        }
        self = SavedMemory()
    }
}
