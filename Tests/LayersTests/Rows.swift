import Foundation
import NSTMTensor

// Rows of numbers, for loops written from the formulas.

typealias Row = [Double]
func dot(_ a: Row, _ b: Row) -> Double { zip(a, b).reduce(0.0) { $0 + $1.0 * $1.1 } }
func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
func silu(_ x: Double) -> Double { x * sigmoid(x) }
func rms(_ x: Row, _ gain: Row) -> Row {
    let r = (dot(x, x) / Double(x.count) + 1e-6).squareRoot()
    return zip(x, gain).map { $0 / r * $1 }
}
func rows(_ x: Tensor) -> [Row] {
    let n = x.shape[-1], all = x.doubles()
    return (0..<all.count / n).map { Array(all[$0 * n..<($0 + 1) * n]) }
}
func map(_ x: Row, _ w: [Row]) -> Row { w.map { dot($0, x) } }
func softmax(_ z: Row) -> Row {
    let top = z.max() ?? 0, e = z.map { exp($0 - top) }, sum = e.reduce(0, +)
    return e.map { $0 / sum }
}
func added(_ a: Row, _ b: Row) -> Row { zip(a, b).map { $0 + $1 } }
/// 1 for the k largest and 0 for the others.
func largest(_ z: Row, _ k: Int) -> Row {
    let threshold = z.sorted(by: >)[min(k, z.count) - 1]
    return z.map { $0 >= threshold ? 1 : 0 }
}
/// Within 1e-12 of the size of each element.
func near(_ a: [Row], _ b: [Row]) -> Bool {
    a.count == b.count && zip(a.joined(), b.joined()).allSatisfy { abs($0 - $1) <= 1e-12 * max(1, abs($0)) }
}
