import Foundation
import NSTMConfiguration
import NSTMData
import NSTMIO
import NSTMModules
import Testing

import NSTMCommand
import NSTMTraining

/// Files and arguments that are not what they should be, and numbers that overflow.
@Suite(.serialized) struct InputTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func run(_ arguments: String...) throws -> Tool.Result { try Tool.run(arguments, in: scratch) }

    /// Endless or non-regular files, for every file that a user can name.
    @Test func onlyRegularFilesAreRead() throws {
        #expect(mkfifo(scratch["pipe"].path, 0o600) == 0)
        #expect(mkfifo(scratch["pipe.yaml"].path, 0o600) == 0)
        #expect(mkfifo(scratch["pipe.h5"].path, 0o600) == 0)
        try scratch.write("folder.yaml/file", "")
        try scratch.write("folder/file", "")
        try scratch.write("plan.yaml", "base: {data: {type: copy}}\nmodels: [{name: a}]\nbudget: {steps: 1}\n")
        try scratch.write("with-pipe/file", "")
        #expect(mkfifo(scratch["with-pipe/plan.json"].path, 0o600) == 0)
        func text(_ file: String) -> [String] { ["train", "--set", "data.type=text", "--set", "data.file=\(file)"] }
        let cases: [(arguments: [String], reason: String)] = [
            (["train", "pipe.yaml"], "is a pipe"), (["train", "/dev/zero"], "is a device"),
            (["train", "folder.yaml"], "is a folder"), (["compare", "pipe"], "is a pipe"),
            (["sweep", "pipe"], "is a pipe"),
            (["scale", "/dev/zero"], "is a device"),
            (["summary", "pipe"], "is a pipe"), (["bench", "--models", "pipe.yaml"], "is a pipe"), (text("pipe"), "is a pipe"),
            (text("/dev/zero"), "is a device"), (text("folder"), "is a folder"),
            (["train", "--data", "/dev/zero"], "is a device"),
            (["train", "--data", "pipe"], "is a pipe"), (["evaluate", "pipe"], "special file"),
            (["evaluate", "/dev/zero"], "special file"), (["train", "--resume", "pipe.h5"], "special file"),
            (["generate", "pipe.h5"], "special file"), (["checkpoint", "info", "/dev/zero"], "special file"),
        ]
        for (arguments, reason) in cases {
            let result = try Tool.run(arguments, in: scratch)
            #expect(result.status == 1 && result.error.contains(reason), "\(arguments): \(result.error)")
        }
        #expect(try Tool.run(["compare", "plan.yaml", "--output", "with-pipe", "--resume"], in: scratch).status == 1)
    }

    @Test func largeConfigurationsAreRefused() throws {
        let limit = InputFile.largestConfiguration
        try scratch.write("large.yaml", "seed: 1\n" + String(repeating: "#", count: limit))
        let large = try run("train", "large.yaml")
        #expect(large.status == 1 && large.error.contains("has more than 1048576 bytes"), "\(large.error)")
        // A sparse file of the size of a disk is not read.
        try scratch.write("sparse.yaml", "")
        #expect(truncate(scratch["sparse.yaml"].path, 1 << 40) == 0)
        #expect(try run("train", "sparse.yaml").error.contains("has more than"))
        let sparse = try run("train", "--set", "data.type=text", "--set", "data.file=sparse.yaml")
        #expect(sparse.status == 1 && sparse.error.contains("has more than"), "\(sparse.error)")
        // At the limit a file is read. A scalar of such a length, a name of it and a list of issues of it once took long.
        let long = String(repeating: "x", count: limit - 100)
        for text in ["seed: \(long)\n", "data: {type: \"\(long)\"}\n", "\(long.prefix(1000)): 1\n"] {
            try scratch.write("long.yaml", text)
            let result = try run("train", "long.yaml")
            #expect(result.status == 1 && result.error.utf8.count < 5000)
        }
    }

    @Test func byteOrderMarksAreNoContent() throws {
        let mark = "\u{FEFF}"
        #expect(try ConfigurationValue(yamlDocument: mark + "seed: 3\n", name: "c.yaml") == ["seed": 3])
        #expect(try ConfigurationValue(yamlDocument: mark, name: "c.yaml") == [:])
        try scratch.write("marked.yaml", mark + "seed: 3\n")
        #expect(try run("train", "marked.yaml", "--data", "/nonexistent").error.contains("/nonexistent"))
        let plain = try scratch.write("plain.txt", sampleText()), marked = try scratch.write("marked.txt", mark + sampleText())
        let a = try TextDataset(contentsOf: plain, name: "text", context: 8)
        let b = try TextDataset(contentsOf: marked, name: "text", context: 8)
        #expect(a.fingerprint == b.fingerprint && !b.tokenizer.characters.contains("\u{FEFF}"))
        // Anywhere else it is a character like others.
        let inside = try scratch.write("inside.txt", sampleText() + mark)
        #expect(try TextDataset(contentsOf: inside, name: "text", context: 8).tokenizer.characters.contains("\u{FEFF}"))
    }

    @Test func emptyPathsAreRefused() throws {
        for arguments in [
            ["train", "--output", ""], ["train", ""], ["train", "--data", ""], ["evaluate", ""],
            ["sweep", "", "--values", "a=1"],
            ["compare", ""], ["compare", "x.yaml", "--output", ""], ["compact", "a", "--output", ""], ["summary", ""],
            ["bench", "--output", ""], ["robustness", "a", "--output", ""], ["expand", "a", "--states", "3", "--output", ""],
        ] {
            let result = try Tool.run(arguments, in: scratch)
            #expect(result.status == 64 && result.error.contains("a path is empty"), "\(arguments): \(result.error)")
        }
        #expect(scratch.listing().allSatisfy { $0.hasPrefix("out-") || $0.hasPrefix("err-") })
    }

    /// The ending of its name does not make a folder a file.
    @Test func foldersMayHaveAnyName() throws {
        #expect(try Tool.run(["train", "--output", "x.h5", "--until", "2"] + tinyRun(), in: scratch).status == 0)
        let resumed = try run("train", "--resume", "x.h5")
        #expect(resumed.status == 0, "\(resumed.error)")
        for arguments in [["evaluate"], ["summary"], ["states"], ["checkpoint", "info"]] {
            #expect(try Tool.run(arguments + ["x.h5"], in: scratch).status == 0)
        }
        #expect(try run("robustness", "x.h5", "--strengths", "0.1").output.hasPrefix("x.h5: "))
        let absent = try run("train", "--resume", "absent.h5")
        #expect(absent.status == 1 && absent.error.contains("absent.h5: no such file"), "\(absent.error)")
    }

    @Test func benchKnowsItsReference() throws {
        let result = try run("bench", "--models", "nstm", "--lengths", "8", "--reference", "nothere")
        #expect(result.status == 64 && result.error.contains("--reference nothere is not one of nstm"), "\(result.error)")
    }

    /// Results where there can be none: below a file, under a name that is too long, and where nobody may write.
    @Test func unwritableResultsAreNamed() throws {
        try scratch.write("file", "")
        try scratch.write("plan.yaml", "base: {data: {type: copy}}\nmodels: [{name: a}]\nbudget: {steps: 1}\n")
        let long = String(repeating: "x", count: 300)
        var refusals: [(folder: String, codes: [Int32])] = [("file/a", [ENOTDIR]), (long, [ENAMETOOLONG])]
        #if os(Linux)
            refusals.append(("/sys/nstm-results", [EPERM, EACCES, EROFS, ENOENT]))
        #endif
        for (folder, codes) in refusals {
            for arguments in [
                ["bench", "--models", "lstm", "--lengths", "8", "--batch", "8"], ["compare", "plan.yaml"], ["train"] + tinyRun(),
            ] {
                let result = try Tool.run(arguments + ["--output", folder], in: scratch)
                let reasons = codes.map { String(cString: strerror($0)) }
                #expect(result.status == 1 && result.error.contains("/" + folder.drop { $0 == "/" }), "\(result.error)")
                #expect(reasons.contains { result.error.contains($0) }, "\(arguments): \(result.error)")
            }
        }
    }

    /// Which of loss, gradient and norm overflowed, and where.
    @Test func overflowsAreNamed() throws {
        let deep = try Tool.run(["train", "--output", "deep"] + tinyRun("model.layers=1000"), in: scratch)
        #expect(deep.status == 1 && deep.error.contains("step 1: the loss is 0.69"), "\(deep.error)")
        #expect(
            deep.error.contains("the gradient's norm overflowed; the largest element is in ") || deep.error.contains("first at "))
        #expect(
            deep.error.contains("The learning rate is not the cause") && deep.error.contains("saved no checkpoint"),
            "\(deep.error)")
        func text(_ step: Int, _ loss: Double, _ gradient: String?) -> String {
            "\(TrainingError.nonFinite(step: step, loss: loss, gradient: gradient, largest: "a.b, 1e+30", checkpoint: nil))"
        }
        #expect(text(7, .nan, "a.b[3]").hasPrefix("step 7: the loss is nan, and the gradient is non-finite, first at a.b[3]. "))
        #expect(text(7, 1, "a.b[3]").contains("the gradient overflowed in the backward pass, first at a.b[3]. "))
        #expect(text(7, 1, nil).contains("norm overflowed; the largest element is in a.b, 1e+30. "))
        #expect(text(7, 1, nil).contains("Lower the learning rate") && !text(1, .nan, nil).contains("Lower the learning rate"))
    }

    #if os(Linux)
        @Test func textsThatDoNotFitIntoMemoryAreRefused() throws {
            try scratch.write("text.txt", "")
            #expect(truncate(scratch["text.txt"].path, 3 << 30) == 0)
            for unit in ["character", "byte"] {
                let result = try Tool.run(
                    ["train"] + ["data.type=text", "data.file=text.txt", "data.unit=\(unit)"].flatMap { ["--set", $0] },
                    in: scratch, threads: 1, shell: "ulimit -v 4000000; exec \"$0\" \"$@\"")
                #expect(result.status == 1 && result.error.contains("/text.txt: needs "), "\(result.error)")
                #expect(result.error.contains(" bytes of memory, ") && result.error.contains("Nothing was loaded"))
            }
        }
        /// The libraries alone take some 200 MB; OpenBLAS would retry the allocation of its buffers forever.
        @Test func smallAddressSpacesAreRefused() throws {
            for limit in [180_000, 200_000, 250_000, 300_000, 400_000] {
                for threads in [1, 2] {
                    let result = try Tool.run(
                        ["train", "--output", "run", "--overwrite"] + tinyRun(), in: scratch, threads: threads,
                        shell: "ulimit -v \(limit); exec \"$0\" \"$@\"")
                    // Below some limit the loader says so itself, with its own status; above another there is room.
                    #expect([0, 1, 127].contains(result.status), "\(limit): \(result.error)")
                    let isRefused = result.error.contains("the limit on the address space leaves")
                    #expect(result.status != 1 || isRefused, "\(result.error)")
                }
            }
            let small = try Tool.run(["--version"], in: scratch, shell: "ulimit -v 260000; exec \"$0\" \"$@\"")
            #expect(small.status == 1 && small.error.contains("Raise the limit (ulimit -v)"), "\(small.error)")
        }
    #endif
}
