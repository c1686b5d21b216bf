import NSTMConfiguration
import NSTMData
import NSTMModules

/// A plan of a comparison: models, datasets, seeds and budget (`Documentation/Comparing.md`).
///
/// All issues are found before any data is opened.
package struct ComparisonPlan: SeriesPlan {
    /// The budget that all runs have in common.
    package enum Budget: Sendable, Equatable {
        /// Training steps.
        case steps(Int)
        /// Positions read in training.
        case tokens(Int)
        /// Minutes of training on this host. The corresponding number of steps is measured before a model's first run.
        case minutes(Double)
    }
    /// A model on a dataset, before its size is adjusted.
    struct Entry: Sendable {
        let model: String
        let dataset: String
        /// Path of the model in the plan.
        let path: String
        /// Path of the data in the plan.
        let dataPath: String
        /// The configuration without seed and steps.
        let configuration: ConfigurationValue
        let target: ParameterTarget?
    }

    /// Title of the report.
    package let title: String
    /// Seeds of the runs of each model.
    package let seeds: [Int]
    /// Budget of every run.
    package let budget: Budget
    /// Target number of parameters; nil to use the models as configured.
    package let parameters: ParameterTarget?
    /// Names of the datasets, in order.
    package let datasets: [String]
    /// Whether the horizontal axis of the learning curves is logarithmic.
    package let curvesLogX: Bool
    /// Whether the vertical axis of the learning curves is logarithmic.
    package let curvesLogY: Bool
    /// The plan with all defaults.
    package let resolved: ConfigurationValue
    /// Keys with the location of a file, as `Experiment.fileKeys`.
    package let fileKeys: Set<String>
    let entries: [Entry]

    /// Reads a plan.
    /// - Throws: `ConfigurationError` with every issue of the plan and of all its configurations.
    package init(_ plan: ConfigurationValue, registries: Registries = .standard) throws(ConfigurationError) {
        let reader = ConfigurationReader(plan)
        title = reader.string("title", default: "Comparison")
        let base = reader.value("base") ?? .map([:])
        seeds = PlanParts.seeds(reader)
        budget = ComparisonPlan.budget(reader, base)
        let parameterReader = reader.child("parameters")
        parameters = ParameterTarget(parameterReader)
        parameterReader.finish()
        let curves = reader.child("curves")
        curvesLogX = curves.choice("x", of: ["linear", "log"], default: "linear") == "log"
        curvesLogY = curves.choice("y", of: ["linear", "log"], default: "linear") == "log"
        curves.finish()

        var issues = PlanParts.forbidden(base, "base")
        let sets = ComparisonPlan.datasets(reader, base, &issues)
        datasets = sets.map(\.name)
        var entries: [Entry] = []
        let models = reader.children("models")
        if models.isEmpty { reader.addIssue("models", "at least one model is required") }
        for (i, model) in models.enumerated() {
            let name = model.string("name"), path = "models[\(i)]"
            let settings = model.value("model"), training = model.value("training"), sweep = model.value("sweep")
            let key = model.optionalString("adjust")
            model.finish()
            issues += PlanParts.forbidden(.map(["training": training ?? .null]), path)
            for variant in ComparisonPlan.variants(sweep, path + ".sweep", &issues) {
                for set in sets {
                    var config = set.configuration.overlaid(with: ["model": settings ?? .null, "training": training ?? .null])
                    for (key, value) in variant {
                        do { try config.set(path: key, to: value) } catch {
                            issues += error.issues.map { $0.moved(to: path + ".sweep." + $0.path) }
                        }
                    }
                    let words = variant.map { PlanParts.word($0.path, $0.value) }
                    var target = parameters
                    if let key { target?.key = ParameterTarget.key(key) }
                    entries.append(
                        Entry(
                            model: ([name] + words).joined(separator: ", "), dataset: set.name, path: path, dataPath: set.path,
                            configuration: config,
                            target: target))
                }
            }
        }
        reader.finish()
        self.entries = entries
        resolved = reader.resolved
        issues = reader.issues + issues
        var fileKeys: Set<String> = []
        for entry in entries {
            issues += PlanParts.issues(of: entry.configuration, entry.path, data: entry.dataPath, registries, fileKeys: &fileKeys)
        }
        self.fileKeys = fileKeys
        issues += PlanParts.collisions(entries.map { ($0.path, [$0.dataset, $0.model]) })
        try PlanParts.throwIfInvalid(issues)
    }

    // MARK: Parts

    private static func budget(_ reader: ConfigurationReader, _ base: ConfigurationValue) -> Budget {
        let budget = reader.child("budget")
        defer { budget.finish() }
        let steps = budget.optionalInt("steps", in: 1...1_000_000_000)
        let tokens = budget.optionalInt("tokens", in: 1...1_000_000_000_000_000)
        let minutes = budget.optionalDouble("minutes", in: 1e-3...1e6)
        if [steps != nil, tokens != nil, minutes != nil].filter(\.self).count > 1 {
            budget.addIssue("steps", "only one of steps, tokens and minutes may be set")
        }
        if let tokens { return .tokens(tokens) }
        if let minutes { return .minutes(minutes) }
        if case .int(let own)? = base[path: "training.steps"], steps == nil { return .steps(max(1, own)) }
        return .steps(steps ?? 2000)
    }

    private static func datasets(
        _ reader: ConfigurationReader, _ base: ConfigurationValue, _ issues: inout [ConfigurationError.Issue]
    ) -> [(name: String, path: String, configuration: ConfigurationValue)] {
        let readers = reader.children("datasets")
        guard !readers.isEmpty else {
            if case .string(let kind)? = base[path: "data.type"] { return [(kind, "base", base)] }
            return [("tinyshakespeare", "base", base)]
        }
        return readers.enumerated().map { i, set in
            let name = set.string("name"), data = set.value("data"), training = set.value("training")
            set.finish()
            issues += PlanParts.forbidden(.map(["training": training ?? .null]), "datasets[\(i)]")
            return (name, "datasets[\(i)]", base.overlaid(with: ["data": data ?? .null, "training": training ?? .null]))
        }
    }

    /// All combinations of the values of a sweep; the last key varies fastest.
    private static func variants(
        _ sweep: ConfigurationValue?, _ path: String, _ issues: inout [ConfigurationError.Issue]
    ) -> [[(path: String, value: ConfigurationValue)]] {
        let lists = PlanParts.lists(sweep, path, &issues)
        for (key, _) in lists where !key.hasPrefix("model.") && !key.hasPrefix("training.") || key == "training.steps" {
            issues.append(
                ConfigurationError.Issue(
                    path: path + "." + key, kind: .rule,
                    message: "only keys under model and training, except training.steps, can be varied"))
        }
        return PlanParts.combinations(lists.map(\.values.count)).map { indices in
            zip(lists, indices).map { ($0.key, $0.values[$1]) }
        }
    }
}
