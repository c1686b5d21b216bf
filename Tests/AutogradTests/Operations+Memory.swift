import NSTMAutograd
import NSTMTensor

extension Operation {
    /// Addressing and writing of an external memory.
    static let memory: [Operation] = {
        // B, H, N, W.
        let sizes = [
            (2, 3, 5, 4), (1, 1, 1, 1), (2, 2, 7, 17), (0, 1, 3, 2), (1, 2, 33, 20), (1, 1, 33, 20), (2, 1, 18, 16), (1, 1, 3, 8),
        ]
        func shapes(_ make: (Int, Int, Int, Int) -> [[Int]]) -> [[[Int]]] { sizes.map { make($0.0, $0.1, $0.2, $0.3) } }
        return [
            .init("cosineSimilarity", shapes { [[$0, $1, $3], [$0, $2, $3]] }) { $1[0].cosineSimilarity(to: $1[1]) },
            .init("cosineSimilarity, mask", shapes { [[$0, $1, $3], [$0, $2, $3], [$0, $1, $3]] }, in: 0.2..<2) {
                $1[0].cosineSimilarity(to: $1[1], mask: $1[2])
            },
            .init("circularShift", shapes { b, h, n, _ in [[b, h, n], [b, h, 3]] }) { $1[0].circularShift($1[1]) },
            .init("circularShift, more offsets than rows", shapes { b, h, n, _ in [[b, h, n], [b, h, 9]] }) {
                $1[0].circularShift($1[1])
            },
            .init("sharpened", shapes { b, h, n, _ in [[b, h, n], [b, h]] }, in: 0.1..<1) { $1[0].sharpened($1[1].affine(3, 1)) },
            .init("erasedAndAdded", shapes { [[$0, $2, $3], [$0, $1, $2], [$0, $1, $3], [$0, $1, $3]] }) {
                $1[0].erasedAndAdded(weights: $1[1], erase: $1[2], add: $1[3])
            },
            .init(
                "erasedAndAdded, retention", shapes { [[$0, $2, $3], [$0, $1, $2], [$0, $1, $3], [$0, $1, $3], [$0, $2]] }
            ) {
                $1[0].erasedAndAdded(weights: $1[1], erase: $1[2], add: $1[3], retention: $1[4])
            },
            // The order of the usages is constant in between.
            .init("choice of allocationWeights", shapes { b, _, n, _ in [[b, n]] }, in: 0..<1) { $1[0].allocationWeights() },
            .init("temporalLinks", shapes { b, _, n, _ in [[b, n, n], [b, n], [b, n]] }) {
                $1[0].temporalLinks(weights: $1[1], precedence: $1[2])
            },
        ]
    }()
}
