import NSTMBaselines
import NSTMIO
import NSTMModules

extension PublishedWeights {
    /// Loads the weights of another framework, such as a `state_dict` of PyTorch, from a safetensors file.
    ///
    /// float32 and float64 are converted to the type of the model's parameters.
    /// - Throws: `CheckpointError.tensorMismatch` with every missing, unexpected and different tensor, by the names in the file;
    ///   then the model is unchanged.
    package func load(_ weights: SafetensorsFile) throws(CheckpointError) {
        let all = parameters.all
        var archive = CheckpointArchive()
        archive.append(
            weights.tensors.filter { !isRedundant($0.path) }.map { name, tensor in
                let type = all.first?.value.dtype ?? tensor.dtype
                let isReal = tensor.dtype == .float32 || tensor.dtype == .float64
                return (name, isReal && tensor.dtype != type ? tensor.cast(to: type) : tensor)
            }, under: "weights")
        let values = try archive.tensors(
            under: "weights", matching: all.map { (publishedName(of: $0.path), $0.value.shape, $0.value.dtype) })
        for (parameter, value) in zip(all, values) { parameter.value = value }
    }
}
