import NSTMAutograd
import NSTMMemory
import NSTMModules
import NSTMTensor
import Testing

/// Steps of whole memories against the published equations in plain loops.
@Suite struct ReferenceTests {
    private typealias Row = [Double]
    private static let n = 6, w = 4, steps = 12

    private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    private func exp(_ x: Double) -> Double { Tensor([x]).exp().doubles()[0] }
    private func oneplus(_ x: Double) -> Double { 1 + log(1 + exp(x)) }
    private func log(_ x: Double) -> Double { Tensor([x]).log().doubles()[0] }
    private func softmax(_ x: Row) -> Row {
        let e = x.map { exp($0 - x.max()!) }, sum = e.reduce(0, +)
        return e.map { $0 / sum }
    }
    private func dot(_ a: Row, _ b: Row) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    private func content(_ key: Row, _ strength: Double, _ rows: [Row]) -> Row {
        softmax(rows.map { strength * dot(key, $0) / ((dot(key, key) + 1e-6) * (dot($0, $0) + 1e-6)).squareRoot() })
    }
    /// Runs a memory on random interfaces, and gives both reads of each step.
    private func run(
        _ memory: AddressedMemory, _ reference: (inout ArraySlice<Double>) -> Row
    ) -> (got: [Row], expected: [Row]) {
        let context = ForwardContext(.evaluate)
        var state = memory.initialState(batch: 1, context), got: [Row] = [], expected: [Row] = []
        for t in 0..<Self.steps {
            let vector = Tensor.normal(
                [1, memory.interfaceWidth], standardDeviation: 2, key: RandomKey(5).fold(t), dtype: .float64)
            got.append(memory.step(Variable(vector), &state, context).value.doubles())
            var rest = vector.doubles()[...]
            expected.append(reference(&rest))
            #expect(rest.isEmpty)
        }
        return (got, expected)
    }
    private func expectEqual(_ x: (got: [Row], expected: [Row])) {
        for (a, b) in zip(x.got, x.expected) { for (p, q) in zip(a, b) { #expect(abs(p - q) < 1e-10, "\(a) instead of \(b)") } }
    }
    private func take(_ rest: inout ArraySlice<Double>, _ count: Int) -> Row {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    /// Graves, Wayne & Danihelka 2014, equations 2 to 9.
    @Test func neuralTuringMachine() {
        let n = Self.n, w = Self.w
        let memory = AddressedMemory(
            ParameterBuilder(seed: 1, dtype: .float64), MemoryDimensions(rows: n, width: w),
            write: Addressing.Location.Configuration(), read: Addressing.Location.Configuration())
        var rows = Array(repeating: Row(repeating: 1e-6, count: w), count: n)
        var weights = [true: [1] + Row(repeating: 0, count: n - 1), false: [1] + Row(repeating: 0, count: n - 1)]
        func address(_ rest: inout ArraySlice<Double>, writes: Bool) -> Row {
            let key = take(&rest, w), strength = oneplus(take(&rest, 1)[0]), gate = sigmoid(take(&rest, 1)[0])
            let shift = softmax(take(&rest, 3)), exponent = oneplus(take(&rest, 1)[0])
            let mixed = zip(content(key, strength, rows), weights[writes]!).map { gate * $0 + (1 - gate) * $1 }
            let shifted = (0..<n).map { i in (-1...1).reduce(0) { $0 + mixed[(i - $1 + n) % n] * shift[$1 + 1] } }
            let powers = shifted.map { exp(exponent * log($0)) }
            weights[writes] = powers.map { $0 / powers.reduce(0, +) }
            return weights[writes]!
        }
        expectEqual(
            run(memory) { rest in
                let write = address(&rest, writes: true), erase = take(&rest, w).map(sigmoid), add = take(&rest, w)
                for i in 0..<n { for j in 0..<w { rows[i][j] = rows[i][j] * (1 - write[i] * erase[j]) + write[i] * add[j] } }
                let read = address(&rest, writes: false)
                return (0..<w).map { j in (0..<n).reduce(0) { $0 + read[$1] * rows[$1][j] } }
            })
    }

    /// Two read heads and one write head, as in the methods of the paper of 2016.
    @Test func differentiableNeuralComputer() {
        let n = Self.n, w = Self.w, heads = 2
        let memory = AddressedMemory(
            ParameterBuilder(seed: 1, dtype: .float64), MemoryDimensions(rows: n, width: w, readHeads: heads),
            write: Addressing.Allocation.Configuration(), read: Addressing.Temporal.Configuration())
        var rows = Array(repeating: Row(repeating: 1e-6, count: w), count: n)
        var write = [1] + Row(repeating: 0, count: n - 1), reads = Array(repeating: write, count: heads)
        var usage = Row(repeating: 0, count: n), precedence = usage, links = Array(repeating: usage, count: n)
        expectEqual(
            run(memory) { rest in
                let wanted = content(take(&rest, w), oneplus(take(&rest, 1)[0]), rows)
                let share = sigmoid(take(&rest, 1)[0]), gate = sigmoid(take(&rest, 1)[0]), free = take(&rest, heads).map(sigmoid)
                for i in 0..<n {
                    usage[i] = usage[i] + write[i] - usage[i] * write[i]
                    for h in 0..<heads { usage[i] *= 1 - free[h] * reads[h][i] }
                }
                var allocation = Row(repeating: 0, count: n), product = 1.0
                for i in (0..<n).sorted(by: { (usage[$0], $0) < (usage[$1], $1) }) {
                    allocation[i] = (1 - usage[i]) * product
                    product *= usage[i]
                }
                write = (0..<n).map { gate * (share * allocation[$0] + (1 - share) * wanted[$0]) }
                let erase = take(&rest, w).map(sigmoid), add = take(&rest, w)
                for i in 0..<n { for j in 0..<w { rows[i][j] = rows[i][j] * (1 - write[i] * erase[j]) + write[i] * add[j] } }
                for i in 0..<n {
                    for j in 0..<n where i != j {
                        links[i][j] = (1 - write[i] - write[j]) * links[i][j] + write[i] * precedence[j]
                    }
                }
                let sum = write.reduce(0, +)
                precedence = zip(precedence, write).map { (1 - sum) * $0 + $1 }
                // Keys of all heads, then strengths, then modes.
                let keys = (0..<heads).map { _ in take(&rest, w) }, strengths = take(&rest, heads).map(oneplus)
                let modes = (0..<heads).map { _ in softmax(take(&rest, 3)) }
                var result: Row = []
                for h in 0..<heads {
                    let byContent = content(keys[h], strengths[h], rows), last = reads[h]
                    reads[h] = (0..<n).map { i in
                        let backward = (0..<n).reduce(0) { $0 + links[$1][i] * last[$1] }
                        let forward = (0..<n).reduce(0) { $0 + links[i][$1] * last[$1] }
                        return modes[h][0] * backward + modes[h][1] * byContent[i] + modes[h][2] * forward
                    }
                    result += (0..<w).map { j in (0..<n).reduce(0) { $0 + reads[h][$1] * rows[$1][j] } }
                }
                return result
            })
    }

    /// The delta rule corrects what it recalls: β = ½, k = [.6, .8], v = [1, −1], twice.
    @Test func deltaRule() {
        let memory = DeltaMemory(ParameterBuilder(seed: 1, dtype: .float64), heads: 1, width: 2),
            context = ForwardContext(.evaluate)
        var state = memory.initialState(batch: 1, context)
        // Query, key, value, and a rate of σ(0) = ½.
        let vector = Variable(Tensor([0.6, 0.8, 0.6, 0.8, 1, -1, 0], [1, 7]))
        for recall in [[0.5, -0.5], [0.75, -0.75]] {
            let read = memory.step(vector, &state, context).value.doubles()
            for (a, b) in zip(read, recall) { #expect(abs(a - b) < 2e-6) }
        }
    }

    /// Weights of all heads are distributions, or less, after 10⁵ steps of saturated interfaces, and nothing is NaN.
    @Test(arguments: ["location", "DNC", "least-recently-used", "pointer"]) func saturatedHeads(_ kind: String) {
        let write: any MemoryAddressingConfiguration, read: any MemoryAddressingConfiguration
        switch kind {
        case "location": (write, read) = (Addressing.Location.Configuration(), Addressing.Location.Configuration())
        case "DNC": (write, read) = (Addressing.Allocation.Configuration(), Addressing.Temporal.Configuration())
        case "pointer": (write, read) = (Addressing.Pointer.Configuration(), Addressing.Pointer.Configuration())
        default: (write, read) = (Addressing.LeastRecentlyUsed.Configuration(), Addressing.Content.Configuration())
        }
        let memory = AddressedMemory(
            ParameterBuilder(seed: 1), MemoryDimensions(rows: 7, width: 3, readHeads: 2), write: write, read: read)
        let context = ForwardContext(.evaluate)
        var state = memory.initialState(batch: 2, context)
        for t in 0..<100_000 {
            // The bounds of the interface, at random; all of them for some time.
            let signs = Tensor.uniform([2, memory.interfaceWidth], low: -1, high: 1, key: RandomKey(2).fold(t))
            let vector = t % 100 < 50 ? signs.affine(1e6).clamped(min: -20, max: 20) : signs.affine(5)
            _ = memory.step(Variable(vector), &state, context)
            guard t % 997 == 0 || t == 99_999 else { continue }
            for name in state.variables.names {
                #expect(state[name]!.value.doubles().allSatisfy { $0.isFinite }, "\(name) at step \(t)")
            }
            for weights in [state.readWeights.value, state.writeWeights.value] {
                #expect(weights.doubles().allSatisfy { $0 >= 0 })
                #expect(weights.sum(axes: [2]).doubles().allSatisfy { $0 <= 1 + 1e-4 })
            }
        }
    }
}
