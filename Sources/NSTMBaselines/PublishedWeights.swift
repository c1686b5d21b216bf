import NSTMModules

/// A model whose weights others keep under names of their own, with the same shapes and meanings. `SequenceModel.load` takes such
/// files.
public protocol PublishedWeights: SequenceModel {
    /// What a parameter is called there.
    func publishedName(of path: String) -> String
    /// Names of a file that add nothing to the parameters: copies and constants.
    func isRedundant(_ name: String) -> Bool
}
extension PublishedWeights {
    public func isRedundant(_ name: String) -> Bool { false }
}

/// PyTorch's own: a language model of `Embedding` (`encoder`), `LSTM` or `GRU` (`rnn`) and `Linear` (`decoder`), as in its example
/// `word_language_model`.
extension LSTM: PublishedWeights {
    public func publishedName(of path: String) -> String { recurrentName(of: path) }
}
extension GRU: PublishedWeights {
    public func publishedName(of path: String) -> String { recurrentName(of: path) }
}
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

/// nanoGPT's (`bias=False`), which are those of Hugging Face's GPT-2 but for transposed maps and biases.
extension Transformer: PublishedWeights {
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
    /// The tied head once more, and the causal mask.
    public func isRedundant(_ name: String) -> Bool {
        name.hasSuffix(".attn.bias") || (name == "lm_head.weight" && parameters["head.weight"] == nil)
    }
    private static let published = [
        "norm1.gain": "ln_1.weight", "mixer.projection.weight": "attn.c_attn.weight", "mixer.output.weight": "attn.c_proj.weight",
        "norm2.gain": "ln_2.weight", "feedForward.up.weight": "mlp.c_fc.weight", "feedForward.down.weight": "mlp.c_proj.weight",
    ]
}
