import NSTMConfiguration
import NSTMTensor

/// Translation of checkpoints of format version 1, whose configurations, documents and tensors have other names.
///
/// Only names differ: values, shapes and their order are those of version 2. A resumed run continues bit-identically, with one
/// exception: the noise on the L0 gate logits of a state that is allocated as a copy is a function of the parameter's path, which
/// is another one now. Names that are not in these tables are kept.
enum FormatVersion1 {
    /// New names of configuration keys, by the map that has them; `*` stands for any key.
    private static let keys: [(path: [String], old: String, new: String)] = [
        (["training"], "stop", "target"), (["training"], "plateau", "early-stopping"), (["training"], "minutes", "time-limit"),
        (["training", "early-stopping"], "delta", "min-delta"),
        (["data"], "kind", "type"), (["model"], "kind", "type"), (["model"], "keep-penalty", "l0-penalty"),
        (["model"], "life", "lifecycle"), (["model", "router"], "policy", "type"), (["model", "update"], "rule", "type"),
        (["model", "update"], "horizon", "window"), (["model", "interaction"], "kind", "type"),
        (["model", "read"], "kind", "type"),
        (["model", "embedders", "*"], "kind", "type"), (["model", "lifecycle", "*"], "policy", "type"),
        (["model", "lifecycle"], "patience", "consecutive-votes"), (["model", "lifecycle"], "budget", "max-changes"),
        (["model", "lifecycle"], "grace", "grace-period"), (["model", "lifecycle"], "minimum", "min-active"),
        (["model", "lifecycle"], "pause", "cooldown"), (["model", "lifecycle"], "start", "initial-active"),
        (["model", "lifecycle"], "beginning", "initialization"),
        (["model", "lifecycle", "activation"], "start", "initial-active"),
        (["model", "lifecycle", "activation"], "budget", "max-active"), (["training", "optimizer"], "kind", "type"),
        (["training", "optimizer"], "decay", "weight-decay"), (["training", "schedule"], "kind", "type"),
        (["training", "schedule"], "peak", "learning-rate"), (["training", "schedule"], "final", "min-learning-rate"),
        (["training", "clip"], "kind", "type"),
    ]
    /// New names of values, by their path.
    private static let values: [(path: String, old: String, new: String)] = [
        ("training.target.metric", "wrong-bits", "bit-errors"), ("training.target.metric", "recall", "accuracy"),
        ("training.early-stopping.metric", "wrong-bits", "bit-errors"), ("training.early-stopping.metric", "recall", "accuracy"),
        ("model.lifecycle.initialization", "place", "stored"),
    ]
    /// New last components of parameter paths.
    private static let parameters = [
        "keepLogits": "gateLogits", "sharpness": "logInverseTemperature", "identitiesGiven": "nextIdentity",
    ]
    /// New names of the lifecycle's history of a layer.
    private static let history = [
        "suspicion": "pruneVotes", "born": "allocated", "waiting": "cooldownLeft", "pause": "nextCooldown",
    ]

    /// A tensor's path with the names of version 2.
    static func tensorPath(_ path: String) -> String {
        guard let dot = path.lastIndex(of: "."), let new = parameters[String(path[path.index(after: dot)...])] else {
            return path
        }
        return path[...dot] + new
    }

    /// JSON documents with the names of version 2.
    ///
    /// A text that is not JSON is kept: its reader says what is wrong with it.
    static func documents(_ documents: [String: String]) -> [String: String] {
        var result = documents
        func translate(_ name: String, as new: String? = nil, _ change: (inout ConfigurationValue) -> Void) {
            guard let text = result[name] else { return }
            result[name] = nil
            guard var value = try? ConfigurationValue(json: text) else {
                result[new ?? name] = text
                return
            }
            change(&value)
            result[new ?? name] = value.json(indent: nil)
        }
        translate("config", configuration)
        translate("training") {
            $0.rename("isSolved", "hasReachedTarget"); $0.rename("plateau", "earlyStopping")
        }
        translate("life", as: "lifecycle") { document in
            document.change(["layers", "*"]) { layer in
                layer.rename("diary", "history")
                layer.change(["statistics", "entries", "*"]) { $0.rename("born", "allocationStep") }
                layer.change(["history"]) { entry in for (old, new) in history { entry.rename(old, new) } }
            }
        }
        return result
    }

    private static func configuration(_ value: inout ConfigurationValue) {
        for (path, old, new) in keys { value.change(path) { $0.rename(old, new) } }
        // Two rules had one name for different settings.
        let isGatedLinear = value[path: "model.update.type"] == .string("gated-linear")
        value.change(["model", "update"]) { $0.rename("slowness", isGatedLinear ? "gate-logit-normalizer" : "timescale") }
        for (path, old, new) in values where value[path: path] == .string(old) { try? value.set(path: path, to: .string(new)) }
    }
}

extension ConfigurationValue {
    /// Changes the maps at a path; `*` stands for any key.
    fileprivate mutating func change(_ path: [String], _ body: (inout ConfigurationValue) -> Void) {
        guard let first = path.first else { return body(&self) }
        guard case .map(var map) = self else { return }
        for key in map.keys where first == "*" || key == first {
            guard var child = map[key] else { continue }
            child.change(Array(path.dropFirst()), body)
            map[key] = child
        }
        self = .map(map)
    }
    /// Renames a key of a map; the order of keys stays.
    fileprivate mutating func rename(_ old: String, _ new: String) {
        guard case .map(let map) = self, map[old] != nil else { return }
        var result = Map()
        for key in map.keys { result[key == old ? new : key] = map[key] }
        self = .map(result)
    }
}
