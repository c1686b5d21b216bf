import Foundation
import NSTMTensor

/// A tensor of a golden file: values of another program, with the script that made them in `Tests/Golden`.
public struct GoldenTensor: Decodable {
    let shape: [Int], values: [Double]
    public var tensor: Tensor { Tensor(values, Shape(shape)) }
    public var indices: Tensor { Tensor(values.map { Int32($0) }, Shape(shape)) }
}

/// The golden file of a test target, decoded.
/// - Parameter bundle: the target's `.module`.
public func golden<T: Decodable>(_ name: String, in bundle: Bundle, as type: T.Type) throws -> T {
    guard let url = bundle.url(forResource: "Golden/\(name)", withExtension: nil) else { throw CocoaError(.fileNoSuchFile) }
    return try JSONDecoder().decode(type, from: Data(contentsOf: url))
}
