// Trains a small model with explicit states to read handwritten digits, and tests it on the official test images.
//
//     swift run -c release MNIST [--data FOLDER] [--steps 6000]
//
// The four files are downloaded once unless --data or NSTM_DATA names a folder that has them.
import Foundation
import NSTM

Console.prepare()
func say(_ text: String) { Console.write(text) }
func option(_ name: String) -> String? {
    let arguments = CommandLine.arguments
    return arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
}
guard let steps = Int(option("--steps") ?? "6000"), steps > 0 else { fatalError("--steps needs a number above 0") }

do {
    // 1. Data: an image becomes a sequence of 49 patches of 4 × 4 pixels, row by row. Training images are moved by up to two
    //    pixels, differently in every epoch; the last 5000 are kept for validation.
    let files = try MNIST.Files(in: DatasetFolder(option("--data")), progress: DownloadReporter().progress)
    let digits = try MNIST(files, patch: 4, shift: 2)
    say("\(digits.trainingCount) images to train, \(digits.validationCount) to validate, \(digits.testCount) to test\n")

    // 2. A model: three layers with 16 states each, and one answer for the whole sequence.
    var shape = ModelConfiguration(input: .features(width: 16), output: .pooled(classes: MNIST.classes))
    shape.width = 64
    shape.layers = 3
    shape.hidden = 128
    let model = NSTMModel(ParameterBuilder(seed: 1), shape, states: 16, router: .topK(4), update: .gatedSlots)
    say("\(model.parameters.trainableCount) parameters\n")

    // 3. Training. A step is 64 images; 859 steps are an epoch, in which every image comes once.
    var settings = TrainingSettings()
    settings.steps = steps
    settings.batch = 64
    settings.schedule = .cosine(learningRate: 3e-3, minLearningRate: 3e-5, warmup: min(200, steps / 10), steps: steps)
    settings.evaluationInterval = 500
    settings.evaluationBatch = 200
    let trainer = Trainer(
        model: model, dataset: digits, settings: settings, folder: URL(fileURLWithPath: "runs/example-mnist"))
    trainer.overwrites = true
    let reporter = ProgressReporter()
    trainer.onEvent = { reporter($0) }
    Interrupt.install()
    trainer.shouldStop = { Interrupt.isRequested }
    try trainer.run()
    reporter.close()
    if Interrupt.isRequested { exit(130) }

    // 4. The test images, which nothing above has seen, and what is taken for what: a row for each digit.
    var confusion = ConfusionMatrix(classes: MNIST.classes)
    for batch in digits.evaluationBatches(of: .test, size: 200) {
        confusion.add(logits: model(batch.inputs, ForwardContext(.evaluate)).value, targets: batch.targets)
    }
    say(String(format: "\ntest accuracy %.4f, macro-F1 %.4f\n", confusion.accuracy, confusion.macroF1))
    for digit in 0..<MNIST.classes {
        say("\(digit):" + (0..<MNIST.classes).map { String(format: "%5d", confusion[digit, $0]) }.joined() + "\n")
    }
    say("\nThe same from a configuration file: nstm train Configurations/mnist-nstm.yaml\n")
} catch {
    Console.line("error: \(error)", to: .error)
    exit(1)
}
