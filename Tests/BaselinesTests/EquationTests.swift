import Foundation
import NSTMAutograd
import NSTMBaselines
import NSTMModules
import NSTMTensor
import Testing

/// Mixers against loops over single numbers, written from the papers' formulas.
@Suite struct EquationTests {
    typealias Rows = [[Double]]

    /// A mixer of a model with one block, its parameters, and what it makes of one sequence.
    private struct Subject {
        let model: SequenceModel
        let x: Rows
        private let prefix: String
        private let part: any SequenceMixer
        init(_ model: SequenceModel, length: Int = 7, second: Bool = false) {
            self.model = model
            for p in model.parameters.all {
                p.value =
                    p.value + .normal(p.value.shape, standardDeviation: 0.3, key: RandomKey(5).fold(p.path), dtype: .float64)
            }
            part = second ? model.blocks[0].feedForward! : model.blocks[0].mixer
            prefix = second ? "blocks.0.feedForward." : "blocks.0.mixer."
            let width = model.shape.width, flat = random([length, width], "x").doubles()
            x = (0..<length).map { Array(flat[$0 * width..<($0 + 1) * width]) }
        }
        func callAsFunction(_ name: String) throws -> [Double] {
            try #require(model.parameters[prefix + name], "\(name)").value.doubles()
        }
        /// Compares with rows of the same sequence.
        func expect(_ rows: Rows) {
            var none: MixerCache?
            let width = model.shape.width, input = Tensor(x.flatMap { $0 }, [1, x.count, width])
            let y = part(Variable(input), &none, ForwardContext(.evaluate)).value
            #expect(difference(y, Tensor(rows.flatMap { $0 }, [1, x.count, width])) <= 1e-9)
        }
    }
    private func shape(hidden: Int = 0) -> ModelConfiguration {
        var s = ModelConfiguration(input: .tokens(vocabulary: 5), output: .nextToken(vocabulary: 5))
        s.width = 4
        s.layers = 1
        s.heads = 2
        s.hidden = hidden
        return s
    }
    private var builder: ParameterBuilder { ParameterBuilder(seed: 3, dtype: .float64) }

    private func map(_ x: [Double], _ w: [Double], _ b: [Double]? = nil) -> [Double] {
        (0..<w.count / x.count).map { (o: Int) -> Double in
            var sum: Double = b?[o] ?? 0
            for i in x.indices { sum += w[o * x.count + i] * x[i] }
            return sum
        }
    }
    private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    private func silu(_ x: Double) -> Double { x * sigmoid(x) }
    private func softplus(_ x: Double) -> Double { log1p(exp(x)) }
    private func gelu(_ x: Double) -> Double { 0.5 * x * (1 + erf(x / 2.0.squareRoot())) }
    /// Weights [width, channels], the last at the token itself.
    private func convolution(_ x: Rows, _ w: [Double], _ b: [Double]) -> Rows {
        let channels = b.count, width = w.count / channels
        return x.indices.map { t in
            (0..<channels).map { (c: Int) -> Double in
                var sum: Double = b[c]
                for j in 0..<width where t - width + 1 + j >= 0 { sum += w[j * channels + c] * x[t - width + 1 + j][c] }
                return sum
            }
        }
    }
    private func glu(_ x: [Double], _ w: [Double], _ b: [Double]) -> [Double] {
        let y = map(x.map(gelu), w, b), n = y.count / 2
        return (0..<n).map { y[$0] * sigmoid(y[n + $0]) }
    }
    /// The token before each.
    private func previous(_ x: Rows, _ t: Int) -> [Double] { t == 0 ? x[0].map { _ in 0 } : x[t - 1] }

    @Test func linearAttention() throws {
        let s = Subject(LinearTransformer(builder, shape(hidden: 4))), projection = try s("projection.weight"), d = 2
        let qkv = s.x.map { map($0, projection) }
        func phi(_ x: Double) -> Double { x > 0 ? x + 1 : exp(x) }
        let output = try s("output.weight")
        s.expect(
            qkv.indices.map { t in
                var o = [Double](repeating: 0, count: 4)
                for h in 0..<2 {
                    // The sum over pairs, without the recurrence.
                    let weights = (0...t).map { i in
                        (0..<d).reduce(0) { $0 + phi(qkv[t][h * d + $1]) * phi(qkv[i][4 + h * d + $1]) }
                    }
                    for c in 0..<d {
                        let sum = (0...t).reduce(0) { $0 + weights[$1] * qkv[$1][8 + h * d + c] }
                        o[h * d + c] = sum / (weights.reduce(0, +) + 1e-6)
                    }
                }
                return map(o, output)
            })
    }

