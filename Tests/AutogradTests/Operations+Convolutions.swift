import NSTMAutograd
import NSTMTensor

extension Operation {
    static let convolutions: [Operation] = {
        let sequences: [[[Int]]] = [
            [[2, 4, 7], [6, 2, 3], [6]], [[1, 2, 5], [2, 1, 1], [2]], [[1, 4, 4], [4, 2, 2], [4]], [[0, 4, 5], [4, 2, 3], [4]],
        ]
        let planes: [[[Int]]] = [
            [[2, 3, 5, 6], [4, 3, 3, 2], [4]], [[1, 1, 4, 3], [1, 1, 1, 3], [1]], [[2, 1, 3, 3], [2, 1, 3, 3], [2]],
            [[0, 2, 4, 4], [3, 2, 2, 2], [3]],
        ]
        let depthwise: [[[Int]]] = [[[2, 3, 5, 4], [3, 1, 3, 3], [3]], [[1, 2, 3, 3], [2, 1, 1, 2], [2]]]
        let withoutBias = { (s: [[[Int]]]) in s.map { Array($0.prefix(2)) } }
        return [
            .init("conv1d", withoutBias(sequences)) { $1[0].conv1d($1[1], groups: 2) },
            .init("conv1d, causal", sequences) { $1[0].conv1d($1[1], bias: $1[2], padding: .causal, dilation: 2, groups: 2) },
            .init("conv1d, strided", sequences) { $1[0].conv1d($1[1], bias: $1[2], stride: 3, padding: 2, groups: 2) },
            .init("conv2d", withoutBias(planes)) { $1[0].conv2d($1[1]) },
            .init("conv2d, bias", planes) { $1[0].conv2d($1[1], bias: $1[2], padding: [1, 2]) },
            .init("conv2d, strided", planes) { $1[0].conv2d($1[1], bias: $1[2], stride: [2, 3], padding: 1) },
            .init("conv2d, dilated", planes) { $1[0].conv2d($1[1], bias: $1[2], stride: [1, 2], padding: 2, dilation: [2, 3]) },
            .init("conv2d, depthwise", depthwise) {
                $1[0].conv2d($1[1], bias: $1[2], stride: [1, 2], padding: 1, groups: $1[0].shape[1])
            },
        ]
    }()

    static let pooling: [Operation] = {
        let planes: [[[Int]]] = [[[2, 2, 5, 6]], [[1, 1, 3, 3]], [[2, 1, 4, 3]], [[0, 2, 4, 4]]]
        let sequences: [[[Int]]] = [[[2, 3, 7]], [[1, 1, 3]], [[0, 2, 5]]]
        return [
            .init("averagePool2d", planes) { $1[0].averagePool2d([2, 3], padding: [1, 1]) },
            .init("averagePool2d, padding not counted", planes) {
                $1[0].averagePool2d(3, stride: [1, 2], padding: 1, countsPadding: false)
            },
            .init("averagePool1d", sequences) { $1[0].averagePool1d(2, stride: 1, padding: 1) },
            .init("adaptiveAveragePool2d", planes) { $1[0].adaptiveAveragePool2d([2, 3]) },
            .init("adaptiveAveragePool2d, mean", planes) { $1[0].adaptiveAveragePool2d(1) },
            // Repeated elements are ties, at which the largest has no derivative: a constant keeps them apart.
            .init("maxPool2d", planes) { $1[0].apart().maxPool2d(2, stride: [1, 2], padding: 1) },
            .init("maxPool1d", sequences) { $1[0].apart().maxPool1d(3, stride: 2, padding: 1) },
        ]
    }()

    static let longConvolution: [Operation] = [
        .init(
            "longConvolution",
            [
                [[2, 6, 3], [6, 3]], [[3, 5, 2], [2, 2]], [[1, 1, 1], [1, 1]], [[1, 4, 9], [7, 9]], [[0, 3, 2], [3, 2]],
                [[2, 3, 2], [0, 2]],
            ]
        ) { $1[0].longConvolution($1[1]) }
    ]
}

extension Variable {
    /// Every element moved by a number of its own.
    fileprivate func apart() -> Variable {
        self + Variable(Tensor((0..<shape.count).map { Double($0 * 37 % 101) * 0.217 }, shape).cast(to: dtype))
    }
}
