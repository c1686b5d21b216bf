import Foundation
import NSTMAutograd
import NSTMBaselines
import NSTMModules
import NSTMTensor
import Testing

func random(_ shape: Shape, _ name: String, _ dtype: DType = .float64) -> Tensor {
    .normal(shape, key: RandomKey(3).fold(name), dtype: dtype)
}
func tokens(_ shape: Shape, below n: Int, _ seed: UInt64 = 1) -> Tensor {
    let key = RandomKey(seed)
    return Tensor((0..<shape.count).map { Int32(key.integer($0, below: n)) }, shape)
}
/// Largest |a − b| / max(1, |a|, |b|).
func difference(_ a: Tensor, _ b: Tensor) -> Double {
    guard a.shape == b.shape else { return .infinity }
    return zip(a.doubles(), b.doubles()).reduce(0) { worst, pair in
        let e = abs(pair.0 - pair.1) / max(1, abs(pair.0), abs(pair.1))
        return e <= worst ? worst : e
    }
}
/// Equal to the last bit.
func same(_ a: Tensor, _ b: Tensor) -> Bool {
    a.shape == b.shape && a.dtype == b.dtype && a.withBytes { p in b.withBytes { p.elementsEqual($0) } }
}
func largest(_ x: Tensor) -> Double { x.doubles().reduce(0) { max($0, abs($1)) } }

/// Moves all parameters away from their special beginnings (ones, zeros), where errors could hide.
func shake(_ store: ParameterStore) {
    for p in store.all where p.isTrainable {
        p.value = p.value + .normal(p.value.shape, deviation: 0.3, key: RandomKey(1).fold(p.path), dtype: p.value.dtype)
    }
}

/// A tensor of a golden file.
struct GoldenTensor: Decodable {
    let shape: [Int], values: [Double]
    var tensor: Tensor { Tensor(values, Shape(shape)) }
    var indices: Tensor { Tensor(values.map { Int32($0) }, Shape(shape)) }
}
func golden<T: Decodable>(_ name: String, as type: T.Type) throws -> T {
    let url = try #require(Bundle.module.url(forResource: "Golden/\(name)", withExtension: nil))
    return try JSONDecoder().decode(type, from: Data(contentsOf: url))
}

/// Every parameter that is stored anywhere inside a model, by identity.
func parameters(inside model: AnyObject) -> [ObjectIdentifier: String] {
    var found: [ObjectIdentifier: String] = [:], seen: Set<ObjectIdentifier> = []
    func walk(_ value: Any, _ depth: Int) {
        if let p = value as? Parameter {
            found[ObjectIdentifier(p)] = p.path
            return
        }
        if value is ParameterStore || value is Tensor || depth > 12 { return }
        let mirror = Mirror(reflecting: value)
        if mirror.displayStyle == .class, !seen.insert(ObjectIdentifier(value as AnyObject)).inserted { return }
        for child in mirror.children { walk(child.value, depth + 1) }
        var parent = mirror.superclassMirror
        while let p = parent {
            for child in p.children { walk(child.value, depth + 1) }
            parent = p.superclassMirror
        }
    }
    walk(model, 0)
    return found
}
