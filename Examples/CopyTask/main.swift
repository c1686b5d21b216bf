// The copy task: a model sees random bit vectors and has to repeat them from memory. A small model with explicit states learns it
// in seconds on short sequences, and then copies sequences 15 times as long without a mistake, when it is given as many states.
// An LSTM is trained beside it.
//
//     swift run -c release CopyTask [--seed 1] [--steps 400] [--output runs/example-copy]
//     swift run -c release CopyTask --seeds 20       the model with explicit states alone, with 20 seeds
import Foundation
import NSTM

/// Everything that was chosen.
enum Choice {
    static let bits = 8, trainedLength = 8
    /// One layer with a state for each vector of the longest training sequence.
    static let layers = 1, width = 64, heads = 4, hidden = 128, states = trainedLength
    static let steps = 400, batch = 16, rate = 3e-3
    static let lstmLayers = 2, lstmWidth = 128, lstmSteps = 4 * steps
    /// Sequences for each tested length.
    static let testedSequences = 200
    static let testedLengths = [1, 2, 5, 15].map { $0 * trainedLength }
}

Console.prepare()
let options = Options()
do {
    if let checkpoint = options["--verify"] {
        try verify(checkpoint)
    } else if let seeds = options.number("--seeds") {
        try trySeeds(seeds)
    } else {
        try demonstrate()
    }
} catch {
    printError("error: \(error)")
    exit(1)
}

// MARK: The task and the models

func makeTask() throws -> CopyTask {
    try CopyTask(bits: Choice.bits, maximumLength: Choice.trainedLength, evaluationCount: Choice.testedSequences)
}

/// A layer whose states are written and read by two heads that move over them (`PointerRouting`).
func makeModel(_ task: CopyTask, states: Int = Choice.states, seed: Int) -> NSTMModel {
    var shape = ModelConfiguration(input: ModelInput(task.inputKind), output: ModelOutput(task.targetKind))
    (shape.layers, shape.width, shape.heads, shape.hidden) = (Choice.layers, Choice.width, Choice.heads, Choice.hidden)
    return NSTMModel(
        ParameterBuilder(seed: UInt64(seed)), shape, states: states, router: .pointer, update: .gatedSlots, read: .routed,
        convolution: 1)
}

func makeLSTM(_ task: CopyTask, seed: Int) -> LSTM {
    var shape = ModelConfiguration(input: ModelInput(task.inputKind), output: ModelOutput(task.targetKind))
    (shape.layers, shape.width) = (Choice.lstmLayers, Choice.lstmWidth)
    return LSTM(ParameterBuilder(seed: UInt64(seed)), shape, forgetBias: 1)
}

/// The trained model with more states: the learned parameters do not depend on their number.
func expanded(_ model: NSTMModel, _ task: CopyTask, to states: Int) throws -> NSTMModel {
    let resizing = try StateResizing(model.stateLayers, to: states)
    let larger = makeModel(task, states: states, seed: 1)
    try resizing.move(model, to: larger)
    return larger
}

func trainer(_ model: SequenceModel, _ task: CopyTask, steps: Int, seed: Int, folder: URL? = nil) -> Trainer {
    var settings = TrainingSettings()
    settings.steps = steps
    settings.batch = Choice.batch
    settings.schedule = .cosine(
        learningRate: Choice.rate, minLearningRate: Choice.rate / 100, warmup: min(50, steps / 2), steps: steps)
    settings.evaluationInterval = max(1, steps / 4)
    settings.evaluationBatch = Choice.testedSequences
    return Trainer(model: model, dataset: task, settings: settings, seed: seed, folder: folder)
}

// MARK: What the example does

