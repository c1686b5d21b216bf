import Foundation
import NSTMAutograd
import NSTMTensor

/// All parameters of a model, by path.
///
/// Checkpoints, the optimizer and summaries use the order of declaration.
public final class ParameterStore {
    /// All parameters, in order of declaration.
    public private(set) var all: [Parameter] = []
    private var index: [String: Int] = [:]
    public init() {}

    func add(
        _ path: String, _ value: Tensor, decays: Bool, learningRateScale: Double, maxLearningRate: Double, stateAxis: Int?
    ) -> Parameter {
        if index[path] != nil { nstmFatal(.other(op: "parameter", "declared twice"), at: path) }
        let p = Parameter(
            path: path, index: all.count, value: value, decays: decays, learningRateScale: learningRateScale,
            maxLearningRate: maxLearningRate,
            stateAxis: stateAxis)
        index[path] = all.count
        all.append(p)
        return p
    }
    /// The parameter of a path; nil when there is none.
    public subscript(path: String) -> Parameter? { index[path].map { all[$0] } }
    /// Number of trainable elements.
    public var trainableCount: Int { all.reduce(0) { $0 + ($1.isTrainable ? $1.value.count : 0) } }
}
