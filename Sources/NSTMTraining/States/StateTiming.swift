import Foundation
import NSTMAutograd
import NSTMLayers
import NSTMTensor

/// The duration of the state updates and reads of a layer, without projections and routing.
package struct StateTiming: Sendable {
    /// Number of measured rounds.
    package static let rounds = 15
    /// Median duration of the forward pass, in seconds.
    package let forward: Double
    /// Median duration of the backward pass, in seconds.
    package let backward: Double

    /// Measures a layer on random tokens, which its policy routes.
    /// - Parameters:
    ///   - layer: the layer.
    ///   - batch: number of sequences.
    ///   - length: number of tokens of a sequence.
    ///   - used: number of states that each sequence uses, selected at random from the active ones; nil for all.
    package init(_ layer: NSTMLayer, batch: Int, length: Int, used: Int? = nil) {
        let manager = layer.manager, width = manager.initialKeys.value.shape[1], dtype = manager.initialKeys.value.dtype
        let key = RandomKey(0).fold("timing")
        let x = Tensor.normal([batch, length, width], key: key.fold("x"), dtype: dtype)
        let qkv = Tensor.normal([batch, length, 3 * width], key: key.fold("qkv"), dtype: dtype)
        let own = used.map { StateTiming.draw($0, batch, manager, key.fold("used")).cast(to: dtype) }
        func activity(_ context: ForwardContext) -> StateActivity {
            let all = manager.activity(batch: batch, context)
            return own.map { all.restricted(to: $0, context) } ?? all
        }
        let still = ForwardContext(.evaluate)
        let routing = layer.router.route(still.constant(x), activity(still), position: 0, carried: nil, still)
        var forwards: [Double] = [], backwards: [Double] = []
        // The first rounds are a warm-up.
        for round in 0..<StateTiming.rounds + 3 {
            let context = ForwardContext(.evaluate, recording: true), present = activity(context)
            let states = layer.initialState(batch: batch, present, context)
            let tokens = context.input(x), given = context.input(qkv)
            let routed = Routing(
                weights: context.input(routing.weights.value), reads: routing.reads.map { context.input($0.value) })
            let start = DispatchTime.now().uptimeNanoseconds
            let reads = layer.propagator(
                tokens: tokens, qkv: given, routing: routed, states: states, readout: layer.attention.readout, position: 0,
                context
            ).reads
            let middle = DispatchTime.now().uptimeNanoseconds
            _ = reads.sum().backward()
            let end = DispatchTime.now().uptimeNanoseconds
            guard round >= 3 else { continue }
            forwards.append(Double(middle - start) * 1e-9)
            backwards.append(Double(end - middle) * 1e-9)
        }
        forward = forwards.sorted()[forwards.count / 2]
        backward = backwards.sorted()[backwards.count / 2]
    }
    /// A mask [B, N] with 1 for `count` randomly selected active states per sequence.
    private static func draw(_ count: Int, _ batch: Int, _ manager: StateManager, _ key: RandomKey) -> Tensor {
        let active = manager.active, indices = active.indices.filter { active[$0] }
        var flags = Array(repeating: 0.0, count: batch * active.count)
        for b in 0..<batch {
            for i in key.fold(b).permutation(indices.count).prefix(count) { flags[b * active.count + indices[i]] = 1 }
        }
        return Tensor(flags, [batch, active.count])
    }
}
