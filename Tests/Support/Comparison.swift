import NSTMTensor

/// Largest |a − b| / max(1, |a|, |b|); infinite when shapes differ or one element only is not a number.
public func difference(_ a: Tensor, _ b: Tensor) -> Double {
    guard a.shape == b.shape else { return .infinity }
    var worst = 0.0
    for (x, y) in zip(a.doubles(), b.doubles()) where x != y {
        let d = abs(x - y) / max(1, abs(x), abs(y))
        if !(d <= worst) { worst = d.isNaN ? .infinity : d }
    }
    return worst
}

/// Equal to the last bit; NaN equals NaN.
public func same(_ a: Tensor, _ b: Tensor) -> Bool {
    a.shape == b.shape && a.dtype == b.dtype && a.withBytes { p in b.withBytes { p.elementsEqual($0) } }
}

/// Bits of a float32 or float64 tensor, for comparisons that tell −0 from 0 and one NaN from another.
public func bits(_ t: Tensor) -> [UInt64] {
    t.dtype == .float32 ? t.elements(Float.self).map { UInt64($0.bitPattern) } : t.elements(Double.self).map(\.bitPattern)
}

/// Largest |x|.
public func largest(_ x: Tensor) -> Double { x.doubles().reduce(0) { max($0, abs($1)) } }