    @Test func mamba() throws {
        let N = 3, D = 8, s = Subject(Mamba(builder, shape(), states: N)), projection = try s("projection.weight")
        let xz = s.x.map { map($0, projection) }
        let x = convolution(xz.map { Array($0[..<D]) }, try s("convolution.weight"), try s("convolution.bias")).map {
            $0.map(silu)
        }
        let selection = try s("selection.weight"), step = try s("step.weight"), stepBias = try s("step.bias")
        let a = try s("logDecay").map { -exp($0) }, skip = try s("skip"), output = try s("output.weight")
        var h = [Double](repeating: 0, count: D * N)
        s.expect(
            x.indices.map { t in
                // Rank 1, then B, then C.
                let selected = map(x[t], selection), delta = map([selected[0]], step, stepBias).map(softplus)
                let y = (0..<D).map { c in
                    var y = skip[c] * x[t][c]
                    for n in 0..<N {
                        h[c * N + n] = exp(delta[c] * a[c * N + n]) * h[c * N + n] + delta[c] * x[t][c] * selected[1 + n]
                        y += selected[1 + N + n] * h[c * N + n]
                    }
                    return y * silu(xz[t][D + c])
                }
                return map(y, output)
            })
    }

    @Test func mamba2() throws {
        let N = 3, D = 8, P = 4, s = Subject(Mamba2(builder, shape(), states: N, headWidth: P))
        let projection = try s("projection.weight"), all = s.x.map { map($0, projection) }
        let mixed = convolution(
            all.map { Array($0[D..<2 * D + 2 * N]) }, try s("convolution.weight"), try s("convolution.bias")
        ).map { $0.map(silu) }
        let stepBias = try s("step.bias"), a = try s("logDecay").map { -exp($0) }, skip = try s("skip")
        let gain = try s("norm.gain"), output = try s("output.weight")
        var state = [Double](repeating: 0, count: D * N)
        s.expect(
            all.indices.map { t in
                var y = (0..<D).map { c -> Double in
                    let h = c / P, delta = softplus(all[t][2 * D + 2 * N + h] + stepBias[h])
                    var y = skip[h] * mixed[t][c]
                    for n in 0..<N {
                        state[c * N + n] =
                            exp(delta * a[h]) * state[c * N + n] + delta * mixed[t][D + n] * mixed[t][c]
                        y += mixed[t][D + N + n] * state[c * N + n]
                    }
                    return y * silu(all[t][c])
                }
                let size = (y.reduce(0) { $0 + $1 * $1 } / Double(D) + 1e-5).squareRoot()
                y = y.indices.map { y[$0] / size * gain[$0] }
                return map(y, output)
            })
    }

    private struct Complex {
        var re: Double, im: Double
        static func + (a: Complex, b: Complex) -> Complex { Complex(re: a.re + b.re, im: a.im + b.im) }
        static func * (a: Complex, b: Complex) -> Complex {
            Complex(re: a.re * b.re - a.im * b.im, im: a.re * b.im + a.im * b.re)
        }
        static func / (a: Complex, b: Complex) -> Complex {
            let q = b.re * b.re + b.im * b.im, c = a * Complex(re: b.re, im: -b.im)
            return Complex(re: c.re / q, im: c.im / q)
        }
        var exponential: Complex { Complex(re: exp(re) * cos(im), im: exp(re) * sin(im)) }
    }

    /// As a recurrence, while a whole sequence runs as a convolution.
    @Test func s4d() throws {
        let n = 3, s = Subject(S4D(builder, shape(), states: 2 * n))
        let step = try s("logStep").map { exp($0) }, decay = try s("logDecay"), frequency = try s("frequency")
        let cRe = try s("output.real"), cIm = try s("output.imaginary"), skip = try s("skip")
        let w = try s("glu.weight"), b = try s("glu.bias")
        var h = [Complex](repeating: Complex(re: 0, im: 0), count: 4 * n)
        s.expect(
            s.x.map { x in
                let y = (0..<4).map { c -> Double in
                    var y = skip[c] * x[c]
                    for i in c * n..<(c + 1) * n {
                        let a = Complex(re: -exp(decay[i]), im: frequency[i])
                        let bar = (a * Complex(re: step[c], im: 0)).exponential
                        h[i] = bar * h[i] + (bar + Complex(re: -1, im: 0)) / a * Complex(re: x[c], im: 0)
                        y += 2 * (cRe[i] * h[i].re - cIm[i] * h[i].im)
                    }
                    return y
                }
                return glu(y, w, b)
            })
    }