func demonstrate() throws {
    let task = try makeTask(), seed = options.number("--seed") ?? 1, steps = options.number("--steps") ?? Choice.steps
    let model = makeModel(task, seed: seed), lstm = makeLSTM(task, seed: seed)
    say(
        """
        The copy task: a model sees 1 to \(Choice.trainedLength) random vectors of \(Choice.bits) bits, one at a time, and then has to \
        repeat them from memory.
        It is trained on these lengths only, and then tested on up to \(Choice.testedLengths.last!) vectors.

        Model   \(Choice.layers) layer of \(Choice.states) explicit states, \(model.parameters.trainableCount) parameters. A write head and \
        a read head move over the states.
                Built in: the write head moves forward or stays, so that it can only append. Learned: at which tokens it moves, what is
                written, and every move of the read head (stay, forward, back, home, or to the write head).
        LSTM    \(Choice.lstmLayers) layers of width \(Choice.lstmWidth), \(lstm.parameters.trainableCount) parameters, trained for \
        \(Choice.lstmSteps / Choice.steps) times as many steps.

        """)

    let folder = URL(fileURLWithPath: options["--output"] ?? "runs/example-copy")
    let main = trainer(model, task, steps: steps, seed: seed, folder: folder)
    // The example's own folder is used again each time; a folder of the user's is not touched when it holds a run.
    main.overwrites = options["--output"] == nil
    let other = trainer(lstm, task, steps: Choice.lstmSteps / Choice.steps * steps, seed: seed)
    Interrupt.install()
    for (name, trainer) in [("model", main), ("LSTM", other)] {
        say("Training the \(name) …")
        let reporter = ProgressReporter()
        trainer.onEvent = { reporter($0) }
        trainer.shouldStop = { Interrupt.isRequested }
        try trainer.run()
        reporter.close()
        if Interrupt.isRequested {
            say("interrupted after step \(trainer.step)")
            exit(130)
        }
    }

    say(
        """

        Wrong bits per sequence, and sequences without a mistake, of \(Choice.testedSequences) new sequences for each length. The model gets \
        as many states as there are vectors:

        vectors                model                 LSTM
        """)
    var isExact = true
    for length in Choice.testedLengths {
        let larger = try expanded(model, task, to: max(Choice.states, length))
        let mine = bitErrors(larger, task, length), its = bitErrors(lstm, task, length)
        if mine.contains(where: { $0 > 0 }) { isExact = false }
        let note = length == Choice.trainedLength ? "as trained" : "\(length / Choice.trainedLength) × as long"
        say(
            String(format: "%4d  %@", length, note.padding(toLength: 14, withPad: " ", startingAt: 0)) + cell(mine) + "  "
                + cell(its))
    }

    try showHeads(model, task, folder)

    guard let checkpoint = main.lastCheckpoint else { return }
    // A new process knows nothing but the file: equal answers mean that all of the model is in it.
    say("\nLoading \(checkpoint.lastPathComponent) in a new process …")
    let answer = try runSelf(["--verify", checkpoint.path])
    guard answer == report(model, task) else { throw Failure(text: "the loaded model answers differently:\n\(answer)") }
    say("The same outputs, bit for bit.")
    say(
        """

        checkpoint  \(checkpoint.path)
        metrics     \(folder.appendingPathComponent("metrics.jsonl").path)
        try next    swift run -c release nstm train Configurations/copy-nstm.yaml
                    swift run -c release nstm expand runs/copy-nstm --states 120 --output runs/copy-120
                    swift run -c release nstm evaluate runs/copy-120 --set "data.evaluation-lengths=[16, 40, 120]"
                    Examples/CustomRule: write an update rule of your own in 40 lines
        """)
    if !isExact { throw Failure(text: "the model made mistakes; it is expected to make none with any seed") }
}
/// Shows where the heads of the trained model went during one sequence, and writes the picture to a file.
func showHeads(_ model: SequenceModel, _ task: CopyTask, _ folder: URL) throws {
    let length = Choice.trainedLength, batch = task.evaluationBatches(length: length, count: 1, size: 1)[0]
    let labels = (0..<batch.inputs.shape[1]).map { $0 < length ? "\($0 + 1)" : $0 == length ? "|" : "?" }
    guard let picture = HeadPicture(model, batch.inputs, labels: labels) else { return }
    let file = folder.appendingPathComponent("heads.svg")
    try Data(picture.svg.utf8).write(to: file, options: .atomic)
    say(
        """

        Where the heads went in one sequence of \(length) vectors, the delimiter | and the positions ? of the answer.
        W: write head of a token that writes, w: of one that does not, r: read head, B and b: both. Picture: \(file.path)

        \(picture.text)
        """)
}
/// A table cell such as "  0.00 wrong, 200 exact".
func cell(_ wrong: [Int]) -> String {
    let mean = Double(wrong.reduce(0, +)) / Double(wrong.count)
    return String(format: "%7.2f, %3d exact", mean, wrong.count { $0 == 0 })
}

/// Trains the model with explicit states with several seeds, and tests each.
func trySeeds(_ count: Int) throws {
    let task = try makeTask(), steps = options.number("--steps") ?? Choice.steps, first = options.number("--seed") ?? 1
    say("\(RunEnvironment.current.kernels) kernels, \(Parallel.threadCount) threads")
    say("seed  seconds  wrong bits per sequence at \(Choice.testedLengths.map(String.init).joined(separator: ", ")) vectors")
    var exact = Choice.testedLengths.map { _ in 0 }
    for seed in first..<first + count {
        let model = makeModel(task, seed: seed), start = Date()
        try trainer(model, task, steps: steps, seed: seed).run()
        let seconds = Date().timeIntervalSince(start)
        let means = try Choice.testedLengths.enumerated().map { i, length in
            let wrong = bitErrors(try expanded(model, task, to: max(Choice.states, length)), task, length)
            if wrong.allSatisfy({ $0 == 0 }) { exact[i] += 1 }
            return Double(wrong.reduce(0, +)) / Double(wrong.count)
        }
        say(String(format: "%4d  %7.1f  ", seed, seconds) + means.map { String(format: "%7.3f", $0) }.joined(separator: "  "))
    }
    say("exact  " + zip(Choice.testedLengths, exact).map { "\($0): \($1) of \(count)" }.joined(separator: ", "))
    if exact.contains(where: { $0 < count }) { exit(1) }
}

/// In the new process: loads the checkpoint into a fresh model and prints what it answers.
func verify(_ checkpoint: String) throws {
    let task = try makeTask(), model = makeModel(task, seed: 1)
    try model.load(try CheckpointFile.read(URL(fileURLWithPath: checkpoint)))
    Console.write(report(model, task))
}

// MARK: Measuring

/// Wrong bits of test sequences of a length, none of which were used in training or to watch it.
func bitErrors(_ model: SequenceModel, _ task: CopyTask, _ length: Int) -> [Int] {
    let size = Choice.testedSequences
    // Training was watched with the first sequences of an evaluation set.
    return task.evaluationBatches(length: length, count: 2 * size, size: size).dropFirst().flatMap { batch in
        batch.bitErrors(logits: model(batch.inputs, ForwardContext(.evaluate)).value)
    }
}

/// Wrong bits and a digest (FNV-1a) of the bits of all outputs.
func report(_ model: SequenceModel, _ task: CopyTask) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for batch in task.evaluationBatches(length: Choice.trainedLength, count: 20, size: 20) {
        for x in model(batch.inputs, ForwardContext(.evaluate)).value.elements(Float.self) {
            hash = (hash ^ UInt64(x.bitPattern)) &* 0x0000_0100_0000_01b3
        }
    }
    return "wrong bits \(bitErrors(model, task, Choice.trainedLength).reduce(0, +)), outputs \(String(hash, radix: 16))\n"
}
