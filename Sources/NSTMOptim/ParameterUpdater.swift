import NSTMAutograd
import NSTMTensor

extension ParameterUpdater {
    /// Settings of the parameters whose path matches; the first group that matches counts.
    public struct Group: Sendable {
        public let matches: @Sendable (_ path: String) -> Bool
        /// Factor of the learning rate.
        public var learningRateScale: Double
        /// Replaces the weight decay, also for parameters that do not decay by default.
        public var weightDecay: Double?
        public init(
            learningRateScale: Double = 1, weightDecay: Double? = nil, matches: @escaping @Sendable (_ path: String) -> Bool
        ) {
            self.matches = matches
            self.learningRateScale = learningRateScale
            self.weightDecay = weightDecay
        }
    }
}

/// Updates parameters from gradients by an optimizer, whose moments it keeps.
///
/// Moments are stored by parameter path, so that they can be saved and survive everything that keeps paths.
public final class ParameterUpdater {
    public let optimizer: any Optimizer
    /// Weight decay of parameters that decay.
    public let weightDecay: Double
    /// Groups of parameters with other learning rates; the first match applies.
    public let groups: [Group]
    /// Steps taken.
    public private(set) var step = 0
    private var moments: [String: [Tensor]] = [:]

    public init(_ optimizer: any Optimizer, weightDecay: Double = 0, groups: [Group] = []) {
        self.optimizer = optimizer
        self.weightDecay = weightDecay
        self.groups = groups
    }
    /// The optimizer as configurations and checkpoints name it.
    public var type: String { Swift.type(of: optimizer).type }
    /// Names of the moments of each parameter.
    public var momentNames: [String] { optimizer.momentNames }

    /// One update of all parameters that have a gradient.
    /// - Parameter scale: factor of the gradients, such as clipping by norm gives.
    public func update(_ gradients: Gradients, learningRate: Double, scale: Double = 1) {
        step += 1
        gradients.forEach { parameter, gradient in
            let group = groups.first { $0.matches(parameter.path) }, path = parameter.path
            if moments[path] == nil {
                let zeros = optimizer.momentNames.map { _ in
                    Tensor(repeating: 0, parameter.value.shape, dtype: gradient.dtype)
                }
                moments[path] = zeros
            }
            let rate = min(learningRate * parameter.learningRateScale, parameter.maxLearningRate)
            optimizer.update(
                &parameter.value, gradient: gradient, moments: &moments[path]!,
                OptimizerStep(
                    number: step, learningRate: rate * (group?.learningRateScale ?? 1),
                    weightDecay: group?.weightDecay ?? (parameter.decays ? weightDecay : 0), gradientScale: scale))
        }
    }
    /// Sets the moments at an index of an axis of a parameter to 0.
    public func resetMoments(at index: Int, axis: Int, of parameter: Parameter) {
        guard var own = moments.removeValue(forKey: parameter.path) else { return }
        for i in own.indices { own[i].write(.zeros([], dtype: own[i].dtype)) { $0.select(axis: axis, index) } }
        moments[parameter.path] = own
    }

    // MARK: State

    /// The moments by "name/path", in the order of the paths given.
    public func state(order paths: [String]) -> [(path: String, tensor: Tensor)] {
        momentNames.enumerated().flatMap { i, name in
            paths.compactMap { path in moments[path].map { ("\(name)/\(path)", $0[i]) } }
        }
    }
    /// Replaces the moments by saved ones.
    ///
    /// Names that the optimizer does not have are ignored; checks of names and shapes are the caller's.
    public func restore(step: Int, _ state: [(path: String, tensor: Tensor)]) {
        self.step = step
        moments = [:]
        let names = momentNames
        for (path, tensor) in state {
            guard let slash = path.firstIndex(of: "/"), let i = names.firstIndex(of: String(path[..<slash])) else { continue }
            let parameter = String(path[path.index(after: slash)...])
            moments[parameter, default: names.map { _ in tensor }][i] = tensor
        }
    }
}
