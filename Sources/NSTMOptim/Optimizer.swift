import NSTMConfiguration
import NSTMTensor

/// How an optimizer updates one parameter.
///
/// A value that holds the settings; the moments are kept by `ParameterUpdater`.
///
///     struct SignDescent: Optimizer {
///         static let type = "sign-descent"
///         static let summary = "steps of the same size in every element"
///         func update(_ value: inout Tensor, gradient: Tensor, moments: inout [Tensor], _ step: OptimizerStep) {
///             value = value - gradient.sign().affine(step.learningRate)
///         }
///     }
public protocol Optimizer: Configurable where Scope == Int {
    /// Names of the moments of a parameter, under which they are saved; none by default.
    var momentNames: [String] { get }
    /// Updates a parameter in place.
    /// - Parameters:
    ///   - gradient: of the shape of the value, not yet multiplied by `step.gradientScale`.
    ///   - moments: one tensor of the shape of the value for each name, zeros before the first update.
    func update(_ value: inout Tensor, gradient: Tensor, moments: inout [Tensor], _ step: OptimizerStep)
}

extension Optimizer {
    public var momentNames: [String] { [] }
}

/// The step-dependent arguments of an update of one parameter.
public struct OptimizerStep: Sendable {
    /// Number of the step, from 1.
    public let number: Int
    /// Learning rate of the parameter in this step.
    public let learningRate: Double
    /// Weight decay of the parameter.
    public let weightDecay: Double
    /// Factor of the gradient, such as that of clipping by norm.
    public let gradientScale: Double

    public init(number: Int, learningRate: Double, weightDecay: Double = 0, gradientScale: Double = 1) {
        self.number = number
        self.learningRate = learningRate
        self.weightDecay = weightDecay
        self.gradientScale = gradientScale
    }
}

extension Registry where Value == any Optimizer, Scope == Int {
    /// SGD, AdamW and RMSProp.
    public static var standard: Self {
        var registry = Self("optimizer", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) })
        registry.register(AdamW.self)
        registry.register(SGD.self)
        registry.register(RMSProp.self)
        return registry
    }
    /// Adds an optimizer under the name of its type.
    public mutating func register<Method: Optimizer>(_ type: Method.Type) { register(type.init()) }
}
