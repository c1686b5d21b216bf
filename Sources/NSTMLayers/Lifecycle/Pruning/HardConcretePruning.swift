import NSTMConfiguration
import NSTMTensor

/// Prunes states whose learned hard-concrete gate is closed, clip(1.2 σ(ln α) − 0.1, 0, 1) ≤ τ with τ = 0 (Louizos, Welling &
/// Kingma 2018, "Learning sparse neural networks through L0 regularization", equation 13).
///
/// Needs a layer with a `l0-penalty`.
public struct HardConcretePruning: PruningPolicy {
    public static let type = "hard-concrete"
    public static let summary = "states whose learned gate is closed"
    /// τ.
    public var atMost = 0.0
    public init() {}
    public init(atMost: Double) { self.atMost = atMost }
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        atMost = reader.double("at-most", default: atMost, in: 0...1)
    }
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] { view.states.map(\.l0Gate) }
    public func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        beyond(0, scores).filter { scores[$0] <= atMost }.map { ($0, "L0 gate at most \(short(atMost))") }
    }
}
