import CNSTMKernels
import Foundation
import NSTMAutograd
import NSTMTensor

/// Settings of the parameters whose path matches; the first group that matches counts.
public struct ParameterGroup: Sendable {
    public let matches: @Sendable (_ path: String) -> Bool
    /// Multiplies the learning rate.
    public var learningRateScale: Double
    /// Replaces the optimizer's weight decay, also for parameters that do not decay by default.
    public var decay: Double?
    public init(learningRateScale: Double = 1, decay: Double? = nil, matches: @escaping @Sendable (_ path: String) -> Bool) {
        self.matches = matches
        self.learningRateScale = learningRateScale
        self.decay = decay
    }
}

/// Updates parameters from gradients. Its memory (moments) is kept by parameter path, so that it can be saved and survives anything
/// that keeps paths.
public final class Optimizer {
    public enum Method: Sendable, Equatable {
        /// Stochastic gradient descent with momentum; decay is added to the gradient (L2).
        case sgd(momentum: Double = 0.9, nesterov: Bool = false)
        /// Loshchilov & Hutter 2019: Adam with decoupled weight decay.
        case adamW(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8)
        /// Graves 2013 (eq. 38–41): RMSProp with centered second moment and momentum.
        case rmsProp(rho: Double = 0.95, momentum: Double = 0.9, epsilon: Double = 1e-4)

        public var slots: [String] {
            switch self {
            case .sgd(let momentum, _): momentum == 0 ? [] : ["momentum"]
            case .adamW: ["m", "v"]
            case .rmsProp: ["square", "mean", "step"]
            }
        }
        var slotCount: Int {
            switch self {
            case .sgd(let momentum, _): momentum == 0 ? 0 : 1
            case .adamW: 2
            case .rmsProp: 3
            }
        }
        public var name: String {
            switch self {
            case .sgd: "sgd"
            case .adamW: "adamw"
            case .rmsProp: "rmsprop"
            }
        }
    }
    public let method: Method
    public let decay: Double
    public let groups: [ParameterGroup]
    /// Steps taken.
    public private(set) var step = 0
    private var memory: [String: [Tensor]] = [:]

    public init(_ method: Method, decay: Double = 0, groups: [ParameterGroup] = []) {
        self.method = method
        self.decay = decay
        self.groups = groups
    }

    /// One update. The gradients are multiplied by `scale` first (what clipping by norm gives).
    public func update(_ gradients: Gradients, rate: Double, scale: Double = 1) {
        step += 1
        gradients.forEach { parameter, gradient in
            let group = groups.first { $0.matches(parameter.path) }
            let rate = min(rate * parameter.learningRateScale, parameter.maxLearningRate) * (group?.learningRateScale ?? 1)
            let decay = group?.decay ?? (parameter.decays ? self.decay : 0)
            apply(parameter, gradient.contiguous(), rate, decay, scale)
        }
    }

    private func apply(_ parameter: Parameter, _ g: Tensor, _ rate: Double, _ decay: Double, _ scale: Double) {
        let real = g.dtype.real, size = g.dtype.byteCount
        let path = parameter.path
        if memory[path] == nil {
            memory[path] = method.slots.map { _ in Tensor(repeating: 0, parameter.value.shape, dtype: g.dtype) }
        }
        let p = parameter.value.mutablePointer(), m = moments(path)
        Parallel.blocks(g.count, of: 8_192) { r in
            let o = r.lowerBound * size
            switch method {
            case .sgd(let momentum, let nesterov):
                var settings = nstm_sgd(
                    gradient_scale: scale, learning_rate: rate, momentum: momentum, weight_decay: decay,
                    nesterov: nesterov ? 1 : 0)
                nstm_sgd_step(real, &settings, p + o, g.pointer + o, m.0.map { $0 + o }, r.count)
            case .adamW(let beta1, let beta2, let epsilon):
                var settings = nstm_adamw(
                    gradient_scale: scale, learning_rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weight_decay: decay,
                    correction1: 1 - pow(beta1, Double(step)), correction2: 1 - pow(beta2, Double(step)))
                nstm_adamw_step(real, &settings, p + o, g.pointer + o, m.0! + o, m.1! + o, r.count)
            case .rmsProp(let rho, let momentum, let epsilon):
                var settings = nstm_rmsprop(
                    gradient_scale: scale, learning_rate: rate, rho: rho, momentum: momentum, epsilon: epsilon,
                    weight_decay: decay)
                nstm_rmsprop_step(real, &settings, p + o, g.pointer + o, m.0! + o, m.1! + o, m.2! + o, r.count)
            }
        }
    }
    /// Where a parameter's moments are to be written, in place: the table holds the only reference to them.
    private func moments(_ path: String) -> (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) {
        func base(_ i: Int) -> UnsafeMutableRawPointer? { i < method.slotCount ? memory[path]![i].mutablePointer() : nil }
        return (base(0), base(1), base(2))
    }

    /// Forgets what it remembers of one row of a parameter: the moments at an index of an axis become 0.
    public func forget(_ index: Int, axis: Int, of parameter: Parameter) {
        guard var slots = memory.removeValue(forKey: parameter.path) else { return }
        for i in slots.indices { slots[i].write(.zeros([], dtype: slots[i].dtype)) { $0.select(axis: axis, index) } }
        memory[parameter.path] = slots
    }

    // MARK: State

    /// The moments by "slot/path", in the order of paths given.
    public func state(order paths: [String]) -> [(path: String, tensor: Tensor)] {
        method.slots.enumerated().flatMap { i, slot in
            paths.compactMap { path in memory[path].map { ("\(slot)/\(path)", $0[i]) } }
        }
    }
    /// Takes a saved state over. Names that do not belong to this method are ignored by the caller's check of names and shapes.
    public func restore(step: Int, _ state: [(path: String, tensor: Tensor)]) {
        self.step = step
        memory = [:]
        let names = method.slots
        for (path, tensor) in state {
            guard let slash = path.firstIndex(of: "/"), let i = names.firstIndex(of: String(path[..<slash])) else { continue }
            let parameter = String(path[path.index(after: slash)...])
            memory[parameter, default: names.map { _ in tensor }][i] = tensor
        }
    }
    /// Names of the moments a parameter has under this method.
    public var slotNames: [String] { method.slots }
}
