import NSTMConfiguration
import NSTMData
import NSTMModules

/// Which models are trained on which datasets with which seeds, under which budget. Read from a plan (`Documentation/Comparing.md`);
/// all issues are found before anything is opened.
public struct ComparisonPlan: Sendable {
    /// What all runs have the same amount of.
    public enum Budget: Sendable, Equatable {
        case steps(Int)
        /// Positions read in training.
        case tokens(Int)
        /// Of training steps on this machine: how many steps that is, is measured before a model's first run.
        case minutes(Double)
    }
    /// A model on a dataset, before it is adjusted.
    struct Entry: Sendable {
        let model: String
        let dataset: String
        /// Where in the plan the model stands, and the data.
        let path: String, dataPath: String
        /// Without seed and steps.
        let configuration: ConfigurationValue
        let target: ParameterTarget?
    }

    public let title: String
    public let seeds: [Int]
    public let budget: Budget
    public let parameters: ParameterTarget?
    /// The names of the datasets, in order.
    public let datasets: [String]
    /// Whether the axes of the learning curves are logarithmic.
    public let curvesLogX: Bool, curvesLogY: Bool
    /// The plan with every default filled in.
    public let resolved: ConfigurationValue
    /// Keys that say where a file is stored, as `Experiment.places`.
    let places: Set<String>
    let entries: [Entry]

    /// - Throws: `ConfigurationError` with every issue of the plan and of all the configurations it makes.
    public init(_ plan: ConfigurationValue, registries: Registries = .standard) throws(ConfigurationError) {
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
        if models.isEmpty { reader.addIssue("models", "at least one model is needed") }
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
        var places: Set<String> = []
        for entry in entries {
            issues += PlanParts.issues(of: entry.configuration, entry.path, data: entry.dataPath, registries, places: &places)
        }
        self.places = places
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
            budget.addIssue("steps", "one of steps, tokens and minutes")
        }
        if let tokens { return .tokens(tokens) }
        if let minutes { return .minutes(minutes) }
        if case .int(let own)? = base[path: "training.steps"], steps == nil { return .steps(max(1, own)) }
        return .steps(steps ?? 2000)
    }

    private static func datasets(
        _ reader: ConfigurationReader, _ base: ConfigurationValue, _ issues: inout [ConfigurationIssue]
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

    /// Every combination of the values of a sweep, the last key running fastest.
    private static func variants(
        _ sweep: ConfigurationValue?, _ path: String, _ issues: inout [ConfigurationIssue]
    ) -> [[(path: String, value: ConfigurationValue)]] {
        guard let sweep else { return [[]] }
        guard case .map(let map) = sweep else {
            issues.append(ConfigurationIssue(path: path, kind: .wrongType, message: "expected a map, found \(sweep.summary)"))
            return [[]]
        }
        var result: [[(path: String, value: ConfigurationValue)]] = [[]]
        for (key, values) in map.pairs {
            guard case .list(let list) = values, !list.isEmpty else {
                issues.append(ConfigurationIssue(path: path + "." + key, kind: .wrongType, message: "expected a list of values"))
                continue
            }
            if !key.hasPrefix("model.") && !key.hasPrefix("training.") || key == "training.steps" {
                issues.append(
                    ConfigurationIssue(path: path + "." + key, kind: .rule, message: "only keys under model and training vary"))
            }
            result = result.flatMap { before in list.map { before + [(key, $0)] } }
        }
        return result
    }
}