    @Test func lru() throws {
        let n = 5, s = Subject(LRU(builder, shape(), states: n)), nu = try s("logDecay"), theta = try s("logPhase")
        let scale = try s("logScale").map { exp($0) }, input = try s("input"), output = try s("output"), skip = try s("skip")
        let w = try s("glu.weight"), b = try s("glu.bias")
        var h = [Complex](repeating: Complex(re: 0, im: 0), count: n)
        s.expect(
            s.x.map { x in
                let driven = map(x, input)
                for i in 0..<n {
                    let lambda = Complex(re: -exp(nu[i]), im: exp(theta[i])).exponential
                    h[i] = lambda * h[i] + Complex(re: scale[i] * driven[i], im: scale[i] * driven[n + i])
                }
                let y = (0..<4).map { c in
                    (0..<n).reduce(skip[c] * x[c]) { sum, i in
                        // C = Re C + i Im C, of which −Im C is stored.
                        let weight = Complex(re: output[c * 2 * n + i], im: -output[c * 2 * n + n + i])
                        return sum + (weight * h[i]).re
                    }
                }
                return glu(y, w, b)
            })
    }

    @Test func rwkv() throws {
        let s = Subject(RWKV(builder, shape(hidden: 6)))
        let mixes = try ["key", "value", "receptance"].map { try s("mix.\($0)") }
        let maps = try ["key", "value", "receptance"].map { try s("\($0).weight") }
        let w = try s("decay").map { -exp($0) }, u = try s("bonus"), output = try s("output.weight")
        let kvr = s.x.indices.map { t in
            (0..<3).map { j in
                let last = previous(s.x, t)
                return map((0..<4).map { mixes[j][$0] * s.x[t][$0] + (1 - mixes[j][$0]) * last[$0] }, maps[j])
            }
        }
        s.expect(
            kvr.indices.map { t in
                let y = (0..<4).map { c -> Double in
                    var top = exp(u[c] + kvr[t][0][c]) * kvr[t][1][c], bottom = exp(u[c] + kvr[t][0][c])
                    for i in 0..<t {
                        let weight = exp(Double(t - 1 - i) * w[c] + kvr[i][0][c])
                        top += weight * kvr[i][1][c]
                        bottom += weight
                    }
                    return sigmoid(kvr[t][2][c]) * top / bottom
                }
                return map(y, output)
            })
    }
    /// In both versions; the later one counts from the token itself.
    @Test(arguments: [false, true]) func rwkvChannels(_ later: Bool) throws {
        let s = Subject(later ? RWKV6(builder, shape(hidden: 6)) : RWKV(builder, shape(hidden: 6)), second: true)
        let mixes = try ["key", "receptance"].map { try s("mix.\($0)").map { later ? 1 - $0 : $0 } }
        let key = try s("key.weight"), value = try s("value.weight"), receptance = try s("receptance.weight")
        s.expect(
            s.x.indices.map { t in
                let last = previous(s.x, t)
                func mixed(_ j: Int) -> [Double] { (0..<4).map { mixes[j][$0] * s.x[t][$0] + (1 - mixes[j][$0]) * last[$0] } }
                let k = map(mixed(0), key).map { max($0, 0) * max($0, 0) }, r = map(mixed(1), receptance).map(sigmoid)
                let v = map(k, value)
                return (0..<4).map { r[$0] * v[$0] }
            })
    }

    @Test func rwkv6() throws {
        let s = Subject(RWKV6(builder, shape(hidden: 6), mixRank: 2, decayRank: 3)), d = 2
        let names = ["decay", "key", "value", "receptance", "gate"]
        let first = try s("mix"), down = try s("mix.down"), bases = try names.map { try s("mix.\($0)") }
        let ups = try names.map { try s("mix.\($0).up") }, maps = try names.dropFirst().map { try s("\($0).weight") }
        let decay = try s("decay"), decayDown = try s("decay.down"), decayUp = try s("decay.up"), u = try s("bonus")
        let gain = try s("norm.gain"), bias = try s("norm.bias"), output = try s("output.weight")
        var state = [Double](repeating: 0, count: 2 * d * d)
        s.expect(
            s.x.indices.map { t in
                let x = s.x[t], away = zip(previous(s.x, t), x).map { $0 - $1 }
                let low = map((0..<4).map { x[$0] + away[$0] * first[$0] }, down).map { tanh($0) }
                let mixed = (0..<5).map { j in
                    let move = map(Array(low[2 * j..<2 * j + 2]), ups[j], bases[j])
                    return (0..<4).map { x[$0] + away[$0] * move[$0] }
                }
                let w = map(map(mixed[0], decayDown).map { tanh($0) }, decayUp, decay).map { exp(-exp($0)) }
                let k = map(mixed[1], maps[0]), v = map(mixed[2], maps[1]), r = map(mixed[3], maps[2])
                let g = map(mixed[4], maps[3]).map(silu)
                var o = [Double](repeating: 0, count: 4)
                for h in 0..<2 {
                    for i in 0..<d {
                        for j in 0..<d {
                            let at = (h * d + i) * d + j, kv = k[h * d + i] * v[h * d + j]
                            o[h * d + j] += r[h * d + i] * (state[at] + u[h * d + i] * kv)
                            state[at] = w[h * d + i] * state[at] + kv
                        }
                    }
                    let group = o[h * d..<(h + 1) * d], mean = group.reduce(0, +) / Double(d)
                    let variance = group.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(d)
                    for c in h * d..<(h + 1) * d { o[c] = (o[c] - mean) / (variance + 64e-5).squareRoot() * gain[c] + bias[c] }
                }
                return map((0..<4).map { o[$0] * g[$0] }, output)
            })
    }

