import Foundation
import NSTMAutograd
import NSTMTensor
import Testing

/// Gradients at special points, and precision in float32, which the grid of operations does not cover.
@Suite struct NumericTests {
    private func gradient(_ x: [Double], _ shape: Shape? = nil, _ body: (Variable) -> Variable) -> [Double] {
        let c = ForwardContext(.train), v = c.input(Tensor(x, shape ?? [x.count]))
        return body(v).sum().gradients(of: [v])[0]!.doubles()
    }

    @Test func productWithZeros() {
        #expect(gradient([2, 3, 5]) { $0.product() } == [15, 10, 6])
        #expect(gradient([2, 0, 5]) { $0.product() } == [0, 10, 0])
        #expect(gradient([0, 0, 5]) { $0.product() } == [0, 0, 0])
        #expect(gradient([1e300, 1e300]) { $0.product() } == [1e300, 1e300])
    }
    @Test func equalsShare() {
        #expect(gradient([1, 4, 4, 2]) { $0.maximum() } == [0, 0.5, 0.5, 0])
        #expect(gradient([1, 1, 1, 2]) { $0.minimum() } == [1, 1, 1, 0].map { $0 / 3 })
        #expect(gradient([-4, 4, 2]) { $0.norm(order: .infinity) } == [-0.5, 0.5, 0])
        let c = ForwardContext(.train), a = c.input(Tensor([1.0, 2, 3])), b = c.input(Tensor([2.0, 2, 2]))
        let g = (Variable.maximum(a, b) + 10 * Variable.minimum(a, b)).sum().gradients(of: [a, b])
        #expect(g[0]!.doubles() == [10, 5.5, 1] && g[1]!.doubles() == [1, 5.5, 10])
    }
    @Test func normsAtZero() {
        for p in [1, 1.5, 2, 3, .infinity] { #expect(gradient([0, 0, 0]) { $0.norm(order: p) } == [0, 0, 0]) }
        #expect(gradient([5, 5, 5]) { $0.standardDeviation() } == [0, 0, 0])
        #expect(gradient([0, 2]) { $0.norm(order: 1.5) } == [0, 1])
    }
    @Test func logSumExpOfInfinities() {
        let i = Double.infinity
        #expect(gradient([-i, -i, 0, -i], [2, 2]) { $0.logSumExp(axes: [1]) * Variable(Tensor([0.0, 1])) } == [0, 0, 1, 0])
        #expect(gradient([-i, -i]) { $0.logSumExp() } == [0, 0])
    }
    @Test func powersAtZero() {
        #expect(gradient([0, 2]) { $0.pow(0) } == [0, 0] && gradient([0, 3]) { $0.pow(2) } == [0, 6])
        let c = ForwardContext(.train), e = c.input(Tensor([2.0, 3]))
        #expect(Variable(Tensor([0.0, 1])).pow(e).sum().gradients(of: [e])[0]!.doubles() == [0, 0])
    }
    @Test func stepsHaveZeroDerivative() {
        for f in [{ $0.floor() }, { $0.ceil() }, { $0.round() }, { $0.trunc() }, { $0.sign() }] as [(Variable) -> Variable] {
            #expect(gradient([-1.5, 0, 0.3, 2]) { f($0) } == [0, 0, 0, 0])
        }
    }

    /// For a confident correct prediction the small loss and its gradient have the precision of float32.
    @Test func confidentBinaryCrossEntropy() {
        for x in stride(from: Float(-80), through: 80, by: 0.37) {
            for y in [Float(0), 1] {
                let c = ForwardContext(.train), v = c.input(Tensor([x]))
                let loss = v.binaryCrossEntropy(Tensor([y])), g = loss.gradients(of: [v])[0]!.item()
                let z = Double(y == 1 ? x : -x), exact = max(-z, 0) + log1p(exp(-abs(z)))
                let derivative = (y == 1 ? -1 : 1) / (1 + exp(z))
                #expect(abs(loss.value.item() - exact) <= 2e-7 * exact, "\(x) \(y)")
                #expect(abs(g - derivative) <= 2e-7 * abs(derivative), "\(x) \(y)")
            }
        }
    }
    @Test func divergenceOfZeroProbabilities() {
        let i = Double.infinity, c = ForwardContext(.train)
        let q = c.input(Tensor([log(0.25), log(0.75), -i], [1, 3])), p = Variable(Tensor([-i, 0.0, -i], [1, 3]))
        let y = q.klDivergence(p)
        #expect(abs(y.value.item() + log(0.75)) < 1e-15 && y.gradients(of: [q])[0]!.doubles() == [0, -1, 0])
    }
    @Test func ignoredTargetsCountNothing() {
        let c = ForwardContext(.train), x = c.input(Tensor([1.0, 2, 3, 4], [2, 2]))
        let y = x.crossEntropy(Tensor([1, 1] as [Int32]), labelSmoothing: 0.1, ignoring: 1)
        #expect(y.value.item() == 0 && y.gradients(of: [x])[0]!.doubles() == [0, 0, 0, 0])
    }
    @Test func misfitsAreNamed() async {
        func message(_ r: ExitTest.Result?) -> String { String(decoding: r?.standardErrorContent ?? [], as: UTF8.self) }
        let a = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train), x = c.input(.zeros([2, 6, 3]))
            _ = c.scope("stem") { x.groupNorm(groups: 4) }
        }
        #expect(message(a).contains("in 'stem': groupNorm: 4 groups do not divide the 6 channels of [2, 6, 3]"))
        let b = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let c = ForwardContext(.train), x = c.input(.zeros([2, 3]))
            _ = c.scope("head") { einsum("ij,jk->ik", x, Variable(.zeros([4, 2]))) }
        }
        #expect(message(b).contains("in 'head': einsum \"ij,jk->ik\": 'j' has size 3 in operand 0, 4 in operand 1"))
        let d = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Variable(.zeros([2, 3])).crossEntropy(.zeros([2], dtype: .int32), classWeights: .ones([2]))
        }
        #expect(message(d).contains("class weights [2]"))
    }
}
