import NSTMTensor

/// Of a policy that goes by what it sees alone.
public struct NoMemory: Codable, Sendable { public init() {} }

/// A number as reasons write it.
func short(_ x: Double) -> String { String(describing: Float(x)) }
