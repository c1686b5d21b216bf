import Foundation
import NSTMConfiguration
import NSTMModules

/// Parts that the plans of comparisons, scaling studies and sweeps have in common.
enum PlanParts {
    static func seeds(_ reader: ConfigurationReader) -> [Int] {
        let seeds = reader.ints("seeds", default: [1], in: 0...Int.max)
        if seeds.isEmpty { reader.addIssue("seeds", "at least one seed is required") }
        if Set(seeds).count < seeds.count { reader.addIssue("seeds", "duplicate seeds") }
        return seeds
    }

    /// Keys with lists of values.
    /// - Parameter path: path of the map in the plan.
    static func lists(
        _ value: ConfigurationValue?, _ path: String, _ issues: inout [ConfigurationError.Issue]
    ) -> [(key: String, values: [ConfigurationValue])] {
        guard let value else { return [] }
        guard case .map(let map) = value else {
            issues.append(
                ConfigurationError.Issue(path: path, kind: .wrongType, message: "expected a map, found \(value.summary)"))
            return []
        }
        return map.pairs.compactMap { key, values in
            if case .list(let list) = values, !list.isEmpty { return (key, list) }
            issues.append(
                ConfigurationError.Issue(path: path + "." + key, kind: .wrongType, message: "expected a list of values"))
            return nil
        }
    }
    /// The indices of all combinations of an element from each list; the last list varies fastest.
    static func combinations(_ counts: [Int]) -> [[Int]] {
        counts.reduce([[]]) { before, count in before.flatMap { indices in (0..<count).map { indices + [$0] } } }
    }

    /// The seed of a configuration, which is an issue because seeds are set by the plan.
    static func forbiddenSeed(_ config: ConfigurationValue, _ path: String) -> [ConfigurationError.Issue] {
        guard let seed = config[path: "seed"], seed != .null else { return [] }
        return [ConfigurationError.Issue(path: path + ".seed", kind: .rule, message: "the seeds of a plan are set with 'seeds'")]
    }
    /// An issue for each key of a configuration that is set by the plan: seeds and length of training.
    static func forbidden(_ config: ConfigurationValue, _ path: String) -> [ConfigurationError.Issue] {
        var issues = forbiddenSeed(config, path)
        func forbid(_ key: String, _ message: String) {
            if let value = config[path: key], value != .null {
                issues.append(ConfigurationError.Issue(path: path + "." + key, kind: .rule, message: message))
            }
        }
        forbid("training.time-limit", "the budget is set by the plan, for all models")
        if path != "base" { forbid("training.steps", "the budget is set by the plan, for all models") }
        return issues
    }

    /// The issues of a configuration, with their paths in the plan: issues outside of model and data belong to the base.
    /// - Parameters:
    ///   - path: path of the model in the plan.
    ///   - data: path of the dataset in the plan.
    ///   - fileKeys: receives the keys of the plan that have the location of a file.
    static func issues(
        of config: ConfigurationValue, _ path: String, data: String = "base", _ registries: Registries,
        fileKeys: inout Set<String>
    ) -> [ConfigurationError.Issue] {
        do {
            for key in try Experiment(config, registries: registries).fileKeys {
                // The key can be in any of the parts that a configuration is composed of.
                fileKeys.formUnion(["base", data, path].map { "\($0).\(key)" })
            }
        } catch let error as ConfigurationError {
            return error.issues.map { issue in
                let part = issue.path.hasPrefix("model") ? path : issue.path.hasPrefix("data") ? data : "base"
                return issue.moved(to: part + "." + issue.path)
            }
        } catch { return [ConfigurationError.Issue(path: path, kind: .rule, message: "\(error)")] }
        return []
    }

    /// An issue for each pair of names that have the same folder.
    static func collisions(_ names: [(path: String, parts: [String])]) -> [ConfigurationError.Issue] {
        var first: [String: [String]] = [:]
        return names.compactMap { path, parts in
            let folder = parts.map(slug).joined(separator: "/")
            guard let other = first.updateValue(parts, forKey: folder) else { return nil }
            let both = [other, parts].map { "'" + $0.joined(separator: ", ") + "'" }.joined(separator: " and ")
            return ConfigurationError.Issue(path: path, kind: .rule, message: "the names \(both) have the same folder")
        }
    }
    static func throwIfInvalid(_ issues: [ConfigurationError.Issue]) throws(ConfigurationError) {
        var unique: [ConfigurationError.Issue] = []
        for issue in issues where !unique.contains(issue) { unique.append(issue) }
        if !unique.isEmpty { throw ConfigurationError(unique) }
    }

    /// The name of a varied value: a string itself, any other value with its key.
    static func word(_ path: String, _ value: ConfigurationValue) -> String {
        switch value {
        case .string(let word): return word
        case .map: return value.leaves.map { word($0.path, $0.value) }.joined(separator: " ")
        default: return (path.split(separator: ".").last.map(String.init) ?? path) + " " + value.short
        }
    }
    /// A name as a folder name: letters and digits of any script, dots and dashes; other non-ASCII characters as code points.
    static func slug(_ name: String) -> String {
        let letters = name.lowercased().precomposedStringWithCanonicalMapping.unicodeScalars.map { c -> String in
            if ("a"..."z").contains(c) || ("0"..."9").contains(c) || c == "." { return String(c) }
            if c.isASCII { return "-" }
            return c.properties.isAlphabetic || c.properties.numericType != nil
                ? String(c) : "u" + String(c.value, radix: 16)
        }
        // A part of dots only would refer to another folder.
        let parts = letters.joined().split(separator: "-").filter { $0.contains { $0 != "." } }
        return parts.isEmpty ? "model" : parts.joined(separator: "-")
    }
}

extension ConfigurationError.Issue {
    /// The issue with another path.
    func moved(to path: String) -> ConfigurationError.Issue { ConfigurationError.Issue(path: path, kind: kind, message: message) }
}
