import Foundation
import NSTMConfiguration
import NSTMIO
import NSTMTraining
import TestSupport
import Testing

/// Checkpoints of format version 1, written by the last program that had it (commit 641af3f) with
/// `nstm train Golden/version1-NAME.yaml --quiet --output NAME`: `step-10.h5` and the log of all 20 steps.
struct FormatVersion1Tests {
    let scratch = try! Scratch()

    private func golden(_ file: String) throws -> URL {
        try #require(Bundle.module.url(forResource: "Golden/\(file)", withExtension: nil))
    }
    private func lines(_ url: URL) throws -> [ConfigurationValue] {
        try String(decoding: Data(contentsOf: url), as: UTF8.self).split(separator: "\n").map {
            try ConfigurationValue(json: String($0))
        }
    }
    private func number(_ value: ConfigurationValue?) -> Double? {
        switch value {
        case .double(let d)?: d
        case .int(let i)?: Double(i)
        default: nil
        }
    }

    /// A resumed run does what the older program did: every loss, metric and event of the remaining ten steps, up to rounding
    /// and, in the run that allocates states, up to the noise on the gate logits of a copy.
    @Test(arguments: ["copy", "recall"]) func oldRunsContinue(_ name: String) throws {
        let folder = scratch[name]
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: golden("version1-\(name).h5"), to: folder.appendingPathComponent("step-10.h5"))
        let result = try Tool.run(["train", "--quiet", "--resume", name], in: scratch)
        #expect(result.status == 0, "\(result.error)")

        let new = try lines(folder.appendingPathComponent("metrics.jsonl"))
        let old = try lines(golden("version1-\(name).jsonl")).filter { number($0[path: "step"])! > 10 }
        try #require(new.count == old.count)
        let names = [
            "rate": "learning-rate", "validation-wrong-bits": "validation-bit-errors",
            "validation-recall": "validation-accuracy",
        ]
        for (a, b) in zip(old, new) {
            guard case .map(let map) = a else { continue }
            for (key, value) in map.pairs where key != "tokens-per-second" {
                let other = b[path: names[key] ?? key]
                switch (key, value) {
                case ("event", .string(let event)): #expect(other == .string(event == "birth" ? "allocated" : "pruned"))
                case ("reason", _): break
                default:
                    if let x = number(value) {
                        let y = try #require(number(other), "\(key) in \(b)")
                        // Kernels of other processors round otherwise.
                        #expect(abs(x - y) <= 1e-3 * max(1, abs(x)), "\(key) of step \(a[path: "step"]!)")
                    } else {
                        #expect(value == other, "\(key)")
                    }
                }
            }
        }
        let saved = try CheckpointFile.info(folder.appendingPathComponent("step-20.h5"))
        #expect(saved.header.formatVersion == 2)
        let texts = saved.documents.filter { $0.key != "environment" }.values.joined()
        for word in [
            "suspicion", "isSolved", "wrong-bits", "\"policy\":", "\"rule\":", "\"life\":", "\"plateau\":", "\"slowness\":",
            "\"horizon\":", "\"keep-penalty\":", "\"peak\":", "\"grace\":", "\"decay\":",
        ] { #expect(!texts.contains(word), "\(word)") }
        #expect(!saved.tensors.contains { $0.path.hasSuffix("keepLogits") || $0.path.hasSuffix("sharpness") })
    }

    /// `generate`, `evaluate`, `states` and the like read a model by its stored configuration.
    @Test(arguments: ["copy", "recall"]) func oldModelsLoad(_ name: String) throws {
        let url = try golden("version1-\(name).h5")
        let info = try CheckpointFile.info(url)
        #expect(info.header.formatVersion == 1)
        let model = try SavedModel(url)
        #expect(model.step == 10)
        #expect(model.configuration[path: "model.router.type"] == .string(name == "copy" ? "content" : "sinkhorn"))
        #expect(model.configuration[path: "model.lifecycle.grace-period"] == .int(name == "copy" ? 1 : 0))
    }
}
