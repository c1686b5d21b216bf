import Foundation
import NSTMData
import Synchronization
import Testing

extension DataTests {
    @Suite struct Folders {
        static let content = Data(String(repeating: "some text to learn from\n", count: 20_000).utf8)

        let scratch = try! Scratch()
        let digest: FileDigest

        init() throws {
            digest = try FileDigest(contentsOf: scratch.write("origin/input.txt", Self.content))
        }
        var origin: URL { scratch.url.appendingPathComponent("origin/input.txt") }
        func source(_ address: URL? = nil) -> DatasetSource {
            DatasetSource(dataset: "sample", file: "input.txt", address: address ?? origin, digest: digest)
        }
        func folder(_ given: String? = nil, ambient: String? = nil) -> DatasetFolder {
            var environment = ["XDG_CACHE_HOME": scratch.path + "/xdg", "HOME": scratch.path]
            environment["NSTM_DATA"] = ambient
            return DatasetFolder(given, environment: environment)
        }
        var cachePath: String { scratch.path + "/xdg/nstm/sample/input.txt" }
        var cacheListing: [String] { scratch.listing().filter { $0.hasPrefix("xdg") } }

        @Test func digestOfKnownBytes() throws {
            // The example of FIPS 180-2, appendix B.1.
            let abc = try FileDigest(contentsOf: scratch.write("abc", Data("abc".utf8)))
            #expect(abc.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" && abc.byteCount == 3)
            #expect(FileDigest(of: "abc") == abc)
        }

        @Test func order() throws {
            _ = try scratch.write("given/input.txt", Self.content)
            _ = try scratch.write("given/sample/input.txt", Self.content)
            _ = try scratch.write("ambient/sample/input.txt", Self.content)
            let given = scratch.path + "/given", ambient = scratch.path + "/ambient"
            func found(_ folder: DatasetFolder) throws -> (String, DatasetFolder.File.Origin) {
                let file = try folder.resolve(source())
                #expect(file.warning == nil && file.digest == digest)
                return (file.url.path, file.origin)
            }
            #expect(try found(folder(given, ambient: ambient)) == (given + "/input.txt", .user))
            #expect(try found(folder(given + "/input.txt")) == (given + "/input.txt", .user))
            #expect(try found(folder(ambient: ambient)) == (ambient + "/sample/input.txt", .user))
            #expect(cacheListing.isEmpty)
            #expect(try found(folder()) == (cachePath, .download))
            #expect(try found(folder()) == (cachePath, .cache))
            #expect(try found(folder(ambient: scratch.path + "/nowhere")) == (cachePath, .cache))
            #expect(try found(folder(ambient: "")) == (cachePath, .cache))
        }

        @Test func cacheFollowsTheEnvironment() {
            let home = DatasetFolder(environment: ["HOME": "/h", "XDG_CACHE_HOME": "relative"]).cache.path
            #if os(macOS)
                #expect(home == "/h/Library/Caches/nstm")
            #else
                #expect(home == "/h/.cache/nstm")
            #endif
            #expect(DatasetFolder(environment: ["HOME": "/h", "XDG_CACHE_HOME": "/x"]).cache.path == "/x/nstm")
        }

        @Test func aGivenFolderWithoutTheFileIsAnError() throws {
            let error = #expect(throws: DatasetError.self) { try folder(scratch.path + "/nowhere").resolve(source()) }
            let text = error?.description ?? ""
            #expect(text.contains(scratch.path + "/nowhere/input.txt (\(scratch.path)/nowhere does not exist)"))
            #expect(text.contains("/nowhere/sample/input.txt") && text.contains("--data FOLDER"))
            #expect(cacheListing.isEmpty)
        }

