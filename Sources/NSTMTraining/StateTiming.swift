import Foundation
import NSTMAutograd
import NSTMLayers
import NSTMTensor

/// How long the state part of a layer takes: writing and reading of all tokens, without projections and routing.
public struct StateTiming: Sendable {
    public static let rounds = 15
    /// Medians, in seconds.
    public let forward: Double
    public let backward: Double

    /// Random tokens, routed by the layer's own policy.
    public init(_ layer: NSTMLayer, batch: Int, length: Int) {
        let manager = layer.manager, width = manager.initialKeys.value.shape[1], dtype = manager.initialKeys.value.dtype
        let key = RandomKey(0).fold("timing")
        let x = Tensor.normal([batch, length, width], key: key.fold("x"), dtype: dtype)
        let qkv = Tensor.normal([batch, length, 3 * width], key: key.fold("qkv"), dtype: dtype)
        let still = ForwardContext(.evaluate)
        let routing = layer.router(still.constant(x), manager.activity(batch: batch, still), still).value
        var forwards: [Double] = [], backwards: [Double] = []
        // The first rounds warm up.
        for round in 0..<StateTiming.rounds + 3 {
            let context = ForwardContext(.evaluate, recording: true), activity = manager.activity(batch: batch, context)
            let states = manager.beginning(batch: batch, activity, context)
            let tokens = context.input(x), given = context.input(qkv), weights = context.input(routing)
            let start = DispatchTime.now().uptimeNanoseconds
            let reads = layer.propagator(
                tokens: tokens, qkv: given, routing: weights, states: states, readout: layer.attention.readout, position: 0,
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
}
