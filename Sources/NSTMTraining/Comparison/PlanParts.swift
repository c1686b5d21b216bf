import Foundation
import NSTMConfiguration
import NSTMModules

/// What the plans of several commands have in common.
enum PlanParts {
    static func seeds(_ reader: ConfigurationReader) -> [Int] {
        let seeds = reader.ints("seeds", default: [1], in: 0...Int.max)
        if seeds.isEmpty { reader.addIssue("seeds", "at least one seed is needed") }
        if Set(seeds).count < seeds.count { reader.addIssue("seeds", "a seed comes twice") }
        return seeds
    }

    /// The seeds and the length of training are the plan's business.
    static func forbidden(_ config: ConfigurationValue, _ path: String) -> [ConfigurationIssue] {
        var issues: [ConfigurationIssue] = []
        func refuse(_ key: String, _ message: String) {
            if let value = config[path: key], value != .null {
                issues.append(ConfigurationIssue(path: path + "." + key, kind: .rule, message: message))
            }
        }
        refuse("seed", "the seeds of a plan are under 'seeds'")
        refuse("training.time-limit", "the budget is the plan's, and the same for all models")
        if path != "base" { refuse("training.steps", "the budget is the plan's, and the same for all models") }
        return issues
    }

    /// What is wrong with a configuration, by its place in the plan: what every model has wrong is the base's issue.
    /// - Parameters:
    ///   - path: of the model.
    ///   - data: of the dataset.
    ///   - places: gets the keys of the plan that say where a file is stored.
    static func issues(
        of config: ConfigurationValue, _ path: String, data: String = "base", _ registries: Registries, places: inout Set<String>
    ) -> [ConfigurationIssue] {
        do {
            for place in try Experiment(config, registries: registries).places {
                // Any of the parts that a configuration is made of can have the key.
                places.formUnion(["base", data, path].map { "\($0).\(place)" })
            }
        } catch let error as ConfigurationError {
            return error.issues.map { issue in
                let part = issue.path.hasPrefix("model") ? path : issue.path.hasPrefix("data") ? data : "base"
                return issue.moved(to: part + "." + issue.path)
            }
        } catch { return [ConfigurationIssue(path: path, kind: .rule, message: "\(error)")] }
        return []
    }

    /// Names that would be the same folder.
    static func collisions(_ names: [(path: String, parts: [String])]) -> [ConfigurationIssue] {
        var first: [String: [String]] = [:]
        return names.compactMap { path, parts in
            let place = parts.map(slug).joined(separator: "/")
            guard let other = first.updateValue(parts, forKey: place) else { return nil }
            let both = [other, parts].map { "'" + $0.joined(separator: ", ") + "'" }.joined(separator: " and ")
            return ConfigurationIssue(path: path, kind: .rule, message: "the names \(both) are the same")
        }
    }
    static func throwIfInvalid(_ issues: [ConfigurationIssue]) throws(ConfigurationError) {
        var unique: [ConfigurationIssue] = []
        for issue in issues where !unique.contains(issue) { unique.append(issue) }
        if !unique.isEmpty { throw ConfigurationError(unique) }
    }

    /// How a changed value is called: a word by itself, anything else with its key.
    static func word(_ path: String, _ value: ConfigurationValue) -> String {
        switch value {
        case .string(let word): return word
        case .map: return value.leaves.map { word($0.path, $0.value) }.joined(separator: " ")
        default: return (path.split(separator: ".").last.map(String.init) ?? path) + " " + value.short
        }
    }
    /// A name as a folder: letters and digits of any script, dots and dashes; what else is not ASCII, as its code point.
    static func slug(_ name: String) -> String {
        let letters = name.lowercased().precomposedStringWithCanonicalMapping.unicodeScalars.map { c -> String in
            if ("a"..."z").contains(c) || ("0"..."9").contains(c) || c == "." { return String(c) }
            if c.isASCII { return "-" }
            return c.properties.isAlphabetic || c.properties.numericType != nil
                ? String(c) : "u" + String(c.value, radix: 16)
        }
        // A part of nothing but dots would be another folder.
        let parts = letters.joined().split(separator: "-").filter { $0.contains { $0 != "." } }
        return parts.isEmpty ? "model" : parts.joined(separator: "-")
    }
}

extension ConfigurationIssue {
    func moved(to path: String) -> ConfigurationIssue { ConfigurationIssue(path: path, kind: kind, message: message) }
}