    @Test func hyena() throws {
        let L = 9, s = Subject(Hyena(builder, shape(hidden: 4), filter: Hyena.Filter.Shape(length: L)))
        let projection = try s("projection.weight")
        let projectionBias = try s("projection.bias"), skip = try s("skip"), frequency = try s("filter.frequency")
        let parts = convolution(
            s.x.map { map($0, projection, projectionBias) }, try s("convolution.weight"), try s("convolution.bias"))
        let weights = try (0..<4).map { try s("filter.maps.\($0).weight") }
        let biases = try (0..<3).map { try s("filter.maps.\($0).bias") }
        let filter = (0..<L).map { t -> [Double] in
            let position = Double(t) / Double(L - 1)
            let angles = (0..<16).map { i -> Double in
                2 * .pi * Double(t) / Double(L) * (1e-4 + Double(i) * (15 - 1e-4) / 15)
            }
            var z = [position] + angles.map { cos($0) } + angles.map { -sin($0) }
            for i in 0..<3 { z = zip(map(z, weights[i], biases[i]), frequency).map { sin($0 * $1) } }
            z = map(z, weights[3])
            return (0..<4).map { c in
                let rate = log(0.01) / 1.5 + (log(0.01) / 0.3 - log(0.01) / 1.5) * Double(c) / 3
                return z[c] * exp(position * rate)
            }
        }
        let output = try s("output.weight"), outputBias = try s("output.bias")
        s.expect(
            parts.indices.map { t in
                let y = (0..<4).map { c -> Double in
                    func driven(_ i: Int) -> Double { parts[i][4 + c] * parts[i][8 + c] }
                    return parts[t][c] * (0...t).reduce(skip[c] * driven(t)) { $0 + filter[t - $1][c] * driven($1) }
                }
                return map(y, output, outputBias)
            })
    }

    @Test func minGRU() throws {
        let s = Subject(MinGRU(builder, shape(hidden: 4), expansion: 2))
        let gates = try s("gates.weight"), bias = try s("gates.bias")
        let u = convolution(s.x, try s("convolution.weight"), try s("convolution.bias")), output = try s("output.weight")
        var h = [Double](repeating: 0, count: 8)
        s.expect(
            u.map { row in
                let g = map(row, gates, bias)
                for c in 0..<8 { h[c] += sigmoid(g[c]) * (g[8 + c] - h[c]) }
                return map(h, output)
            })
    }

    /// Products of rotated queries and keys depend on distances only, and position 0 has no rotation.
    @Test func rotaryPositions() {
        let q = random([1, 1, 8], "q"), k = random([1, 1, 8], "k")
        func product(_ i: Int, _ j: Int) -> [Double] {
            let a = Variable(q).rotated(heads: 2, position: i).value, b = Variable(k).rotated(heads: 2, position: j).value
            return (a * b).reshaped([2, 4]).sum(axes: [1]).doubles()
        }
        #expect(same(Variable(q).rotated(heads: 2, position: 0).value, q))
        for (i, j) in [(3, 1), (40, 38), (1002, 1000)] {
            #expect(zip(product(i, j), product(2, 0)).allSatisfy { abs($0 - $1) < 1e-10 })
        }
        #expect(zip(product(3, 0), product(2, 0)).contains { abs($0 - $1) > 1e-3 })
        // The pair of channels 0 and 2 of a head of 4 is rotated by the position in radians; channels 1 and 3 by a hundredth of
        // it.
        let rotated = Variable(q).rotated(heads: 2, position: 5).value.doubles(), old = q.doubles()
        #expect(abs(rotated[0] - (old[0] * cos(5) - old[2] * sin(5))) < 1e-12)
        #expect(abs(rotated[3] - (old[1] * sin(0.05) + old[3] * cos(0.05))) < 1e-12)
    }
}
