import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// A plan of a sweep: lists of values of configuration keys, of which every combination is trained
/// (`Documentation/Comparing.md`).
///
/// All issues are found before any data is opened.
package struct SweepPlan: SeriesPlan {
    /// A key with the values that it takes.
    package struct Key: Sendable {
        /// Path of the key in a configuration.
        package let path: String
        /// Its values, in order.
        package let values: [ConfigurationValue]
        /// Name of each value for titles and charts.
        package let names: [String]
        /// Shortest ending of the path that no other key of the sweep has.
        package let heading: String
    }
    /// A combination of values.
    package struct Combination: SeriesEntry, Sendable {
        /// Index of the value of each key.
        package let indices: [Int]
        package let id: String
        package let title: String
        package let configuration: ConfigurationValue
        package let target: TrainingSettings.Target?
        /// Number of trainable parameters; 0 before the data is known.
        package var parameters = 0

        package init(
            indices: [Int], id: String, title: String, configuration: ConfigurationValue, target: TrainingSettings.Target?,
            parameters: Int = 0
        ) {
            self.indices = indices
            self.id = id
            self.title = title
            self.configuration = configuration
            self.target = target
            self.parameters = parameters
        }
    }

    /// Maximum number of runs of a plan.
    static let maxRuns = 10_000

    /// Title of the report.
    package let title: String
    /// Seeds of the runs of each combination.
    package let seeds: [Int]
    /// Metrics of the report; empty for all.
    package let metrics: [String]
    /// Target of the plan, which does not end training; nil for that of each configuration (`training.target`), which does.
    package let target: TrainingSettings.Target?
    /// The swept keys.
    package let keys: [Key]
    /// All combinations; the last key varies fastest.
    package let combinations: [Combination]
    /// The plan with all defaults.
    package let resolved: ConfigurationValue
    /// Keys of the plan with the location of a file, as `Experiment.fileKeys`.
    package let fileKeys: Set<String>

    /// Reads a plan.
    /// - Throws: `ConfigurationError` with every issue of the plan and of all its combinations.
    package init(_ plan: ConfigurationValue, registries: Registries = .standard) throws(ConfigurationError) {
        let reader = ConfigurationReader(plan)
        title = reader.string("title", default: "Sweep")
        let base = reader.value("base") ?? .map([:])
        let values = reader.value("values")
        seeds = PlanParts.seeds(reader)
        metrics = reader.strings("metrics", default: [])
        for name in metrics { Metrics.check(name, "metrics", in: reader) }
        if Set(metrics).count < metrics.count { reader.addIssue("metrics", "duplicate names") }
        let goal = reader.child("target")
        target = TrainingSettings.Target(goal)
        goal.finish()
        reader.finish()
        resolved = reader.resolved

        var issues = PlanParts.forbiddenSeed(base, "base")
        let lists = PlanParts.lists(values, "values", &issues)
        let keys = SweepPlan.keys(lists)
        self.keys = keys
        issues += SweepPlan.issues(lists, seeds: seeds.count)
        issues = reader.issues + issues
        // Combinations of lists with issues would have the same issues many times.
        try PlanParts.throwIfInvalid(issues + (issues.isEmpty ? [] : SweepPlan.issues(of: base, registries)))

        var found = SweepIssues(), combinations: [Combination] = [], fileKeys: Set<String> = []
        let folders = SweepPlan.folders(keys), sorted = keys.indices.sorted { keys[$0].path < keys[$1].path }
        for indices in PlanParts.combinations(keys.map(\.values.count)) {
            var config = base
            do {
                for (key, index) in zip(keys, indices) { try config.set(path: key.path, to: key.values[index]) }
                let experiment = try Experiment(config, registries: registries)
                fileKeys.formUnion(experiment.fileKeys.map { "base." + $0 })
                let id = sorted.map { folders[$0][indices[$0]] }.joined(separator: "_")
                let names = zip(keys, indices).map { $0.names[$1] }
                combinations.append(
                    Combination(
                        indices: indices, id: id.isEmpty ? "base" : id,
                        title: names.isEmpty ? "base" : names.joined(separator: ", "), configuration: config,
                        target: target ?? experiment.settings.target))
            } catch { found.add(error, at: indices) }
        }
        self.combinations = combinations
        self.fileKeys = fileKeys
        try PlanParts.throwIfInvalid(found.named(by: keys))
    }

    // MARK: Issues

    /// The issues of a configuration.
    private static func issues(of config: ConfigurationValue, _ registries: Registries) -> [ConfigurationError.Issue] {
        do { _ = try Experiment(config, registries: registries) } catch { return SweepIssues.list(error) }
        return []
    }
    private static func issues(
        _ lists: [(key: String, values: [ConfigurationValue])], seeds: Int
    ) -> [ConfigurationError.Issue] {
        var issues: [ConfigurationError.Issue] = []
        func add(_ key: String, _ message: String) {
            issues.append(ConfigurationError.Issue(path: "values." + key, kind: .rule, message: message))
        }
        for (key, values) in lists {
            if key == "seed" { add(key, "the seeds of a plan are set with 'seeds'") }
            if Set(values.map(\.short)).count < values.count { add(key, "duplicate values") }
            for (other, _) in lists where key.hasPrefix(other + ".") { add(key, "is a part of '\(other)', which is swept too") }
        }
        let count = (lists.map(\.values.count) + [seeds]).saturatedProduct
        if count > maxRuns {
            issues.append(
                ConfigurationError.Issue(
                    path: "values", kind: .outOfRange,
                    message: "the combinations of all values and seeds are more than \(grouped(maxRuns)) runs"))
        }
        return issues
    }

    // MARK: Names

    private static func keys(_ lists: [(key: String, values: [ConfigurationValue])]) -> [Key] {
        let paths = lists.map { $0.key.split(separator: ".", omittingEmptySubsequences: false) }
        return lists.enumerated().map { i, list in
            let others = paths.enumerated().filter { $0.offset != i }.map(\.element), parts = paths[i]
            let length = (1...parts.count).first { n in !others.contains { $0.suffix(n) == parts.suffix(n) } } ?? parts.count
            let heading = parts.suffix(length).joined(separator: ".")
            let words = list.values.map { PlanParts.word(list.key, $0) }
            // A long value, or one that differs from another only in characters that folder names lack, is named by its number.
            let isUsable = words.allSatisfy { $0.count <= 40 } && Set(words.map(PlanParts.slug)).count == words.count
            let names = isUsable ? words : list.values.indices.map { "\(heading) value \($0 + 1)" }
            return Key(path: list.key, values: list.values, names: names, heading: heading)
        }
    }
    /// The part of each value in folder names; numbers only if the names would be too long for a file system.
    private static func folders(_ keys: [Key]) -> [[String]] {
        let slugs = keys.map { $0.names.map(PlanParts.slug) }
        let longest = slugs.reduce(0) { $0 + 1 + ($1.map(\.utf8.count).max() ?? 0) }
        return longest <= 200 ? slugs : slugs.map { $0.indices.map { "\($0 + 1)" } }
    }
}

