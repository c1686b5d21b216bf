import NSTMTensor

/// A growing array in memory from the tensor allocator, for data that is rebuilt in every pass.
///
/// Unlike `Array` it allocates nothing from the system in steady state, and reads of its elements do not check for exclusive
/// access or copies. Its owner frees it.
struct PooledArray<Element> {
    private(set) var count = 0
    private var capacity = 0
    private var base: UnsafeMutablePointer<Element>?

    var isEmpty: Bool { count == 0 }
    private static func bytes(_ capacity: Int) -> Int { capacity * MemoryLayout<Element>.stride }

    mutating func reserve(_ wanted: Int) {
        if wanted <= capacity { return }
        let larger = CachedMemory.allocate(byteCount: PooledArray.bytes(wanted)).bindMemory(to: Element.self, capacity: wanted)
        if let base {
            larger.moveInitialize(from: base, count: count)
            CachedMemory.free(base, byteCount: PooledArray.bytes(capacity))
        }
        base = larger
        capacity = wanted
    }
    @inline(__always) mutating func append(_ element: consuming Element) {
        if count == capacity { reserve(max(16, capacity * 2)) }
        (base! + count).initialize(to: element)
        count += 1
    }
    mutating func removeLast() {
        precondition(count > 0)
        count -= 1
        (base! + count).deinitialize(count: 1)
    }
    @inline(__always) subscript(_ i: Int) -> Element {
        unsafeAddress {
            precondition(i >= 0 && i < count)
            return UnsafePointer(base! + i)
        }
        nonmutating unsafeMutableAddress {
            precondition(i >= 0 && i < count)
            return base! + i
        }
    }
    mutating func free() {
        guard let base else { return }
        base.deinitialize(count: count)
        CachedMemory.free(base, byteCount: PooledArray.bytes(capacity))
        self = PooledArray()
    }
}
