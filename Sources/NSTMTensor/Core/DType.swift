/// The element types a `Tensor` can hold: float32 to compute, float64 for checks, int32 for indices, uint8 and bool for masks.
public enum DType: UInt8, Sendable, Codable, CaseIterable, CustomStringConvertible {
    case float32, float64, int32, uint8, bool

    /// Size of one element in bytes.
    public var byteCount: Int {
        switch self {
        case .float32, .int32: 4
        case .float64: 8
        case .uint8, .bool: 1
        }
    }
    public var isFloatingPoint: Bool { self == .float32 || self == .float64 }
    public var description: String {
        switch self {
        case .float32: "float32"
        case .float64: "float64"
        case .int32: "int32"
        case .uint8: "uint8"
        case .bool: "bool"
        }
    }
    /// The type of a given name, for files.
    public init?(name: String) {
        guard let match = DType.allCases.first(where: { $0.description == name }) else { return nil }
        self = match
    }
}

/// A Swift type that a `Tensor` can hold.
public protocol Element: Sendable { static var dtype: DType { get } }
extension Float: Element { public static var dtype: DType { .float32 } }
extension Double: Element { public static var dtype: DType { .float64 } }
extension Int32: Element { public static var dtype: DType { .int32 } }
extension UInt8: Element { public static var dtype: DType { .uint8 } }
extension Bool: Element { public static var dtype: DType { .bool } }
