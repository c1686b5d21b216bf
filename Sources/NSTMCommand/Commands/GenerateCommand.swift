import ArgumentParser
import Foundation
import NSTM

struct GenerateCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "generate", abstract: "Continues a text.",
            discussion: """
                The same seed gives the same text.

                Example:
                  \(NSTMCommand.program) generate runs/tinyshakespeare-nstm --prompt "ROMEO:" --length 500 --seed 3
                """)
    }

    @Argument(help: checkpointHelp, transform: path) var checkpoint: String
    @Option(help: "What to continue (default: one token of the vocabulary, a line break if it has one).") var prompt: String?
    @Option(help: "Characters to add.") var length = 400
    @Option(help: "Below 1 bolder, above 1 more random; 0 always takes the most likely character.") var temperature = 0.8
    @Option(name: .customLong("top-k"), help: "Draws from the k most likely characters only.") var topK: Int?
    @Flag(
        name: .customLong("bf16-weights"),
        help: "Takes the weights of linear maps in bfloat16: faster, and off by up to 2⁻⁸ of each.") var bfloat16Weights = false
    @Option(help: "Chooses among the possible texts.") var seed = 1

    func validate() throws {
        if prompt?.isEmpty == true { throw ValidationError("--prompt needs at least one character") }
        if length < 0 { throw ValidationError("--length needs 0 or more") }
        if !(temperature >= 0 && temperature.isFinite) { throw ValidationError("--temperature needs a number of 0 or more") }
        if let topK, topK < 1 { throw ValidationError("--top-k needs 1 or more") }
        if seed < 0 { throw ValidationError("--seed needs 0 or more") }
    }

    func run() throws {
        let saved = try savedModel(checkpoint)
        NSTMCommand.complain("from \(saved.title)")
        guard let tokenizer = saved.tokenizer, case .nextToken = saved.data.target else {
            throw CommandError.notLanguage(path: saved.url.path, data: saved.data.name)
        }
        if let obstacle = saved.model.streamingLimitation {
            throw CommandError.notStreamable(path: saved.url.path, obstacle: obstacle)
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
