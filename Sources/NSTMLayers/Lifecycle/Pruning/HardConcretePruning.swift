import NSTMTensor

/// A state dies when its learned hard-concrete gate is shut, clip(1.2 σ(ln α) − 0.1, 0, 1) ≤ τ with τ = 0 (Louizos, Welling &
/// Kingma 2018, "Learning sparse neural networks through L0 regularization", equation 13). Needs a layer with a `keep-penalty`.
public struct HardConcretePruning: PruningPolicy {
    public let atMost: Double
    public init(atMost: Double = 0) { self.atMost = atMost }
    public func scores(_ view: StateView, _ key: RandomKey) -> [Double] { view.states.map(\.l0Gate) }
    public func candidates(_ scores: [Double], _ view: StateView) -> [(index: Int, reason: String)] {
        beyond(0, scores).filter { scores[$0] <= atMost }.map { ($0, "keep gate at most \(short(atMost))") }
    }
}
