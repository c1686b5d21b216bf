import Foundation

/// The memory in bytes that this process can still allocate, with which sizes from outside (files, configurations) are compared
/// before an allocation.
package enum AvailableMemory {
    /// The smallest of the limits: free and reclaimable memory of the host with its swap, the rest of the process's control
    /// groups, and the rest of its address space (`ulimit -v`).
    ///
    /// `Int.max` if the system does not report any.
    package static var bytes: Int {
        assumed ?? min(machine ?? physical, controlGroups ?? .max, addressSpace ?? .max)
    }
    /// A value to use instead of that of the system, for tests.
    @TaskLocal package static var assumed: Int?

    /// - Parameters:
    ///   - bytes: what would be allocated; `Int.max` for more than a number can say.
    ///   - purpose: what it is for, as the subject of a sentence: "the model's parameters".
    /// - Throws: `MemoryError` when more is needed than there is.
    package static func check(_ bytes: Int, for purpose: @autoclosure () -> String) throws(MemoryError) {
        // Asking the system takes longer than most allocations.
        guard bytes >= 1 << 24 else { return }
        let available = AvailableMemory.bytes
        guard bytes <= available else { throw MemoryError(purpose: purpose(), needed: bytes, available: available) }
    }

    // MARK: Limits

    private static var physical: Int { Int(clamping: ProcessInfo.processInfo.physicalMemory) }

    /// `MemAvailable` and free swap of the host.
    private static var machine: Int? {
        guard let text = text("/proc/meminfo") else { return nil }
        let fields = keyed(text)
        // Kibibytes.
        return fields["MemAvailable:"].map { ($0 + (fields["SwapFree:"] ?? 0)) << 10 }
    }

    /// The rest of the limit on the address space; nil without a limit.
    package static var addressSpace: Int? {
        var limit = rlimit()
        #if canImport(Darwin)
            let failed = getrlimit(RLIMIT_AS, &limit) != 0
        #else
            let failed = getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) != 0
        #endif
        guard !failed, limit.rlim_cur < rlim_t(Int.max) else { return nil }
        // Pages of the process, all of them first.
        let pages = text("/proc/self/statm")?.split(separator: " ").first.flatMap { Int($0) } ?? 0
        return max(0, Int(limit.rlim_cur) - pages * Int(sysconf(Int32(_SC_PAGESIZE))))
    }

    /// The rest of the limits of the process's control group and of its ancestors.
    private static var controlGroups: Int? {
        guard let text = text("/proc/self/cgroup") else { return nil }
        var rooms: [Int] = []
        for line in text.split(separator: "\n" as Character) {
            // Number, controllers, path; version 2 names no controllers.
            let parts = line.split(separator: ":" as Character, maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let found: Int?
            if parts[1].isEmpty {
                found = room(parts[2], in: "/sys/fs/cgroup", limit: "memory.max", use: "memory.current")
            } else if parts[1].split(separator: "," as Character).contains("memory") {
                found = room(
                    parts[2], in: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes", use: "memory.usage_in_bytes")
            } else {
                continue
            }
            if let found { rooms.append(found) }
        }
        return rooms.min()
    }
    /// The smallest rest of the limits of a group and of its ancestors.
    package static func room(_ group: Substring, in root: String, limit: String, use: String) -> Int? {
        var names = group.split(separator: "/" as Character).map { String($0) }
        var least: Int?
        while true {
            let folder = ([root] + names).joined(separator: "/")
            // Version 2 says "max" where there is no limit.
            if let most = number("\(folder)/\(limit)"), let used = number("\(folder)/\(use)") {
                // Inactive pages of files are reclaimed before an allocation fails.
                let idle = text("\(folder)/memory.stat").map(keyed)?["inactive_file"] ?? 0
                least = min(least ?? .max, max(0, most - max(0, used - idle)))
            }
            guard names.popLast() != nil else { return least }
        }
    }

    // MARK: Files of the system

    private static func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
    private static func number(_ path: String) -> Int? {
        text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
    /// Lines of a name and a number.
    private static func keyed(_ text: String) -> [Substring: Int] {
        var fields: [Substring: Int] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            if words.count >= 2, let value = Int(words[1]) { fields[words[0]] = value }
        }
        return fields
    }
}

/// An error for an allocation that exceeds the available memory.
public struct MemoryError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The purpose of the memory.
    public let purpose: String
    /// Required bytes; `Int.max` for more than a number can represent.
    public let needed: Int
    /// Available bytes.
    public let available: Int

    public init(purpose: String, needed: Int, available: Int) {
        self.purpose = purpose
        self.needed = needed
        self.available = available
    }
    public var description: String {
        "\(purpose): needs \(needed == .max ? "more than \(Int.max)" : "\(needed)") bytes of memory, \(available) are available"
    }
}

extension Sequence where Element == Int {
    /// The sum of sizes that are not negative; `Int.max` when it is larger than a number can say.
    package var saturatedSum: Int {
        reduce(0) { sum, size in
            let (next, overflow) = sum.addingReportingOverflow(size)
            return overflow ? .max : next
        }
    }
    /// The product of sizes that are not negative; `Int.max` when it is larger than a number can say.
    package var saturatedProduct: Int {
        var product = 1, isTooLarge = false
        for size in self {
            if size == 0 { return 0 }
            let (next, overflow) = product.multipliedReportingOverflow(by: size)
            isTooLarge = isTooLarge || overflow
            product = overflow ? .max : next
        }
        return isTooLarge ? .max : product
    }
}
