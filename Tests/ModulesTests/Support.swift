import Foundation
import NSTMAutograd
import NSTMBaselines
import NSTMModules
import NSTMTensor
@_exported import TestSupport
import Testing

func tokens(_ shape: Shape, below n: Int, _ seed: UInt64 = 1) -> Tensor {
    let key = RandomKey(seed)
    return Tensor((0..<shape.count).map { Int32(key.integer($0, below: n)) }, shape)
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
