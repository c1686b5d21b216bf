import CNSTMKernels
import NSTMTensor

/// The way back of an operation that keeps its values on the tape, and captures nothing.
typealias PullbackSaved<Values> = (_ gradient: Tensor, _ kept: UnsafePointer<Values>, _ inputs: GradientSink) -> Void

/// The same for an operation with several outputs.
typealias PullbackSavedMany<Values> = (_ gradients: OutputGradients, _ kept: UnsafePointer<Values>, _ inputs: GradientSink) ->
    Void

/// The gradients of an operation's outputs, which come from a tape's slots; an output nobody used has none.
struct OutputGradients {
    let slots: UnsafeMutablePointer<Tensor?>
    let count: Int

    var isEmpty: Bool { !(0..<count).contains { slots[$0] != nil } }
    /// Takes one out.
    func take(_ output: Int) -> Tensor? {
        precondition(output < count)
        defer { slots[output] = nil }
        return slots[output]
    }
}

/// What an operation keeps, whatever it is.
protocol SavedValues {
    static func run(_ at: UnsafeMutableRawPointer, _ gradients: OutputGradients, _ inputs: GradientSink)
    static func drop(_ at: UnsafeMutableRawPointer)
}
/// Values, and the way back that takes them.
struct Saved<Values>: SavedValues {
    let values: Values
    let pullback: PullbackSaved<Values>

    static func run(_ at: UnsafeMutableRawPointer, _ gradients: OutputGradients, _ inputs: GradientSink) {
        guard let gradient = gradients.take(0) else { return }
        // The values are the first field.
        at.assumingMemoryBound(to: Saved.self).pointee.pullback(gradient, at.assumingMemoryBound(to: Values.self), inputs)
    }
    static func drop(_ at: UnsafeMutableRawPointer) { at.assumingMemoryBound(to: Saved.self).deinitialize(count: 1) }
}
/// The same for an operation with several outputs.
struct SavedMany<Values>: SavedValues {
    let values: Values
    let pullback: PullbackSavedMany<Values>

    static func run(_ at: UnsafeMutableRawPointer, _ gradients: OutputGradients, _ inputs: GradientSink) {
        at.assumingMemoryBound(to: SavedMany.self).pointee.pullback(gradients, at.assumingMemoryBound(to: Values.self), inputs)
    }
    static func drop(_ at: UnsafeMutableRawPointer) { at.assumingMemoryBound(to: SavedMany.self).deinitialize(count: 1) }
}

/// Two tensors and a number, for functions of elements: not generic, so that the compiler knows what is kept, which a small operation feels.
struct SavedPair: SavedValues {
    typealias Pullback = (_ gradient: Tensor, _ x: Tensor, _ y: Tensor, _ code: UInt32, _ inputs: GradientSink) -> Void
    let x: Tensor, y: Tensor
    let code: UInt32
    let pullback: Pullback

    static func run(_ at: UnsafeMutableRawPointer, _ gradients: OutputGradients, _ inputs: GradientSink) {
        guard let gradient = gradients.take(0) else { return }
        let kept = at.assumingMemoryBound(to: SavedPair.self)
        kept.pointee.pullback(gradient, kept.pointee.x, kept.pointee.y, kept.pointee.code, inputs)
    }
    static func drop(_ at: UnsafeMutableRawPointer) { at.assumingMemoryBound(to: SavedPair.self).deinitialize(count: 1) }
}

/// Memory for what operations keep: laid one after the other into blocks from the cache that tensors take theirs from, and given back
/// together.
struct SavedMemory {
    private static let blockBytes = 16_384
    /// The blocks, each beginning with the address of the one before and its own length.
    private var block: UnsafeMutableRawPointer?
    private var used = 0, room = 0

    @inline(__always) mutating func place<T>(_ value: T) -> UnsafeMutableRawPointer {
        var at = (used + MemoryLayout<T>.alignment - 1) & ~(MemoryLayout<T>.alignment - 1)
        if at + MemoryLayout<T>.size > room { at = extend(MemoryLayout<T>.size) }
        let place = block! + at
        place.initializeMemory(as: T.self, to: value)
        used = at + MemoryLayout<T>.size
        return place
    }
    /// Begins a block with room for so many bytes, and returns where they begin.
    private mutating func extend(_ bytes: Int) -> Int {
        let header = 64
        room = max(SavedMemory.blockBytes, header + bytes)
        let next = nstm_memory_allocate(room)
        next.storeBytes(of: block, as: UnsafeMutableRawPointer?.self)
        next.storeBytes(of: room, toByteOffset: 8, as: Int.self)
        block = next
        return header
    }
    /// What lies here has been dropped.
    mutating func free() {
        while let last = block {
            block = last.load(as: UnsafeMutableRawPointer?.self)
            nstm_memory_free(last, last.load(fromByteOffset: 8, as: Int.self))
        }
        self = SavedMemory()
    }
}
