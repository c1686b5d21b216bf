import NSTMAutograd
import NSTMTensor

extension Operation {
    /// Outputs and last state of a scan in one row, so that both have gradients.
    static func everything(_ parts: Variable...) -> Variable {
        Variable.concatenate(parts.map { $0.reshaped([$0.shape.count]) }, axis: 0)
    }

    static let recurrences: [Operation] = {
        // Query, key, value, state; then a gate for each head, one for each key channel, and a bonus.
        let base: [[[Int]]] = [
            [[2, 3, 4], [2, 3, 4], [2, 3, 6], [2, 2, 2, 3]], [[1, 1, 2], [1, 1, 2], [1, 1, 2], [1, 2, 1, 1]],
            [[2, 0, 2], [2, 0, 2], [2, 0, 4], [2, 2, 1, 2]], [[0, 3, 2], [0, 3, 2], [0, 3, 4], [0, 2, 1, 2]],
        ]
        let perHead = base.map { [$0[0][0], $0[0][1], 2] }, perChannel = base.map { $0[0] }
        func with(_ more: [[Int]]...) -> [[[Int]]] { base.indices.map { i in base[i] + more.map { $0[i] } } }
        @Sendable func scan(_ x: [Variable], decay: Variable? = nil, beta: Variable? = nil, bonus: Variable? = nil) -> Variable {
            let s = x[0].matrixStateScan(
                key: x[1], value: x[2], decay: decay, beta: beta, bonus: bonus, state: x[3], heads: 2)
            return everything(s.output, s.state)
        }
        let matrix: [Operation] = [
            .init("matrixStateScan", base) { scan($1) },
            .init("matrixStateScan, no state", base.map { Array($0.prefix(3)) }) {
                $1[0].matrixStateScan(key: $1[1], value: $1[2], heads: 2).output
            },
            .init("matrixStateScan, decay", with(perHead)) { scan($1, decay: $1[4].sigmoid()) },
            .init("matrixStateScan, fixed decay", with(base.map { _ in [2] })) { scan($1, decay: $1[4].sigmoid()) },
            .init("matrixStateScan, decay of channels", with(perChannel)) { scan($1, decay: $1[4].sigmoid()) },
            .init("matrixStateScan, delta", with(perHead), in: -1..<1) { scan($1, beta: $1[4].sigmoid()) },
            .init("matrixStateScan, gated delta", with(perHead, perHead), in: -1..<1) {
                scan($1, decay: $1[4].sigmoid(), beta: $1[5].sigmoid())
            },
            .init("matrixStateScan, channel-gated delta", with(perChannel, perHead), in: -1..<1) {
                scan($1, decay: $1[4].sigmoid(), beta: $1[5].sigmoid())
            },
            .init("matrixStateScan, bonus", with(perChannel, base.map { [$0[0][2]] })) {
                scan($1, decay: $1[4].sigmoid(), bonus: $1[5])
            },
            .init("matrixStateScan, bonus, decay of heads", with(perHead, base.map { [$0[0][2]] })) {
                scan($1, decay: $1[4].sigmoid(), bonus: $1[5])
            },
            .init("matrixStateScan, bonus, no decay", with(base.map { [$0[0][2]] })) { scan($1, bonus: $1[4]) },
        ]

        let sizes = [(2, 3, 4), (1, 1, 1), (2, 0, 3), (0, 2, 3), (1, 2, 17)]
        let sequence = sizes.map { [$0.0, $0.1, $0.2] }, row = sizes.map { [$0.0, $0.2] }, channels = sizes.map { [$0.2] }
        func shapes(_ all: [[Int]]...) -> [[[Int]]] { sizes.indices.map { i in all.map { $0[i] } } }
        @Sendable func complex(_ x: [Variable], _ i: Int) -> ComplexVariable { ComplexVariable(real: x[i], imaginary: x[i + 1]) }
        let diagonal: [Operation] = [
            .init("diagonalScan", shapes(sequence, sequence, row)) {
                let s = $1[0].diagonalScan(decay: $1[1], state: $1[2])
                return everything(s.output, s.state)
            },
            .init("diagonalScan, fixed decay", shapes(sequence, channels)) { $1[0].diagonalScan(decay: $1[1]).output },
            .init("diagonalScan, last state", shapes(sequence, sequence, row)) {
                $1[0].diagonalScan(decay: $1[1], state: $1[2]).state
            },
            .init("complexDiagonalScan", shapes(sequence, sequence, sequence, sequence, row, row)) {
                let s = complex($1, 0).diagonalScan(decay: complex($1, 2), state: complex($1, 4))
                return everything(s.output.real, s.output.imaginary, s.state.real, s.state.imaginary)
            },
            .init("complexDiagonalScan, fixed decay", shapes(sequence, sequence, channels, channels)) {
                let s = complex($1, 0).diagonalScan(decay: complex($1, 2))
                return everything(s.output.real, s.output.imaginary)
            },
            .init("complexDiagonalScan, real part", shapes(sequence, sequence, channels, channels)) {
                complex($1, 0).diagonalScan(decay: complex($1, 2)).output.real
            },
        ]

        let inputs = sizes.map { [$0.0, $0.1, 2] }, matrices = sizes.map { [$0.2, 2] }, states = sizes.map { [$0.0, $0.2, 2] }
        let selective: [Operation] = [
            .init("selectiveScan", shapes(sequence, sequence, matrices, inputs, inputs, channels, states), in: -1..<1) {
                let s = $1[0].selectiveScan(
                    delta: $1[1].softplus(), a: $1[2], b: $1[3], c: $1[4], skip: $1[5], state: $1[6])
                return everything(s.output, s.state)
            },
            .init("selectiveScan, no skip or state", shapes(sequence, sequence, matrices, inputs, inputs), in: -1..<1) {
                $1[0].selectiveScan(delta: $1[1].softplus(), a: $1[2], b: $1[3], c: $1[4]).output
            },
            .init("selectiveScan, steps", shapes(sequence, sequence, matrices, inputs, inputs, inputs, states), in: -1..<1) {
                let s = $1[0].selectiveScan(
                    delta: $1[1].softplus(), a: $1[2], b: $1[3], c: $1[4], step: $1[5].sigmoid(), state: $1[6])
                return everything(s.output, s.state)
            },
            .init(
                "contentSlotScan",
                [(2, 5, 3, 4), (1, 1, 1, 1), (2, 0, 3, 2), (0, 2, 3, 2), (1, 18, 6, 3)].map { (b: Int, t: Int, d: Int, n: Int) in
                    [[b, t, d], [b, t, n], [b, t], [b, t], [b, n, d], [b, n], [1], [1]]
                }
            ) {
                let s = $1[0].contentSlotScan(
                    routing: $1[1].sigmoid(), strength: $1[2].sigmoid(), forget: $1[3].sigmoid(), keys: $1[4],
                    usage: $1[5].sigmoid(), inverseTemperature: $1[6].exp(), threshold: $1[7])
                return everything(s.write, s.usage)
            },
            .init("wkvScan", shapes(sequence, sequence, channels, channels)) {
                $1[0].wkvScan(value: $1[1], decay: $1[2], bonus: $1[3]).output
            },
            .init("wkvScan, state", shapes(sequence, sequence, channels, channels, sizes.map { [$0.0, 3, $0.2] }), in: 0.3..<1.7)
            {
                let s = $1[0].wkvScan(value: $1[1], decay: -$1[2], bonus: $1[3], state: $1[4])
                return everything(s.output, s.state)
            },
        ]
        return matrix + pointers + keyMemory + diagonal + selective
    }()

