import NSTMConfiguration
import NSTMData
import NSTMModules

/// A plan of a scaling study: models of several sizes and amounts of data (`Documentation/Comparing.md`).
///
/// All issues are found before any data is opened.
package struct ScalingPlan: SeriesPlan {
    /// A model of one size.
    struct Entry: Sendable {
        let model: String
        /// Name of its size.
        let size: String
        /// Path of the model in the plan.
        let path: String
        /// The configuration without seed and steps.
        let configuration: ConfigurationValue
    }
    /// Title of the report.
    package let title: String
    /// Seeds of the runs of each model.
    package let seeds: [Int]
    /// Numbers of positions read in training, one run for each.
    package let tokens: [Int]
    /// Whether the irreducible loss is fitted; otherwise it is 0.
    package let irreducible: Bool
    /// The plan with all defaults.
    package let resolved: ConfigurationValue
    /// Keys with the location of a file, as `Experiment.fileKeys`.
    package let fileKeys: Set<String>
    let entries: [Entry]
    /// Names of the models, in order.
    let models: [String]

    /// Reads a plan.
    /// - Throws: `ConfigurationError` with every issue of the plan and of all its configurations.
    package init(_ plan: ConfigurationValue, registries: Registries = .standard) throws(ConfigurationError) {
        let reader = ConfigurationReader(plan)
        title = reader.string("title", default: "Scaling")
        let base = reader.value("base") ?? .map([:])
        seeds = PlanParts.seeds(reader)
        tokens = reader.ints("tokens", default: [], in: 1...1_000_000_000_000_000)
        if tokens.isEmpty { reader.addIssue("tokens", "at least one number of positions is required") }
        if Set(tokens).count < tokens.count { reader.addIssue("tokens", "duplicate numbers") }
        irreducible = reader.bool("irreducible", default: false)
        let sizes = reader.value("sizes")
        var issues = PlanParts.forbidden(base, "base")
        var entries: [Entry] = [], names: [String] = []
        let models = reader.children("models")
        if models.isEmpty { reader.addIssue("models", "at least one model is required") }
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
                    ConfigurationError.Issue(path: own == nil ? "sizes" : path + ".sizes", kind: .wrongType, message: message))
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
        var fileKeys: Set<String> = []
        for entry in entries {
            issues += PlanParts.issues(of: entry.configuration, entry.path, registries, fileKeys: &fileKeys)
        }
        self.fileKeys = fileKeys
        issues += PlanParts.collisions(entries.map { ($0.path, [$0.model, $0.size]) })
        try PlanParts.throwIfInvalid(issues)
    }
}
