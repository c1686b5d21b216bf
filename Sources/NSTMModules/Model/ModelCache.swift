import NSTMAutograd
import NSTMTensor

extension SequenceModel {
    /// The caches of all layers of a model, for streaming.
    ///
    /// A value type: a copy can be saved and resumed later.
    public struct Cache {
        /// One cache per block, in order.
        public var layers: [MixerCache]
        public init(layers: [MixerCache]) { self.layers = layers }
        /// Number of tokens processed so far.
        public var position: Int { layers.first?.position ?? 0 }
        /// Size of all variables, in bytes.
        public var byteCount: Int { layers.reduce(0) { $0 + $1.byteCount } }
        /// A copy through which no gradients flow.
        public var detached: Cache { Cache(layers: layers.map(\.detached)) }

        /// The whole cache as named tensors, for saving.
        public var tensors: [(path: String, tensor: Tensor)] {
            layers.enumerated().flatMap { i, layer in
                layer.names.map { ("layers.\(i).\($0)", layer[$0]!.value) }
                    + [
                        (
                            "layers.\(i).position",
                            Tensor([Int32(truncatingIfNeeded: layer.position & 0x7fff_ffff), Int32(layer.position >> 31)])
                        )
                    ]
            }
        }
        /// The cache from its `tensors`; nil when a name or a position is malformed.
        public init?(tensors: [(path: String, tensor: Tensor)]) {
            layers = []
            for (path, tensor) in tensors {
                let parts = path.split(separator: ".", maxSplits: 2)
                guard parts.count == 3, parts[0] == "layers", let i = Int(parts[1]), i == layers.count || i == layers.count - 1
                else {
                    return nil
                }
                if i == layers.count { layers.append(MixerCache()) }
                if parts[2] == "position" {
                    guard tensor.dtype == .int32, tensor.count == 2 else { return nil }
                    let p = tensor.elements(Int32.self)
                    layers[i].position = Int(p[0]) | Int(p[1]) << 31
                } else {
                    layers[i][String(parts[2])] = Variable(tensor)
                }
            }
        }
    }
}
