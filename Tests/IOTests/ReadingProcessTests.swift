import CHDF5
import Foundation
import NSTMIO
import NSTMTensor
import Testing

/// Files with valid digests and an invalid structure: libhdf5 crashes on some of them, but only in a child process.
struct ReadingProcessTests {
    /// Blocks of metadata: they begin with a signature and end with a checksum (Bob Jenkins' lookup3).
    static func blocks(_ file: [UInt8]) -> [Range<Int>] {
        let signatures = ["OHDR", "OCHK", "FRHP", "FHDB", "FHIB", "BTHD", "BTLF", "FAHD", "FADB"].map { Array($0.utf8) }
        var found: [Range<Int>] = []
        for start in file.indices.dropLast(16) where signatures.contains(Array(file[start..<start + 4])) {
            for end in (start + 8)..<min(start + 2048, file.count - 4) where checksum(file[start..<end]) == stored(file, at: end)
            {
                found.append(start..<end)
                break
            }
        }
        return found
    }
    static func stored(_ file: [UInt8], at offset: Int) -> UInt32 {
        file[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        func rotated(_ x: UInt32, _ k: UInt32) -> UInt32 { x << k | x >> (32 - k) }
        let start: UInt32 = 0xDEAD_BEEF &+ UInt32(bytes.count)
        var (a, b, c) = (start, start, start), rest = bytes
        func word(_ i: Int) -> UInt32 {
            let from = rest.startIndex + i
            return rest[from..<min(from + 4, rest.endIndex)].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        while rest.count > 12 {
            (a, b, c) = (a &+ word(0), b &+ word(4), c &+ word(8))
            a = (a &- c) ^ rotated(c, 4)
            c = c &+ b
            b = (b &- a) ^ rotated(a, 6)
            a = a &+ c
            c = (c &- b) ^ rotated(b, 8)
            b = b &+ a
            a = (a &- c) ^ rotated(c, 16)
            c = c &+ b
            b = (b &- a) ^ rotated(a, 19)
            a = a &+ c
            c = (c &- b) ^ rotated(b, 4)
            b = b &+ a
            rest = rest.dropFirst(12)
        }
        if rest.isEmpty { return c }
        a = a &+ word(0)
        if rest.count > 4 { b = b &+ word(4) }
        if rest.count > 8 { c = c &+ word(8) }
        c = (c ^ b) &- rotated(b, 14)
        a = (a ^ c) &- rotated(c, 11)
        b = (b ^ a) &- rotated(a, 25)
        c = (c ^ b) &- rotated(b, 16)
        a = (a ^ c) &- rotated(c, 4)
        b = (b ^ a) &- rotated(a, 14)
        return (c ^ b) &- rotated(b, 24)
    }

    /// Each file has one other byte of metadata, with the block's checksum, the digest and the header's digest made right.
    ///
    /// The number of files is what a few seconds allow.
    @Test func changedMetadataNeverEndsTheProcess() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            let scratch = try Scratch(), url = scratch.file()
            try CheckpointFile.write(sampleArchive(), to: url)
            let whole = [UInt8](try Data(contentsOf: url)), blocks = ReadingProcessTests.blocks(whole)
            guard blocks.count > 10 else { fatalError("\(blocks.count) blocks of metadata") }
            var read = 0, refused = 0
            for i in 0..<400 {
                let key = RandomKey(7).fold(i), block = blocks[key.integer(0, below: blocks.count)]
                let offset = block.lowerBound + key.integer(1, below: block.count)
                var bytes = whole
                bytes[offset] = key.integer(2, below: 2) == 0 ? bytes[offset] ^ (1 << UInt8(key.integer(3, below: 8))) : 255
                let sum = ReadingProcessTests.checksum(bytes[block])
                for b in 0..<4 { bytes[block.upperBound + b] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(b))) }
                try Data(bytes).write(to: url)
                try CheckpointFile.seal(url)
                FileHandle.standardError.write(Data("file \(i), byte \(offset)\n".utf8))
                do {
                    _ = try CheckpointFile.info(url)
                    _ = try CheckpointFile.read(url)
                    read += 1
                } catch is CheckpointError { refused += 1 }
            }
            guard refused > 50 else { fatalError("\(refused) refused, \(read) read") }
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(result?.exitStatus == .exitCode(0), "\(text.split(separator: "\n").suffix(20).joined(separator: "\n"))")
    }

    // Values captured by an exit test need Swift 6.3.
    #if compiler(>=6.3)
        /// Readings leak no process and no descriptor, whatever their result and number, whether or not SIGCHLD is ignored, and
        /// while signals interrupt every wait.
        @Test(arguments: [false, true]) func nothingIsLeftBehind(ignoringChildren: Bool) async throws {
            let scratch = try Scratch(), whole = scratch.file("whole.h5"), broken = scratch.file("broken.h5")
            try CheckpointFile.write(sampleArchive(), to: whole)
            // The superblock's address of the root group, with the checksum made right.
            var bytes = [UInt8](try Data(contentsOf: whole))
            for i in 36..<44 { bytes[512 + i] = 0x7F }
            let sum = ReadingProcessTests.checksum(bytes[512..<556])
            for b in 0..<4 { bytes[556 + b] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(b))) }
            try Data(bytes).write(to: broken)
            try CheckpointFile.seal(broken)
            await #expect(processExitsWith: .success) {
                [ignoringChildren = ignoringChildren as Bool, whole = whole.path as String, broken = broken.path as String] in
                signal(SIGCHLD, ignoringChildren ? SIG_IGN : SIG_DFL)
                signal(SIGALRM) { _ in }
                var interval = itimerval()
                interval.it_interval.tv_usec = 2000
                interval.it_value.tv_usec = 2000
                let before = openDescriptors()
                setitimer(realTimer, &interval, nil)
                await withTaskGroup(of: Void.self) { group in
                    for _ in 0..<8 {
                        group.addTask {
                            for _ in 0..<5 {
                                do {
                                    expectEqual(try CheckpointFile.read(URL(fileURLWithPath: whole)), sampleArchive())
                                    guard try CheckpointFile.info(URL(fileURLWithPath: whole)).tensors.count == 9 else {
                                        exit(10)
                                    }
                                } catch {
                                    print(error)
                                    exit(11)
                                }
                                if (try? CheckpointFile.read(URL(fileURLWithPath: broken))) != nil { exit(12) }
                            }
                        }
                    }
                }
                interval = itimerval()
                setitimer(realTimer, &interval, nil)
                guard openDescriptors() == before else { exit(13) }
                guard waitpid(-1, nil, WNOHANG) == -1, errno == ECHILD else { exit(14) }
            }
        }
    #endif
}

#if canImport(Glibc)
    private let realTimer = __itimer_which_t(ITIMER_REAL.rawValue)
#else
    private let realTimer = ITIMER_REAL
#endif
