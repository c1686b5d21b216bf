import ArgumentParser
import Foundation
import NSTM

struct GenerateCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "generate", abstract: "Generates text with a trained model.",
            discussion: """
                The text is a function of the model, the prompt and the seed.

                Example:
                  \(NSTMCommand.program) generate runs/tinyshakespeare-nstm --prompt "ROMEO:" --length 500 --seed 3
                """)
    }

    @Argument(help: checkpointHelp, transform: path) var checkpoint: String
    @Option(help: "Text to continue (default: a line break if it is in the vocabulary, otherwise one character).")
    var prompt: String?
    @Option(help: "Number of characters to generate.") var length = 400
    @Option(help: "Sampling temperature: logits are divided by it; 0 always selects the most likely character.")
    var temperature = 0.8
    @Option(name: .customLong("top-k"), help: "Samples only from the k most likely characters.") var topK: Int?
    @Flag(
        name: .customLong("bf16-weights"),
        help: "Uses the weights of linear maps in bfloat16: faster, with a relative error of each weight up to 2⁻⁸.")
    var bfloat16Weights = false
    @Option(help: "Random seed of the sampling.") var seed = 1

    func validate() throws {
        if prompt?.isEmpty == true { throw ValidationError("--prompt must have at least one character") }
        if length < 0 { throw ValidationError("--length must be 0 or more") }
        if !(temperature >= 0 && temperature.isFinite) { throw ValidationError("--temperature must be 0 or more") }
        if let topK, topK < 1 { throw ValidationError("--top-k must be 1 or more") }
        if seed < 0 { throw ValidationError("--seed must be 0 or more") }
    }

    func run() throws {
        let saved = try savedModel(checkpoint)
        NSTMCommand.printError("from \(saved.title)")
        guard let tokenizer = saved.tokenizer, case .nextToken = saved.data.target else {
            throw CommandError.notLanguage(path: saved.url.path, data: saved.data.name)
        }
        if let limitation = saved.model.streamingLimitation {
            throw CommandError.notStreamable(path: saved.url.path, limitation: limitation)
        }
        let prompt = prompt ?? tokenizer.defaultPrompt, start = try tokenizer.encode(prompt)
        Console.write(prompt)
        var generator = Generator(saved.model, temperature: temperature, topK: topK, seed: seed)
        if bfloat16Weights { generator.weights = BFloat16Weights(of: saved.model.parameters.all) }
        try generator.generate(after: start, count: length) { token in
            Console.write(Data(try tokenizer.utf8([token])))
            try NSTMCommand.checkOutput()
        }
        Console.write("\n")
    }
}
