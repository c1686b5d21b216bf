import Foundation
import NSTMTensor
import Testing

@Suite struct AvailableMemoryTests {
    @Test func boundedByTheMachine() {
        #expect(AvailableMemory.bytes > 0)
        #if os(Linux)
            let swap = (try? String(contentsOfFile: "/proc/swaps", encoding: .utf8)).map { $0.split(separator: "\n").count > 1 }
            if swap != true { #expect(AvailableMemory.bytes <= Int(ProcessInfo.processInfo.physicalMemory)) }
        #endif
    }
    @Test func whatFitsPassesAndWhatDoesNotSaysBothNumbers() throws {
        try AvailableMemory.check(0, for: "nothing")
        try AvailableMemory.check(1 << 20, for: "little")
        let error = #expect(throws: MemoryError.self) { try AvailableMemory.check(1 << 60, for: "the parameters") }
        #expect(error?.needed == 1 << 60)
        #expect("\(error!)".hasPrefix("the parameters: needs 1152921504606846976 bytes of memory, "))
        #expect(throws: MemoryError.self) { try AvailableMemory.check(.max, for: "all") }
    }
    /// In a process of its own, because a limit of address space cannot be raised again.
    @Test func aLimitOfAddressSpaceCounts() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit()
            #if canImport(Darwin)
                let resource = RLIMIT_AS
            #else
                let resource = __rlimit_resource_t(RLIMIT_AS.rawValue)
            #endif
            getrlimit(resource, &limit)
            let before = AvailableMemory.bytes
            // Less than the process has mapped already.
            limit.rlim_cur = 1 << 20
            setrlimit(resource, &limit)
            let after = AvailableMemory.bytes
            #if os(Linux)
                exit(after == 0 && before > 0 ? 0 : 1)
            #else
                exit(after <= before ? 0 : 1)
            #endif
        }
    }
    /// Folders as the kernel shows them: the tightest of the group and those above it holds, idle pages of files count as free.
    @Test func controlGroups() throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("nstm-\(UUID())")
        defer { try? FileManager.default.removeItem(at: root) }
        let inner = root.appendingPathComponent("outer/inner")
        try FileManager.default.createDirectory(at: inner, withIntermediateDirectories: true)
        func put(_ text: String, _ name: String) throws {
            try Data(text.utf8).write(to: root.appendingPathComponent(name))
        }
        try put("1000000\n", "outer/memory.max")
        try put("700000\n", "outer/memory.current")
        try put("anon 5\ninactive_file 200000\n", "outer/memory.stat")
        try put("max\n", "outer/inner/memory.max")
        try put("600000\n", "outer/inner/memory.current")
        func room(_ group: Substring) -> Int? {
            AvailableMemory.room(group, in: root.path, limit: "memory.max", use: "memory.current")
        }
        #expect(room("/outer/inner") == 500_000)
        #expect(room("/elsewhere") == nil)
        try put("650000\n", "outer/inner/memory.max")
        #expect(room("/outer/inner") == 50_000)
        try put("100\n", "outer/inner/memory.max")
        #expect(room("/outer/inner") == 0)
    }
    @Test func sizesSaturate() {
        #expect([2, 3, 4].saturatedProduct == 24)
        #expect([Int.max, 2].saturatedProduct == .max)
        #expect([Int.max, 2, 0].saturatedProduct == 0)
        #expect([Int]().saturatedProduct == 1)
        #expect([Int.max, 1].saturatedSum == .max)
        #expect([1, 2].saturatedSum == 3)
    }
}
