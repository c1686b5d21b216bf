import Foundation
import NSTMIO
import NSTMLayers
import Testing

import NSTMTraining

/// Trained models that are given more states, by the commands that the documentation names.
@Suite(.serialized) struct ExpandTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    private static let configuration = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Configurations/copy-nstm.yaml").path

    private func run(_ arguments: String...) throws -> Tool.Result { try Tool.run(arguments, in: scratch) }
    private func expectDone(_ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation) throws -> Tool.Result {
        let result = try Tool.run(arguments, in: scratch)
        #expect(result.status == 0, "\(arguments): \(result.error)", sourceLocation: sourceLocation)
        return result
    }

    /// The metric that an evaluation prints.
    private func bitErrors(_ evaluation: Tool.Result) throws -> Double {
        let text = try #require(evaluation.output.split(separator: "bit-errors ").last)
        return try #require(Double(text.prefix { !$0.isWhitespace }))
    }
    /// Exact at 15 times the trained length, with as many states, and with no more states than were trained not beyond them.
    ///
    /// Training resumes with the states that there are now.
    @Test func copiesWhatIsFifteenTimesAsLong() throws {
        let trained = try expectDone("train", Self.configuration, "--output", "copy")
        #expect(trained.errorLines.isEmpty, "\(trained.error)")
        #expect(!trained.output.contains("warning"), "\(trained.output)")
        let lengths = "data.evaluation-lengths=[16, 120]"
        let short = try expectDone("evaluate", "copy", "--set", lengths)
        #expect(try bitErrors(short) > 1, "\(short.output)")
        let expanded = try expectDone("expand", "copy", "--states", "120", "--output", "long")
        #expect(expanded.output.contains("blocks.0.mixer  8 states → 120"))
        let long = try expectDone("evaluate", "long", "--set", lengths)
        #expect(try bitErrors(long) == 0, "\(long.output)")
        let archive = try newest(scratch["long"])
        #expect(try SavedModel.configuration(archive.documents, path: "")[path: "model.states"] == 120)
        _ = try expectDone("expand", "copy", "--states", "12", "--output", "more", "--set", "training.steps=403")
        _ = try expectDone("train", "--resume", "more")
        #expect(try SavedModel(scratch["more"]).step == 403)
    }
    @Test func refuses() throws {
        _ = try expectDone("train", Self.configuration, "--output", "copy", "--set", "training.steps=1")
        let fewer = try run("expand", "copy", "--states", "7", "--output", "b")
        #expect(fewer.status == 1 && fewer.error.contains("blocks.0.mixer has 8 states, more than 7"), "\(fewer.error)")
        let many = try run("expand", "copy", "--states", "1000000", "--output", "b")
        #expect(many.status == 64 && many.error.contains("--states must be in 1...65536"), "\(many.error)")
        let into = try run("expand", "copy", "--states", "9", "--output", "copy")
        #expect(into.status == 1 && into.error.contains("Nothing was changed"), "\(into.error)")
        #expect(!FileManager.default.fileExists(atPath: scratch["b"].path))
    }
}
