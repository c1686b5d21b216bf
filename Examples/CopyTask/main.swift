// The copy task from start to end: trains a small model with explicit states until it makes no mistakes, tries it on longer
// sequences than it ever saw, saves it, and checks in a new process that the saved model gives the same answers.
//
//     swift run -c release CopyTask [--steps 9000] [--seed 1] [--output runs/example-copy]
import Foundation
import NSTM

/// Everything that was chosen.
enum Choice {
    static let bits = 8, trainedLength = 8
    static let layers = 2, width = 128, heads = 4, hidden = 256
    static let states = 32, k = 4
    static let steps = 9000, batch = 32, rate = 1.5e-3, decay = 0.1
    /// Sequences for each tested length.
    static let testedSequences = 200
    static let testedLengths = Array(1...trainedLength) + [2 * trainedLength, 4 * trainedLength]
}

let options = Options()
do {
    if let checkpoint = options["--verify"] { try verify(checkpoint) } else { try demonstrate() }
} catch {
    FileHandle.standardError.write(Data("error: \(error)\n".utf8))
    exit(1)
}

func makeTask() throws -> CopyTask {
    try CopyTask(bits: Choice.bits, maximumLength: Choice.trainedLength, evaluationCount: Choice.testedSequences)
}

func makeModel(_ task: CopyTask) -> NSTMModel {
    var shape = ModelShape(input: ModelInput(task.inputKind), output: ModelOutput(task.targetKind))
    (shape.layers, shape.width, shape.heads, shape.hidden) = (Choice.layers, Choice.width, Choice.heads, Choice.hidden)
    let parts = NSTMLayer.Parts(
        routing: { TopKRouting($0, width: Choice.width, states: Choice.states, k: Choice.k) },
        update: { GatedSlots($0, width: Choice.width, states: Choice.states) })
    return NSTMModel(ParameterBuilder(seed: UInt64(options.number("--seed") ?? 1)), shape) { parameters, _, residual in
        NSTMLayer(
            parameters, width: Choice.width, heads: Choice.heads, states: Choice.states, parts: parts, residual: residual)
    }
}

func demonstrate() throws {
    let task = try makeTask(), model = makeModel(task)
    say(
        """
        Copy task: \(Choice.bits) random bits at a time, 1 to \(Choice.trainedLength) times, then the same again from memory.
        Model: \(Choice.layers) layers, \(Choice.states) states each, \(model.parameters.trainableCount) parameters, \
        \(model.initialState(batch: 1).byteCount) bytes of state.

        """)

    var settings = TrainingSettings()
    settings.steps = options.number("--steps") ?? Choice.steps
    settings.batch = Choice.batch
    settings.decay = Choice.decay
    settings.schedule = Schedule(.cosine, peak: Choice.rate, final: Choice.rate / 100, warmup: 100, steps: settings.steps)
    settings.evaluationInterval = 250
    settings.evaluationBatch = Choice.testedSequences
    settings.stop = StopGoal("wrong-bits", .atMost(0))
    let folder = URL(fileURLWithPath: options["--output"] ?? "runs/example-copy")
    let trainer = Trainer(model: model, dataset: task, settings: settings, seed: options.number("--seed") ?? 1, folder: folder)
    // The example's own folder is used again each time; a folder of the user's is not touched when it holds a run.
    trainer.overwrites = options["--output"] == nil
    let reporter = ProgressReporter()
    trainer.onEvent = { reporter($0) }
    Interrupt.install()
    trainer.shouldStop = { Interrupt.isRequested }
    let ending = try trainer.run()
    reporter.close()
    if Interrupt.isRequested {
        say("interrupted after step \(trainer.step)")
        exit(130)
    }
    say(
        ending == .solved
            ? "\nsolved after step \(trainer.step): no wrong bit in \(Choice.testedSequences) new sequences"
            : "\nnot solved within \(trainer.step) steps; the table shows how far it came")

    let results = measure(model, task)
    say("\nOn sequences that were used neither in training nor to decide when to stop:\n")
    say("length   wrong bits a sequence   sequences without a mistake")
    var trained = 0.0
    for (length, wrong) in zip(Choice.testedLengths, results) {
        let mean = Double(wrong.reduce(0, +)) / Double(wrong.count), whole = wrong.count { $0 == 0 }
        if length <= Choice.trainedLength { trained += mean / Double(Choice.trainedLength) }
        let note = length <= Choice.trainedLength ? "" : "   \(length / Choice.trainedLength) × as long as any in training"
        say(String(format: "%6d   %8.3f of %-10d   %3d of %d", length, mean, length * Choice.bits, whole, wrong.count) + note)
    }
    say(String(format: "\nmean over the trained lengths 1 to %d: %.4f wrong bits a sequence", Choice.trainedLength, trained))

    guard let checkpoint = trainer.lastCheckpoint else { return }
    // A new process knows nothing but the file: equal answers mean that all of the model is in it.
    say("\nloading \(checkpoint.lastPathComponent) in a new process …")
    let answer = try runSelf(["--verify", checkpoint.path])
    guard answer == report(model, task) else { throw Failure(text: "the loaded model answers differently:\n\(answer)") }
    say("identical: every wrong bit and every output are the same")
    say(
        """

        checkpoint  \(checkpoint.path)
        metrics     \(folder.appendingPathComponent("metrics.jsonl").path)
        try next    swift run -c release nstm checkpoint info \(checkpoint.path)
                    swift run -c release nstm train Configurations/copy-nstm.yaml --set model.states=16
                    Examples/CustomRule: write an update rule of your own in 40 lines
        """)
}

/// In the new process: loads the checkpoint into a fresh model and prints what it answers.
func verify(_ checkpoint: String) throws {
    let task = try makeTask(), model = makeModel(task)
    try model.load(try CheckpointFile.read(URL(fileURLWithPath: checkpoint)))
    FileHandle.standardOutput.write(Data(report(model, task).utf8))
}

/// Wrong bits of every test sequence, for each tested length. The first part of an evaluation set decided when to stop.
func measure(_ model: SequenceModel, _ task: CopyTask) -> [[Int]] {
    Choice.testedLengths.map { length in
        let size = Choice.testedSequences
        return task.evaluationBatches(length: length, count: 2 * size, size: size).dropFirst().flatMap { batch in
            batch.wrongBits(logits: model(batch.inputs, ForwardContext(.evaluate)).value)
        }
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
    return "wrong bits \(measure(model, task).map { $0.reduce(0, +) }), outputs \(String(hash, radix: 16))\n"
}
