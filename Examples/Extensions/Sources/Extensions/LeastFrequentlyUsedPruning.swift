import NSTM

/// Least-frequently-used replacement with aging (Robinson & Devarakonda 1990, "Data cache management using frequency-based
/// replacement"): every decision multiplies the counts of all states by a factor and adds what was written since.
///
/// All but the `keep` states with the largest counts are candidates. Counts belong to identities, because the index of a state
/// changes when others are removed.
public struct LeastFrequentlyUsedPruning: PruningPolicy {
    public static let type = "least-frequently-used"
    public static let summary = "the states with the smallest aged write counts"
    /// Number of states that remain.
    public var keep = 8
    /// Factor of a count at every decision.
    public var aging = 0.5
    /// Count of each identity; saved with the run.
    public var memory: [Int: Double] = [:]

    public init() {}
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        keep = reader.int("keep", default: min(keep, layer.states), in: layer.choices)
        aging = reader.double("aging", default: aging, in: 0...1)
    }
    /// Write weight of each state relative to the mean of the layer.
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] { view.load }

    public mutating func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        let counts = zip(view.states, scores).map { aging * (memory[$0.identity] ?? 0) + $1 }
        memory = Dictionary(uniqueKeysWithValues: zip(view.states.map(\.identity), counts))
        let order = counts.indices.sorted { (counts[$0], $0) < (counts[$1], $1) }
        return order.prefix(max(0, counts.count - keep)).map { ($0, "written to less than \(keep) others") }
    }
}
