import Foundation
import NSTMTensor
import Testing

@Suite struct StatisticsTests {
    private struct Reduction: Sendable, CustomTestStringConvertible {
        let name: String
        var takesEmpty = true
        let run: @Sendable (Tensor, [Int], Bool) -> Tensor
        /// The same of a list of numbers.
        let reference: @Sendable ([Double]) -> Double
        var testDescription: String { name }
    }
    private static func variance(_ v: [Double], _ correction: Double) -> Double {
        let mean = v.reduce(0, +) / Double(v.count)
        return v.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(0, Double(v.count) - correction)
    }
    private static let reductions: [Reduction] = [
        .init(name: "variance", run: { $0.variance(axes: $1, keepDims: $2) }, reference: { variance($0, 1) }),
        .init(
            name: "population variance", run: { $0.variance(axes: $1, correction: 0, keepDims: $2) },
            reference: { variance($0, 0) }),
        .init(
            name: "standardDeviation", run: { $0.standardDeviation(axes: $1, keepDims: $2) },
            reference: { variance($0, 1).squareRoot() }),
        .init(name: "maximum", takesEmpty: false, run: { $0.maximum(axes: $1, keepDims: $2) }, reference: { $0.max()! }),
        .init(name: "minimum", takesEmpty: false, run: { $0.minimum(axes: $1, keepDims: $2) }, reference: { $0.min()! }),
        .init(name: "product", run: { $0.product(axes: $1, keepDims: $2) }, reference: { $0.reduce(1, *) }),
        .init(name: "L1", run: { $0.norm(axes: $1, order: 1, keepDims: $2) }, reference: { $0.reduce(0) { $0 + abs($1) } }),
        .init(
            name: "L2", run: { $0.norm(axes: $1, keepDims: $2) }, reference: { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() }),
        .init(
            name: "L1.5", run: { $0.norm(axes: $1, order: 1.5, keepDims: $2) },
            reference: { pow($0.reduce(0) { $0 + pow(abs($1), 1.5) }, 1 / 1.5) }),
        .init(
            name: "L∞", run: { $0.norm(axes: $1, order: .infinity, keepDims: $2) }, reference: { $0.map(abs).max() ?? 0 }),
        .init(
            name: "logSumExp", run: { $0.logSumExp(axes: $1, keepDims: $2) }, reference: { log($0.reduce(0) { $0 + exp($1) }) }),
    ]

    /// Against lists of numbers, over random axes of strided tensors of any rank.
    @Test(arguments: reductions) private func overRandomAxes(_ f: Reduction) {
        for seed in 0..<300 {
            var random = TestRandom(UInt64(seed))
            let rank = seed % 6, dims = f.takesEmpty && seed % 5 == 0 ? random.dims(rank: rank) : random.positiveDims(rank: rank)
            let t = Tensor(random.doubles(dims.reduce(1, *)), Shape(dims)).permuted(Array(0..<rank).shuffled(using: &random))
            let axes = (0..<rank).filter { _ in random.int(0..<2) == 0 }, keep = random.int(0..<2) == 0, m = Model(t)
            let kept = m.dims.indices.map { axes.contains($0) ? 1 : m.dims[$0] }
            let expected = Model.indices(kept).map { index in
                f.reference(
                    Model.indices(m.dims).filter { i in i.indices.allSatisfy { axes.contains($0) || i[$0] == index[$0] } }.map {
                        m[$0]
                    })
            }
            let final = keep ? kept : m.dims.indices.filter { !axes.contains($0) }.map { m.dims[$0] }
            for type in [DType.float64, .float32] {
                let y = f.run(t.cast(to: type), axes.shuffled(using: &random), keep)
                #expect(y.shape.dims == final && y.dtype == type)
                for (a, b) in zip(y.doubles(), expected) {
                    let tolerance = type == .float64 ? 1e-12 : 2e-6
                    #expect(
                        a == b || (a.isNaN && b.isNaN) || abs(a - b) <= tolerance * max(1, abs(b)),
                        "\(t.shape) \(axes): \(a), not \(b)")
                }
            }
        }
    }

    /// More than one part of work, along every axis: float64 against lists of numbers, float32 to a unit in the last place.
    @Test(arguments: reductions, [[700, 3], [3, 70_000], [70_000, 3], [1, 200_000], [100, 30, 50], [2, 70, 1500]])
    private func longAxes(_ f: Reduction, dims: [Int]) {
        var random = TestRandom(3)
        let range = f.name == "product" ? 0.98..<1.0202 : -1..<1.0
        let values = random.doubles(dims.reduce(1, *), range).map { Double(Float($0)) }
        let t = Tensor(values, Shape(dims))
        for axis in dims.indices where dims[axis] > 1 {
            let y = f.run(t.cast(to: .float32), [axis], false).doubles(), exact = f.run(t, [axis], false).doubles()
            let inner = dims[(axis + 1)...].reduce(1, *)
            for i in [0, y.count / 2, y.count - 1] {
                let start = i / inner * dims[axis] * inner + i % inner
                let reference = f.reference((0..<dims[axis]).map { values[start + $0 * inner] })
                #expect(abs(exact[i] - reference) <= 1e-10 * abs(reference), "\(dims) \(axis): \(exact[i]), not \(reference)")
            }
            let worst = zip(y, exact).reduce(0.0) { max($0, abs($1.0 - $1.1) / Double(Float($1.1).ulp)) }
            #expect(worst <= 1, "\(dims) \(axis)")
        }
    }

    /// Two passes: precision does not suffer from a mean that is large compared with the standard deviation.
    @Test func varianceFarFromZero() {
        let x = Tensor((0..<100_000).map { Float(4_000_000 + $0 % 2) })
        #expect(abs(x.variance(correction: 0).item() - 0.25) < 1e-6)
    }
    @Test func normsDoNotOverflow() {
        let x = Tensor([3e30, -4e30] as [Float])
        #expect(Float(x.norm().item()) == 5e30)
    }
    @Test func specialValues() {
        let i = Double.infinity, n = Double.nan
        let t = Tensor([-i, -i, -i, 1, i, 2, -i, 0, -i, n, 1, i, 1000, 1000, -i], [5, 3])
        let y = t.logSumExp(axes: [1]).doubles()
        #expect(y[0] == -i && y[1] == i && y[2] == 0 && y[3].isNaN && y[4] == 1000 + log(2))
        #expect(
            t.maximum(axes: [1]).doubles()[3].isNaN && t.minimum(axes: [1]).doubles()[3].isNaN
                && t.norm(axes: [1], order: i).doubles()[3].isNaN)
        #expect(Tensor.zeros([0], dtype: .float64).logSumExp().item() == -i)
        #expect(Tensor([2.0]).variance().item().isNaN)
    }
    @Test func smallestAndItsPlace() {
        let t = Tensor([1, 5, -5, -5, 7, 7, 0, .nan, -3, -3, -4, -4] as [Float], [3, 4])
        let (values, indices) = t.minimum(axis: -1)
        #expect(values.elements(Float.self)[0] == -5 && values.elements(Float.self)[1].isNaN)
        #expect(indices.elements(Int32.self) == [2, 3, 2] && t.argmin(axis: 0).elements(Int32.self) == [2, 2, 0, 1])
    }
    @Test func nothingToChooseFrom() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 0]).maximum(axes: [1])
        }
        let message = String(decoding: r?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("nothing to choose from: shape [2, 0]"))
    }
}
