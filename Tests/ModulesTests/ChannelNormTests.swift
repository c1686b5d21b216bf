import NSTMAutograd
import NSTMModules
import NSTMTensor
import Testing

@Suite struct ChannelNormTests {
    /// Values of one channel of [batch, channels, size].
    private func channel(_ x: Tensor, _ c: Int) -> [Double] { x.select(axis: 1, c).doubles() }

    @Test func runningStatistics() {
        let builder = ParameterBuilder(seed: 1, dtype: .float64),
            norm = BatchNorm(builder.child("norm"), channels: 3, momentum: 0.25)
        #expect(builder.store.all.map(\.path) == ["norm.gain", "norm.bias", "norm.running.mean", "norm.running.variance"])
        #expect(builder.store.all.map(\.isTrainable) == [true, true, false, false] && builder.store.trainableCount == 6)
        var mean = [0.0, 0, 0], variance = [1.0, 1, 1]
        for step in 0..<3 {
            let x = Tensor.normal([4, 3, 5], mean: 2, standardDeviation: 3, key: RandomKey(UInt64(step)), dtype: .float64)
            let context = ForwardContext(.train), y = norm(context.constant(x), context)
            for c in 0..<3 {
                let v = channel(x, c), m = v.reduce(0, +) / 20, squares = v.reduce(0) { $0 + ($1 - m) * ($1 - m) }
                mean[c] += 0.25 * (m - mean[c])
                variance[c] += 0.25 * (squares / 19 - variance[c])
                let expected = v.map { ($0 - m) / (squares / 20 + 1e-5).squareRoot() }
                #expect(zip(channel(y.value, c), expected).allSatisfy { abs($0 - $1) < 1e-12 })
            }
        }
        #expect(
            zip(norm.runningMean.value.doubles() + norm.runningVariance.value.doubles(), mean + variance).allSatisfy {
                abs($0 - $1) < 1e-12
            })

        // Evaluation uses them, and leaves them.
        let x = Tensor.normal([2, 3, 1], key: RandomKey(9), dtype: .float64), context = ForwardContext(.evaluate)
        let y = norm(context.constant(x), context).value
        for c in 0..<3 {
            let expected = channel(x, c).map { ($0 - mean[c]) / (variance[c] + 1e-5).squareRoot() }
            #expect(zip(channel(y, c), expected).allSatisfy { abs($0 - $1) < 1e-12 })
        }
        #expect(zip(norm.runningMean.value.doubles(), mean).allSatisfy { abs($0 - $1) < 1e-12 })
    }

    @Test func gradientsReachGainAndBiasOnly() {
        let builder = ParameterBuilder(seed: 1), norm = BatchNorm(builder, channels: 2),
            group = GroupNorm(builder.child("g"), groups: 1, channels: 2)
        let context = ForwardContext(.train), x = Tensor.normal([3, 2, 4], key: RandomKey(2))
        let gradients = group(norm(context.constant(x), context), context).squared().sum().backward()
        #expect(gradients.paths == ["gain", "bias", "g.gain", "g.bias"])
    }

    /// With one group a channel is normalized with all others of its example: LayerNorm over [channels, ...].
    @Test func oneGroupIsLayerNorm() {
        let builder = ParameterBuilder(seed: 1, dtype: .float64), norm = GroupNorm(builder, groups: 1, channels: 4)
        let context = ForwardContext(.evaluate), x = Tensor.normal([3, 4, 5], key: RandomKey(2), dtype: .float64)
        let y = norm(context.constant(x), context).value
        let expected = Variable(x.reshaped([3, 20])).layerNorm(gain: nil).value
        #expect(zip(y.doubles(), expected.doubles()).allSatisfy { abs($0 - $1) < 1e-14 })
    }
}