        @Test func staysOffTheNetworkWhenTold() throws {
            let error = #expect(throws: DatasetError.self) {
                try folder(ambient: scratch.path + "/nowhere").resolve(source(), download: false)
            }
            #expect(
                error
                    == .notFound(
                        dataset: "sample", file: "input.txt",
                        lookedAt: [
                            scratch.path + "/nowhere/input.txt (\(scratch.path)/nowhere does not exist)",
                            scratch.path + "/nowhere/sample/input.txt (\(scratch.path)/nowhere does not exist)", cachePath,
                        ], address: origin.absoluteString))
            #expect(cacheListing.isEmpty)
        }

        @Test func anEditedFileOfTheUsersIsOnlyAWarning() throws {
            _ = try scratch.write("mine/input.txt", Data("abc".utf8))
            let file = try folder(scratch.path + "/mine").resolve(source())
            let path = scratch.path + "/mine/input.txt"
            #expect(file.warning == .notThePublishedFile(path: path, expected: digest, found: file.digest))
            #expect(file.digest.byteCount == 3)
        }

        @Test func aDamagedCacheIsFetchedAgain() throws {
            _ = try scratch.write("xdg/nstm/sample/input.txt", Data("abc".utf8))
            #expect(try folder().resolve(source()).origin == .download)
            #expect(try folder().resolve(source()).origin == .cache)
            #expect(cacheListing.count == 4)
        }

        @Test func wrongChecksumLeavesNothing() throws {
            let wrong = try scratch.write("wrong.txt", Data("abc".utf8))
            let error = #expect(throws: DatasetError.self) { try folder().resolve(source(wrong)) }
            guard case .checksumMismatch(_, digest, let found) = error else {
                Issue.record("\(error as Any)")
                return
            }
            #expect(found.byteCount == 3)
            #expect(error?.description.contains(digest.sha256) == true && error?.description.contains(found.sha256) == true)
            #expect(cacheListing.isEmpty)
            // What was there before stays as it was.
            let old = try scratch.write("xdg/nstm/sample/input.txt", Data("old".utf8))
            #expect(throws: DatasetError.self) { try folder().resolve(source(wrong)) }
            #expect(try Data(contentsOf: old) == Data("old".utf8))
            #expect(cacheListing.count == 4)
        }

        @Test func aCacheThatCannotBeWrittenIsNamed() throws {
            _ = try scratch.write("xdg", Data("a file where the folder should be".utf8))
            let error = #expect(throws: DatasetError.self) { try folder().resolve(source()) }
            guard case .cannotWrite(let path, _) = error else {
                Issue.record("\(error as Any)")
                return
            }
            #expect(path.hasPrefix(scratch.path + "/xdg/nstm/sample/"))
        }

        // MARK: Over HTTP, on the loopback interface

        @Test func downloadsWithProgress() throws {
            let server = try LoopbackServer(
                answer: LoopbackServer.response("200 OK", length: Self.content.count, Self.content))
            let seen = Mutex<[Int]>([])
            let file = try folder().resolve(source(server.address)) { received, total in
                #expect(total == 480_000)
                seen.withLock { $0.append(received) }
            }
            #expect(file.origin == .download)
            #expect(try Data(contentsOf: file.url) == Self.content)
            let steps = seen.withLock { $0 }
            #expect(steps.first == 0 && steps.last == 480_000 && steps == steps.sorted())
            #expect(cacheListing == ["xdg", "xdg/nstm", "xdg/nstm/sample", "xdg/nstm/sample/input.txt"])
        }

        @Test func anErrorStatusIsNoData() throws {
            let server = try LoopbackServer(answer: LoopbackServer.response("404 Not Found", length: 4, Data("gone".utf8)))
            let error = #expect(throws: DatasetError.self) { try folder().resolve(source(server.address)) }
            let text = error?.description ?? ""
            #expect(text.contains("status 404") && text.contains("--data FOLDER") && text.contains(cachePath))
            #expect(cacheListing.isEmpty)
        }

        @Test func aBrokenConnectionLeavesNothing() throws {
            let half = Self.content.prefix(Self.content.count / 2)
            let server = try LoopbackServer(answer: LoopbackServer.response("200 OK", length: Self.content.count, half))
            #expect(throws: DatasetError.self) { try folder().resolve(source(server.address)) }
            #expect(cacheListing.isEmpty)
        }

        @Test func nobodyListening() throws {
            let address = try LoopbackServer(answer: nil).address
            let error = #expect(throws: DatasetError.self) { try folder().resolve(source(address)) }
            guard case .downloadFailed = error else {
                Issue.record("\(error as Any)")
                return
            }
            #expect(cacheListing.isEmpty)
        }
    }
}
