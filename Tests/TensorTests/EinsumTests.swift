import NSTMTensor
import Testing

@Suite struct EinsumTests {
    /// The definition: for every assignment of the letters, the product of the operands there goes to the result there.
    private func naive(_ terms: [[Character]], _ output: [Character], _ operands: [Model]) -> Model {
        var size: [Character: Int] = [:]
        for (term, x) in zip(terms, operands) { for (c, n) in zip(term, x.dims) { size[c] = n } }
        let letters = size.keys.sorted()
        var sum: [[Int]: Double] = [:]
        for index in Model.indices(letters.map { size[$0]! }) {
            func at(_ term: [Character]) -> [Int] { term.map { index[letters.firstIndex(of: $0)!] } }
            sum[at(output), default: 0] += zip(terms, operands).reduce(1) { $0 * $1.1[at($1.0)] }
        }
        let dims = output.map { size[$0]! }
        return Model(dims, Model.indices(dims).map { sum[$0] ?? 0 })
    }

    @Test func randomContractions() {
        for seed in 0..<400 {
            var random = TestRandom(UInt64(seed))
            let size = Dictionary(uniqueKeysWithValues: "abcde".map { ($0, [1, 2, 3, 3][random.int(0..<4)]) })
            let terms = (0..<random.int(1..<5)).map { _ in (0..<random.int(0..<4)).map { _ in Array("abcde")[random.int(0..<5)] }
            }
            let output = Set(terms.joined()).shuffled(using: &random).filter { _ in random.int(0..<2) == 0 }
            let operands = terms.map { term in
                // Stored backwards, so that operands are strided.
                let dims = term.map { size[$0]! }
                return Tensor(random.doubles(dims.reduce(1, *)), Shape(dims.reversed())).permuted(
                    Array((0..<dims.count).reversed()))
            }
            let text = terms.map { String($0) }.joined(separator: ", ") + " -> " + String(output)
            let y = Model(run(text, operands)), expected = naive(terms, output, operands.map { Model($0) })
            #expect(y.dims == expected.dims, "\(text)")
            #expect(zip(y.values, expected.values).allSatisfy { abs($0 - $1) < 1e-12 }, "\(text)")
        }
    }
    private func run(_ text: String, _ x: [Tensor]) -> Tensor {
        switch x.count {
        case 1: einsum(text, x[0])
        case 2: einsum(text, x[0], x[1])
        case 3: einsum(text, x[0], x[1], x[2])
        default: einsum(text, x[0], x[1], x[2], x[3])
        }
    }

    @Test func implicitResult() {
        let a = Tensor((0..<6).map(Double.init), [2, 3])
        #expect(einsum("ba", a).doubles() == a.transposed().doubles())
        #expect(einsum("ij,jk", a, a.transposed()).doubles() == a.matmul(a, transposeOther: true).doubles())
        #expect(einsum("ij,ij", a, a).item() == 55)
    }
    @Test func ellipsis() {
        var random = TestRandom(1)
        let a = Tensor(random.doubles(24), [2, 3, 4]), b = Tensor(random.doubles(8), [1, 4, 2])
        #expect(einsum("...ij,...jk", a, b).doubles() == a.matmul(b).doubles())
        #expect(einsum("...->...", a).doubles() == a.doubles())
        #expect(einsum("...i->i...", a).shape == [4, 2, 3])
        #expect(
            einsum("...,...->...", Tensor([2.0, 3]), Tensor([[1.0], [10]].flatMap { $0 }, [2, 1])).doubles() == [2, 3, 20, 30])
    }
    @Test func emptyAxes() {
        #expect(einsum("ij,jk->ik", Tensor.zeros([2, 0]), Tensor.zeros([0, 3])).doubles() == [0, 0, 0, 0, 0, 0])
        #expect(einsum("i->", Tensor.zeros([0])).item() == 0)
    }

    private func message(_ r: ExitTest.Result?) -> String { String(decoding: r?.standardErrorContent ?? [], as: UTF8.self) }
    @Test func sizesThatDiffer() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = einsum("bqd,bkd->bqk", Tensor.zeros([2, 3, 4]), Tensor.zeros([2, 3, 5]))
        }
        #expect(message(r).contains("einsum \"bqd,bkd->bqk\": 'd' has size 4 in operand 0, 5 in operand 1"))
    }
    @Test func wrongNumberOfAxes() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = einsum("ijk", Tensor.zeros([2, 3]))
        }
        #expect(message(r).contains("'ijk' names 3 axes, operand 0 has shape [2, 3]"))
    }
    @Test func unknownInTheResult() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = einsum("ij->ik", Tensor.zeros([2, 3]))
        }
        #expect(message(r).contains("'k' of the result is in no operand"))
    }
    @Test func repeatedInTheResult() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = einsum("ij->ii", Tensor.zeros([2, 3]))
        }
        #expect(message(r).contains("'i' is repeated in the result"))
    }
    @Test func notALetter() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = einsum("i2", Tensor.zeros([2, 3]))
        }
        #expect(message(r).contains("'2' in operand 0 is not a letter"))
    }
    @Test func wrongNumberOfOperands() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = einsum("ij,jk", Tensor.zeros([2, 3]))
        }
        #expect(message(r).contains("2 terms for 1 operands"))
    }
    @Test func diagonalOfAUnevenMatrixSizes() async {
        let r = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = einsum("ii", Tensor.zeros([2, 3]))
        }
        #expect(message(r).contains("'i' has size 2 in operand 0, 3 in operand 0"))
    }

    @Test func diagonalsAgainstALoop() {
        for seed in 0..<100 {
            var random = TestRandom(UInt64(seed))
            let rank = random.int(2..<5), dims = random.dims(rank: rank), axes = Array(0..<rank).shuffled(using: &random)
            let t = Tensor(random.doubles(dims.reduce(1, *)), Shape(dims)), a = axes[0], b = axes[1]
            let rest = dims.indices.filter { $0 != a && $0 != b }, n = min(dims[a], dims[b])
            let m = Model(t),
                expected = m.gather(rest.map { dims[$0] } + [n]) { index in
                    var old = [Int](repeating: index.last!, count: rank)
                    for (i, axis) in rest.enumerated() { old[axis] = index[i] }
                    return old
                }
            let d = t.diagonal(a, b - rank)
            #expect(Model(d) == expected)
            // ⟨diagonal x, y⟩ = ⟨x, embedded y⟩
            let y = Tensor(random.doubles(d.count), d.shape), back = y.diagonalEmbedded(in: t.shape, a, b)
            #expect(back.shape == t.shape && Model(back.diagonal(a, b)) == Model(y))
            #expect(abs((d * y).sum().item() - (t * back).sum().item()) < 1e-12)
        }
    }
}
