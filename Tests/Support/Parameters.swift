import NSTMModules
import NSTMTensor

/// Shifts all parameters away from their special initial values (ones, zeros, tiny router weights), where errors could hide.
public func shake(_ store: ParameterStore, seed: UInt64 = 1) {
    for p in store.all where p.isTrainable {
        let key = RandomKey(seed).fold("shake").fold(p.path), dtype = p.value.dtype
        if p.path.hasSuffix("gateLogits") {
            // Around 0, gates between closed and open are likely.
            p.value = .normal(p.value.shape, mean: 0.5, key: key, dtype: dtype)
        } else {
            p.value = p.value + .normal(p.value.shape, standardDeviation: 0.3, key: key, dtype: dtype)
        }
    }
}

/// Cuts float32 matrices to what bfloat16 holds exactly.
public func cutToBFloat16(_ parameters: ParameterStore) {
    for p in parameters.all where p.value.rank == 2 {
        let upper = p.value.elements(Float.self).map { Float(bitPattern: $0.bitPattern & 0xffff_0000) }
        p.value = Tensor(upper, p.value.shape)
    }
}
