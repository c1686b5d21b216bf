import NSTMConfiguration
import NSTMData
import NSTMModules

/// Models of several sizes, each trained on several amounts of data. Read from a plan (`Documentation/Comparing.md`); all issues are
/// found before anything is opened.
public struct ScalingPlan: Sendable {
    /// A model of one size, without seed and steps.
    struct Entry: Sendable {
        let model: String
        /// What its size is called.
        let size: String
        let path: String
        let configuration: ConfigurationValue
    }
    public let title: String
    public let seeds: [Int]
    /// Positions read in training; one run for each.
    public let tokens: [Int]
    /// Whether a loss that stays is fitted too.
    public let irreducible: Bool
    /// The plan with every default filled in.
    public let resolved: ConfigurationValue
    /// Keys that say where a file is stored, as `Experiment.places`.
    let places: Set<String>
    let entries: [Entry]
    /// The names of the models, in order.
    let models: [String]

    /// - Throws: `ConfigurationError` with every issue of the plan and of all the configurations it makes.
    public init(_ plan: ConfigurationValue, registries: Registries = .standard) throws(ConfigurationError) {
        let reader = ConfigurationReader(plan)
        title = reader.string("title", default: "Scaling")
        let base = reader.value("base") ?? .map([:])
        seeds = PlanParts.seeds(reader)
        tokens = reader.ints("tokens", default: [], in: 1...1_000_000_000_000_000)
        if tokens.isEmpty { reader.addIssue("tokens", "at least one number of positions is needed") }
        if Set(tokens).count < tokens.count { reader.addIssue("tokens", "a number comes twice") }
        irreducible = reader.bool("irreducible", default: false)
        let sizes = reader.value("sizes")
        var issues = PlanParts.forbidden(base, "base")
        var entries: [Entry] = [], names: [String] = []
        let models = reader.children("models")
        if models.isEmpty { reader.addIssue("models", "at least one model is needed") }
        for (i, model) in models.enumerated() {
            let name = model.string("name"), path = "models[\(i)]", own = model.value("sizes")
            let overlay: ConfigurationValue = [
                "model": model.value("model") ?? .null, "training": model.value("training") ?? .null,
            ]
            model.finish()
            names.append(name)
            issues += PlanParts.forbidden(overlay, path)
            guard case .list(let list)? = own ?? sizes, !list.isEmpty else {
                let message = "expected a list of maps such as {width: 64, layers: 2}"
                issues.append(
                    ConfigurationIssue(path: own == nil ? "sizes" : path + ".sizes", kind: .wrongType, message: message))
                continue
            }
            for size in list {
                entries.append(
                    Entry(
                        model: name, size: PlanParts.word("", size), path: path,
                        configuration: base.overlaid(with: overlay).overlaid(with: ["model": size])))
            }
        }
        reader.finish()
        self.entries = entries
        self.models = names
        resolved = reader.resolved
        issues = reader.issues + issues
        var places: Set<String> = []
        for entry in entries {
            issues += PlanParts.issues(of: entry.configuration, entry.path, registries, places: &places)
        }
        self.places = places
        issues += PlanParts.collisions(entries.map { ($0.path, [$0.model, $0.size]) })
        try PlanParts.throwIfInvalid(issues)
    }
}