/// The issues of combinations, each named once for the values on which it depends.
struct SweepIssues {
    private var order: [ConfigurationError.Issue] = []
    /// The combinations that have an issue, by its description.
    private var combinations: [String: [[Int]]] = [:]

    var isEmpty: Bool { order.isEmpty }

    /// The issues of an error.
    static func list(_ error: any Error) -> [ConfigurationError.Issue] {
        (error as? ConfigurationError)?.issues
            ?? [ConfigurationError.Issue(path: "", kind: .rule, message: error.plainReason)]
    }
    mutating func add(_ error: any Error, at indices: [Int]) {
        for issue in SweepIssues.list(error) {
            if combinations[issue.description] == nil { order.append(issue) }
            combinations[issue.description, default: []].append(indices)
        }
    }
    /// All issues; one that does not occur in all combinations is named by the values with which it occurs.
    func named(by keys: [SweepPlan.Key]) -> [ConfigurationError.Issue] {
        order.flatMap { issue -> [ConfigurationError.Issue] in
            var rest = Set(combinations[issue.description] ?? [])
            for k in keys.indices {
                // −1 stands for all values: the issue does not depend on a key if it occurs with every value.
                let merged = Set(rest.map { $0.enumerated().map { $0.offset == k ? -1 : $0.element } })
                if merged.count * keys[k].values.count == rest.count { rest = merged }
            }
            return rest.sorted { $0.lexicographicallyPrecedes($1) }.map { indices in
                let chosen = zip(keys, indices).filter { $0.1 >= 0 }
                if chosen.isEmpty { return issue }
                let path = chosen.map { "\($0.path)=\($0.values[$1].short)" }.joined(separator: ", ")
                let isOwn = chosen.count == 1 && chosen[0].0.path == issue.path
                return ConfigurationError.Issue(
                    path: path, kind: issue.kind, message: isOwn ? issue.message : issue.description)
            }
        }
    }
}
