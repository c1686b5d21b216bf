import NSTMModules

/// A model that can load weights of another framework, which have the same shapes and meanings under other names.
///
/// `SequenceModel.load` accepts such files.
package protocol PublishedWeights: SequenceModel {
    /// The name of a parameter in such files.
    func publishedName(of path: String) -> String
    /// Whether a tensor of such a file is ignored because it is a copy of another or a constant; false by default.
    func isRedundant(_ name: String) -> Bool
}
extension PublishedWeights {
    /// false: no tensor is redundant.
    package func isRedundant(_ name: String) -> Bool { false }
}

extension LSTM: PublishedWeights {
    /// The name in PyTorch's example `word_language_model`: `encoder`, `rnn` or `decoder`, and the name in that module.
    public func publishedName(of path: String) -> String { recurrentName(of: path) }
}
extension GRU: PublishedWeights {
    /// The name in PyTorch's example `word_language_model`: `encoder`, `rnn` or `decoder`, and the name in that module.
    public func publishedName(of path: String) -> String { recurrentName(of: path) }
}
/// Names of a PyTorch model with an `Embedding` (`encoder`), an `LSTM` or `GRU` (`rnn`) and a `Linear` (`decoder`).
private func recurrentName(of path: String) -> String {
    let parts = path.split(separator: ".").map(String.init)
    switch parts.first {
    case "embedding": return "encoder.\(parts[1])"
    case "head": return "decoder.\(parts[1])"
    // blocks.<layer>.mixer.<input or recurrent>.<weight or bias>
    case "blocks": return "rnn.\(parts[4])_\(parts[3] == "input" ? "ih" : "hh")_l\(parts[1])"
    default: return path
    }
}

extension Transformer: PublishedWeights {
    /// The name in nanoGPT (`bias=False`).
    ///
    /// Hugging Face's GPT-2 has the same names, but transposed maps and biases.
    public func publishedName(of path: String) -> String {
        let parts = path.split(separator: ".", maxSplits: 2).map(String.init)
        switch parts[0] {
        case "embedding": return "transformer.wte.weight"
        case "positions": return "transformer.wpe.weight"
        case "norm": return "transformer.ln_f.weight"
        case "head": return "lm_head.\(parts[1])"
        case "blocks": return "transformer.h.\(parts[1]).\(Transformer.published[parts[2]] ?? parts[2])"
        default: return path
        }
    }
    /// Whether a tensor is the causal mask or the copy of the embedding for a tied head.
    public func isRedundant(_ name: String) -> Bool {
        name.hasSuffix(".attn.bias") || (name == "lm_head.weight" && parameters["head.weight"] == nil)
    }
    private static let published = [
        "norm1.gain": "ln_1.weight", "mixer.projection.weight": "attn.c_attn.weight", "mixer.output.weight": "attn.c_proj.weight",
        "norm2.gain": "ln_2.weight", "feedForward.up.weight": "mlp.c_fc.weight", "feedForward.down.weight": "mlp.c_proj.weight",
    ]
}
