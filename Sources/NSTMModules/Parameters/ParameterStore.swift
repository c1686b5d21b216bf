import Foundation
import NSTMAutograd
import NSTMTensor

/// All parameters of a model. The order of declaration is the order of saving, of the optimizer and of summaries.
public final class ParameterStore {
    public private(set) var all: [Parameter] = []
    private var index: [String: Int] = [:]
    public init() {}

    func add(
        _ path: String, _ value: Tensor, decays: Bool, learningRateScale: Double, maxLearningRate: Double, stateAxis: Int?
    ) -> Parameter {
        if index[path] != nil { fatalError("parameter '\(path)' is declared twice") }
        let p = Parameter(
            path: path, index: all.count, value: value, decays: decays, learningRateScale: learningRateScale,
            maxLearningRate: maxLearningRate,
            stateAxis: stateAxis)
        index[path] = all.count
        all.append(p)
        return p
    }
    public subscript(path: String) -> Parameter? { index[path].map { all[$0] } }
    /// Number of trainable elements.
    public var trainableCount: Int { all.reduce(0) { $0 + ($1.isTrainable ? $1.value.count : 0) } }
}
