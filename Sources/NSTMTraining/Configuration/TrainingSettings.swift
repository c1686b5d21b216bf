import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMData
import NSTMModules
import NSTMOptim
import NSTMTensor

/// The settings of training.
public struct TrainingSettings: Sendable {
    /// Number of training steps.
    public var steps = 2000
    /// Number of sequences of a batch.
    public var batch = 12
    /// The optimizer.
    public var optimizer: any Optimizer = AdamW()
    /// Weight decay of matrices.
    public var weightDecay = 0.1
    /// The learning-rate schedule.
    public var schedule: any Schedule = .cosine(learningRate: 1e-3, minLearningRate: 1e-4, warmup: 100, steps: 2000)
    /// Clipping of gradients.
    public var clipping = Clipping.norm(1)
    /// Growth of the training lengths over the steps; nil: all lengths from the start.
    public var curriculum: Curriculum?
    /// How exact products are in steps of training; evaluations are always `highest`.
    public var matmulPrecision = MatmulPrecision.highest
    /// Number of steps between evaluations on the validation split.
    public var evaluationInterval = 250
    /// Number of sequences of an evaluation batch.
    public var evaluationBatch = 32
    /// Batches of an evaluation, spread over the split; nil for all.
    public var evaluationLimit: Int?
    /// Number of steps between checkpoints; the last step always has one.
    public var checkpointInterval = 500
    /// Number of checkpoints that are kept.
    public var checkpointsKept = 3
    /// Bound of a validation metric that ends training when it is reached; nil: none.
    public var target: Target?
    /// Criterion that ends training when a validation metric no longer improves; nil: none.
    public var earlyStopping: EarlyStopping?
    /// Minutes spent on training steps (evaluations do not count) after which training ends; nil: no limit.
    ///
    /// The learning rate schedule ignores it, and where such a run ends depends on the host, so that it cannot be reproduced.
    public var timeLimit: Double?

    public init() {}

    /// Progress of the training at a step, counted from 0: 0 at the first and 1 at the last one (`ForwardContext.progress`).
    func progress(at step: Int) -> Double { min(1, Double(step) / Double(max(1, steps - 1))) }

    /// Reads `steps`, `batch`, `optimizer`, `schedule`, `clip`, `curriculum`, `matmul-precision`, `evaluation`, `checkpoint`,
    /// `target`, `early-stopping` and `time-limit`.
    public init(_ config: ConfigurationReader, _ registries: Registries) {
        steps = config.int("steps", default: 2000, in: 1...1_000_000_000)
        batch = config.int("batch", default: 12, in: 1...1_000_000)

        let update = config.child("optimizer"), rate = config.child("schedule")
        optimizer = update.value(in: registries.optimizers, default: AdamW(), steps)
        weightDecay = update.double("weight-decay", default: weightDecay, in: 0...1e3)
        schedule = rate.value(in: registries.schedules, default: CosineSchedule(), steps)
        update.finish()
        rate.finish()

        let clip = config.child("clip")
        let bound: Double
        switch clip.choice("type", of: ["none", "norm", "value"], default: "norm") {
        case "none": clipping = .none
        case "value":
            bound = clip.double("bound", default: 10, in: 1e-12...1e12)
            clipping = .value(bound)
        default:
            bound = clip.double("bound", default: 1, in: 1e-12...1e12)
            clipping = .norm(bound)
        }
        clip.finish()
        let growth = config.child("curriculum")
        curriculum = Curriculum(growth)
        growth.finish()
        matmulPrecision = config.choice("matmul-precision", default: .highest)

        let evaluation = config.child("evaluation")
        evaluationInterval = evaluation.int("interval", default: 250, in: 1...1_000_000_000)
        evaluationBatch = evaluation.int("batch", default: 32, in: 1...1_000_000)
        evaluationLimit = evaluation.optionalInt("limit", in: 1...1_000_000_000)
        evaluation.finish()

        let checkpoint = config.child("checkpoint")
        checkpointInterval = checkpoint.int("interval", default: 500, in: 1...1_000_000_000)
        checkpointsKept = checkpoint.int("keep", default: 3, in: 1...1_000_000)
        checkpoint.finish()

        let early = config.child("target"), stopping = config.child("early-stopping")
        target = Target(early)
        earlyStopping = EarlyStopping(stopping)
        early.finish()
        stopping.finish()
        timeLimit = config.optionalDouble("time-limit", in: 1e-6...1e6)
        config.finish()
    }
}
