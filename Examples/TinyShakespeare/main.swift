// Trains a small character model with explicit states on Tiny Shakespeare, and lets it write.
//
//     swift run -c release TinyShakespeare [--data FOLDER] [--steps 2000]
//
// The text is downloaded once unless --data or NSTM_DATA names a folder that has it.
import Foundation
import NSTM

Console.prepare()
func say(_ text: String) { Console.write(text) }
func option(_ name: String) -> String? {
    let arguments = CommandLine.arguments
    return arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
}
guard let steps = Int(option("--steps") ?? "2000"), steps > 0 else { fatalError("--steps needs a number above 0") }

do {
    // 1. Data: one token a character; a training batch is a function of the step, so nothing has to be shuffled or saved.
    let file = try DatasetFolder(option("--data")).resolve(.tinyShakespeare, progress: DownloadReporter().progress)
    let text = try TextDataset(contentsOf: file.url, name: "tinyshakespeare", context: 64)
    let vocabulary = text.tokenizer.vocabulary

    // 2. A model: four layers, each with 32 states of its own. A router sends every token to four of them, a rule changes these,
    //    and the token reads all states by content.
    var shape = ModelConfiguration(input: .tokens(vocabulary: vocabulary), output: .nextToken(vocabulary: vocabulary))
    shape.hidden = 160
    let model = NSTMModel(ParameterBuilder(seed: 1), shape, states: 32, router: .topK(4), update: .gatedSlots)
    say("\(model.parameters.trainableCount) parameters, \(model.initialState(batch: 1).byteCount) bytes of state\n")

    // 3. Training, with progress, evaluation and checkpoints.
    var settings = TrainingSettings()
    settings.steps = steps
    settings.schedule = .cosine(learningRate: 1e-3, minLearningRate: 1e-4, warmup: min(100, steps / 10), steps: steps)
    let trainer = Trainer(
        model: model, dataset: text, settings: settings, folder: URL(fileURLWithPath: "runs/example-tinyshakespeare"))
    trainer.tokenizer = text.tokenizer
    trainer.overwrites = true
    let reporter = ProgressReporter()
    trainer.onEvent = { reporter($0) }
    Interrupt.install()
    trainer.shouldStop = { Interrupt.isRequested }
    try trainer.run()
    reporter.close()
    if Interrupt.isRequested { exit(130) }

    // 4. What it learned, one character after the other, from a state that does not grow.
    let prompt = "ROMEO:"
    say("\n" + prompt)
    try Generator(model, temperature: 0.8).generate(after: try text.tokenizer.encode(prompt), count: 400) {
        say(try text.tokenizer.decode([$0]))
    }
    say("\n\nThe same from a configuration file: nstm train Configurations/tinyshakespeare-nstm.yaml\n")
} catch {
    Console.line("error: \(error)", to: .error)
    exit(1)
}
