import NSTMTensor

extension StateLifecycleConfiguration {
    /// The memory of a stateless policy.
    public struct NoMemory: Codable, Sendable { public init() {} }
}

/// A number with few digits, for the reasons of decisions.
func short(_ x: Double) -> String { String(describing: Float(x)) }