    private static let pointers: [Operation] = {
        // Moves of a write head and of a read head, both heads at the start, and the match: with all states, and with some stepped
        // over.
        let shapes: [[[Int]]] = [(2, 3, 4), (1, 1, 1), (2, 0, 3), (0, 2, 3), (1, 6, 5)].map { b, t, states in
            [[b, t, 4], [b, t, 7], [b, states + 1], [b, states + 1], [b, t, states]]
        }
        let orders: [[[Int32]]?] = [nil, [[0, 1, 3]], [[0, 1, 3], [0]]]
        let sets: [[Tensor.PointerMove]] = [
            [.stay, .forward, .back, .home, .follow], [.find, .cycle, .home, .follow, .back, .forward, .stay], [.cycle, .stay],
            [.find, .forward],
        ]
        var all: [Operation] = []
        for order in orders {
            let fitting = shapes.filter { s in
                guard let order else { return true }
                return s[2][1] > 3 && (order.count == 1 || order.count == s[2][0])
            }
            for moves in sets {
                let isTargeted = moves.contains(.follow) || moves.contains(.cycle), finds = moves.contains(.find)
                let name = "pointerScan, \(moves.map(\.rawValue)), positions \(order?.description ?? "all")"
                all.append(
                    Operation(name, fitting) { _, x in
                        let a: Variable = x[0].softmax(), e: Variable = x[1].slice(axis: 2, 0..<moves.count).softmax()
                        let w = a.pointerScan([.stay, .forward, .back, .home], start: x[2].softmax(), order: order)
                        let match: Variable? = finds ? x[4].softmax() : nil
                        let r = e.pointerScan(
                            moves, start: x[3].softmax(), target: isTargeted ? w : nil, match: match, order: order)
                        return everything(w, r)
                    })
            }
        }
        return all
    }()
    private static let keyMemory: [Operation] = {
        // Queries, keys, write weights and start, for fewer tokens than a chunk and for several chunks.
        let shapes: [[[Int]]] = [(2, 3, 2, 4, 3), (1, 1, 1, 1, 1), (2, 0, 1, 3, 2), (0, 2, 1, 3, 2), (1, 35, 2, 3, 2)].map {
            b, t, h, d, n in [[b, t, h, d], [b, t, d], [b, t, n], [b, d, n]]
        }
        @Sendable func scan(_ x: [Variable]) -> (scores: Variable, end: Variable) {
            x[0].keyMemoryScan(keys: x[1], write: x[2].sigmoid(), start: x[3])
        }
        return [
            Operation("keyMemoryScan", shapes) { _, x in
                let result = scan(x)
                return everything(result.scores, result.end)
            },
            Operation("keyMemoryScan, scores", shapes) { _, x in scan(x).scores },
            Operation("keyMemoryScan, last keys", shapes) { _, x in scan(x).end },
        ]
    }()
}
