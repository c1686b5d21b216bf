import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMData
import NSTMIO
import NSTMLayers
import NSTMModules
import NSTMOptim
import NSTMSystem
import NSTMTensor

/// Trains a model on a dataset, step by step, with checkpoints from which it goes on to the bit.
///
/// Everything random is a function of (seed, step, path, purpose), and a batch is a function of (seed, step): the position of a
/// run is its step counter, and a run resumed from a checkpoint is the run that never stopped.
public final class Trainer {
    public let model: SequenceModel
    public let dataset: any Dataset
    public let settings: TrainingSettings
    public let optimizer: ParameterUpdater
    /// Where checkpoints and metrics go; nil writes nothing.
    public let folder: URL?
    /// Stored with every checkpoint.
    public var configuration: ConfigurationValue = .null
    public var tokenizer: CharacterTokenizer?
    /// Told of everything that happens.
    public var onEvent: (TrainingEvent) -> Void = { _ in }
    /// Asked after every step and between the batches of an evaluation; true saves and ends the run. An evaluation that it ended
    /// is done when the run resumes.
    public var shouldStop: () -> Bool = { false }
    /// Whether `run` may throw away checkpoints of another run that it finds in its folder.
    public var overwrites = false
    /// Looks at every value and gradient of a step, and stops the program at the first that is not finite, naming operation, module
    /// path and index. Changes no bit, and takes time.
    public var checksFinite = false

    public private(set) var step = 0
    /// Positions that counted in the loss so far.
    public private(set) var tokens = 0
    public private(set) var lastMetrics: Metrics?
    /// The newest checkpoint of this run.
    public private(set) var lastCheckpoint: URL?
    /// Whether the metric of `settings.target` has been reached.
    public private(set) var hasReachedTarget = false
    /// How states live and die; nil when no layer has a plan for that.
    public let life: StateLifecycle?
    /// Spent on steps, when `settings.timeLimit` limits it.
    private var seconds = 0.0
    private var waiting = EarlyStopping.Progress()
    private let key: RandomKey
    private var log: MetricsLog?
    /// The folder of the checkpoint that this run resumed from.
    private var origin: URL?
    /// Checkpoints of an earlier run in the folder. They and that run's log go once this run has a checkpoint of its own.
    private var replaced: [URL] = []
    /// Why the log cannot be written any more.
    private var logError: TrainingError?
    /// Of the folder; `run` takes one of its own when it is nil.
    package var lock: FolderLock?
    /// Whether the evaluation after this step is still to be done, because the run was asked to stop meanwhile.
    private var isEvaluationDue = false
    private var hasReportedUntouched = false

    public init(
        model: SequenceModel, dataset: any Dataset, settings: TrainingSettings, seed: Int = 1, folder: URL? = nil
    ) {
        self.model = model
        self.dataset = dataset
        self.settings = settings
        self.folder = folder
        key = RandomKey(UInt64(seed)).fold("training")
        optimizer = ParameterUpdater(settings.optimizer, weightDecay: settings.weightDecay)
        life = StateLifecycle(model)
    }

    /// Why a run ended.
    public enum StopReason: Sendable, Equatable {
        case finished
        /// The metric of `settings.target` was reached.
        case targetReached
        /// The metric of `settings.earlyStopping` improves no more.
        case noImprovement
        /// The minutes of `settings` are over.
        case timeLimit
        /// `until` was reached, or `shouldStop` said so.
        case stopped
    }

    /// Trains to the last step, or to `until`, and saves a checkpoint at the end.
    /// - Throws: `TrainingError`, `CheckpointError`.
    @discardableResult
    public func run(until limit: Int? = nil) throws -> StopReason {
        let known = Metrics.names(for: dataset.targetKind)
        for metric in [settings.target?.metric, settings.earlyStopping?.metric].compactMap(\.self) where !known.contains(metric) {
            throw TrainingError.noSuchMetric(metric, dataset: dataset.name, known: known)
        }
        if !isEvaluationDue, let early { return early }
        let given = lock
        defer {
            if given == nil { lock?.release() }
            lock = given
        }
        if let folder {
            if given == nil {
                lock = try RunFolder(folder).lock()
                if let warning = lock?.warning { onEvent(.note("warning: \(warning)")) }
            }
            try begin(in: RunFolder(folder))
        }
        let last = min(settings.steps, limit ?? settings.steps)
        var isSaved = true
        var speed = SpeedMeter()
        var ending: StopReason?
        if isEvaluationDue {
            evaluateNow()
            isSaved = isEvaluationDue
            ending = isEvaluationDue ? .stopped : early
        }
        while ending == nil && step < last {
            let start = DispatchTime.now().uptimeNanoseconds
            let (loss, norm, count) = try MatmulPrecision.$current.withValue(settings.matmulPrecision) { try trainStep() }
            let took = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
            isSaved = false
            seconds += took
            speed.add(tokens: count, seconds: took)
            let rate = settings.schedule.learningRate(at: step - 1)
            onEvent(
                .step(
                    StepReport(
                        step: step, steps: last, loss: loss, rate: rate, gradientNorm: norm,
                        tokensPerSecond: speed.tokensPerSecond,
                        secondsLeft: speed.secondsPerStep * Double(last - step))))
            record([
                ("step", .int(step)), ("loss", .double(loss)), ("learning-rate", .double(rate)), ("gradient-norm", .double(norm)),
                ("tokens", .int(tokens)), ("tokens-per-second", .double(Double(count) / took)),
            ])
            updateLifecycle(loss: loss)
            if step % settings.evaluationInterval == 0 || step == settings.steps || early == .timeLimit {
                isEvaluationDue = true
                evaluateNow()
            }
            if isEvaluationDue || logError != nil {
                ending = .stopped
            } else if let early {
                ending = early
            } else if step < settings.steps && shouldStop() {
                ending = .stopped
            } else if folder != nil && step % settings.checkpointInterval == 0 {
                try save()
                isSaved = true
            }
        }
        if let logError { throw afterSaving(logError) }
        if folder != nil && !isSaved { try save() }
        return ending ?? (step < settings.steps ? .stopped : .finished)
    }

    /// Appends to the log. What goes wrong ends the run after the step, with a checkpoint.
    private func record(_ fields: [(String, ConfigurationValue)]) {
        guard logError == nil else { return }
        do { try log?.write(fields) } catch { logError = error }
    }
    /// Saves a run that ends because of its log, and adds to the error what became of that.
    private func afterSaving(_ error: TrainingError) -> any Error {
        logError = nil
        guard case .log(let path, let reason) = error else { return error }
        do {
            try save()
            return TrainingError.log(
                path: path, reason: "\(reason). The run ends after step \(step), saved as \(lastCheckpoint?.path ?? "nothing")")
        } catch {
            return TrainingError.log(
                path: path, reason: "\(reason). The run ends after step \(step), which could not be saved either: \(error)")
        }
    }

    /// Makes the folder, and the log with the history of the run that is resumed.
    private func begin(in folder: RunFolder) throws {
        let isElsewhere = origin.map { !FileIdentity.isSame($0, folder.url) } ?? false
        if overwrites && origin != nil && !isElsewhere { throw TrainingError.overwritesItself(path: folder.url.path) }
        replaced = try folder.prepare(at: isElsewhere ? 0 : step, overwriting: overwrites)
        // What is to be replaced keeps its own log until then.
        let log = try MetricsLog(
            replaced.isEmpty ? folder.metrics : folder.url.appendingPathComponent("metrics.new.jsonl"),
            history: isElsewhere ? origin.map { RunFolder($0).metrics } : folder.metrics, keepingUntil: step)
        if log.unreadableCount > 0 {
            onEvent(.note("warning: \(log.unreadableCount) line(s) of the log of metrics cannot be read; they were kept"))
        }
        self.log = log
        origin = folder.url
        // A second call of `run` resumes its own run.
        overwrites = false
    }

    /// Why the run is over before its last step, if it is.
    private var early: StopReason? {
        if hasReachedTarget { return .targetReached }
        if let earlyStopping = settings.earlyStopping, waiting.waited >= earlyStopping.patience { return .noImprovement }
        if let limit = settings.timeLimit, seconds >= 60 * limit { return .timeLimit }
        return nil
    }

    /// One step: batch, forward, backward, clip, update.
    /// - Returns: also how many positions were read, for the speed.
    private func trainStep() throws -> (loss: Double, norm: Double, positions: Int) {
        let batch = dataset.trainingBatch(step: step, size: settings.batch, key: key)
        let context = ForwardContext(.train, key: key.fold("forward").fold(step))
        context.tape.checksFinite = checksFinite
        context.observer = life
        let task = model.loss(batch, dataset.targetKind, context)
        var loss = task
        for (_, extra) in context.auxiliaryLosses { loss = loss + extra }
        var gradients = loss.backward()
        let norm = gradients.globalNorm, value = task.value.item()
        guard norm.isFinite, value.isFinite else {
            throw TrainingError.nonFinite(
                step: step + 1, loss: value, gradient: gradients.firstNonFinite.map { "\($0.path)[\($0.index)]" },
                largest: gradients.largestElement.map { "\($0.path), \(String(format: "%.2g", $0.magnitude))" },
                checkpoint: lastCheckpoint?.path)
        }
        var scale = 1.0
        switch settings.clipping {
        case .none: break
        case .norm(let bound): if norm > bound { scale = bound / norm }
        case .value(let bound): gradients = gradients.clamped(to: bound)
        }
        if !hasReportedUntouched { reportUntouched(gradients) }
        optimizer.update(gradients, learningRate: settings.schedule.learningRate(at: step), scale: scale)
        step += 1
        tokens += batch.tokenCount
        return (value, norm, batch.positionCount)
    }

    /// Lets policies decide which states are born and die, after a step.
    private func updateLifecycle(loss: Double) {
        guard let life else { return }
        let trial = key.fold("life")
        let changes = life.finish(step: step, loss: loss, key: key) {
            let batch = dataset.trainingBatch(step: step, size: settings.evaluationBatch, key: trial)
            return model.loss(batch, dataset.targetKind, ForwardContext(.evaluate)).value.item()
        }
        for (layer, change) in changes {
            let e = change.event
            if e.kind == .allocated {
                for p in layer.stateParameters { optimizer.resetMoments(at: change.place, axis: p.stateAxis!, of: p) }
            }
            onEvent(.life(e))
            record(MetricsLog.fields(e))
        }
    }

    /// A trainable parameter without a gradient is almost always a mistake in a model.
    private func reportUntouched(_ gradients: Gradients) {
        hasReportedUntouched = true
        let unused = model.stateLayers.flatMap(\.unusedParameters)
        let untouched = model.parameters.all.filter { p in
            p.isTrainable && gradients[p] == nil && !unused.contains { $0 === p }
        }.map(\.path)
        if !untouched.isEmpty { onEvent(.note("warning: no gradient reaches \(untouched.joined(separator: ", "))")) }
    }

    /// Evaluates and logs, unless the run is asked to stop meanwhile or has lost its log: the evaluation stays due then.
    private func evaluateNow() {
        var isStopped = logError != nil
        let batches = dataset.evaluationBatches(size: settings.evaluationBatch, limit: settings.evaluationLimit)
        let metrics = evaluate(
            model,
            on: batches.lazy.prefix { _ in
                isStopped = isStopped || self.shouldStop()
                return !isStopped
            }, target: dataset.targetKind)
        guard !isStopped else { return }
        record([("step", .int(step))] + metrics.pairs.map { ("validation-" + $0.name, .double($0.value)) })
        guard logError == nil else { return }
        isEvaluationDue = false
        lastMetrics = metrics
        onEvent(.evaluated(step: step, metrics))
        hasReachedTarget = settings.target?.isReached(by: metrics) ?? false
        settings.earlyStopping?.add(metrics, to: &waiting)
    }

    // MARK: Checkpoints

    /// Saves `step-<n>.h5` in the run's folder and removes old ones.
    /// - Throws: `CheckpointError`; `TrainingError.folder` when the folder was replaced by that of another run.
    public func save() throws {
        guard let folder else { return }
        if let lock, !lock.isInPlace {
            guard RunFolder(folder).checkpoints().isEmpty else {
                throw TrainingError.folder(path: folder.path, reason: "was replaced by another folder that has checkpoints")
            }
            do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
                throw TrainingError.folder(path: folder.path, reason: "cannot be made: \(error.plainReason)")
            }
        }
        let url = folder.appendingPathComponent("step-\(step).h5")
        try CheckpointFile.write(archive(), to: url)
        lastCheckpoint = url
        if !replaced.isEmpty {
            try RunFolder(folder).remove(replaced, replacedBy: url)
            replaced = []
            try log?.move(to: RunFolder(folder).metrics)
        }
        try CheckpointFile.rotate(in: folder, keepingNewest: settings.checkpointsKept)
        onEvent(.saved(url, step: step))
    }

    package func archive() throws -> CheckpointArchive {
        var a = CheckpointArchive()
        a.append(model.parameters.all.map { ($0.path, $0.value) }, under: "model")
        a.append(optimizer.state(order: model.parameters.all.map(\.path)), under: "optimizer")
        a[document: "config"] = configuration.json()
        try a.encode(
            Position(
                step: step, optimizerStep: optimizer.step, optimizer: optimizer.type, tokens: tokens,
                data: dataset.fingerprint, hasReachedTarget: hasReachedTarget,
                earlyStopping: settings.earlyStopping == nil ? nil : waiting,
                seconds: settings.timeLimit == nil ? nil : seconds, isEvaluationDue: isEvaluationDue ? true : nil),
            document: "training")
        try a.encode(
            DataDescription(
                name: dataset.name, fingerprint: dataset.fingerprint, input: dataset.inputKind, target: dataset.targetKind),
            document: "data")
        try a.encode(RunEnvironment.current, document: "environment")
        if let tokenizer { try a.encode(tokenizer, document: "tokenizer") }
        if let life { try a.encode(life.memory, document: "lifecycle") }
        return a
    }

    /// Goes on where a checkpoint was saved. Nothing is changed when it does not fit.
    /// - Throws: `CheckpointError` naming every tensor that does not fit, `TrainingError.otherData` when the dataset differs.
    public func restore(_ archive: CheckpointArchive) throws {
        let position = try archive.decode(Position.self, document: "training")
        guard position.data == dataset.fingerprint else {
            throw TrainingError.otherData(dataset: dataset.name, saved: position.data, found: dataset.fingerprint)
        }
        guard position.optimizer == optimizer.type else {
            throw TrainingError.otherOptimizer(saved: position.optimizer, found: optimizer.type)
        }
        let moments = archive.tensors(under: "optimizer")
        let names = Set(moments.map(\.path))
        // A parameter that never had a gradient has no moments; all others have all of them.
        let expected = optimizer.momentNames.flatMap { slot in
            model.parameters.all.filter { p in optimizer.momentNames.contains { names.contains("\($0)/\(p.path)") } }
                .map { ("\(slot)/\($0.path)", $0.value.shape, $0.value.dtype) }
        }
        try archive.tensors(under: "optimizer", matching: expected)
        // A run that has only now got policies begins their work with this step.
        let memory =
            life == nil || archive.documents["lifecycle"] == nil
            ? nil : try archive.decode(StateLifecycle.Memory.self, document: "lifecycle")
        let takeMemory: (() -> Void)?
        do { takeMemory = try memory.flatMap { try life?.restoration(of: $0) } } catch let error as StoredValueError {
            throw CheckpointError.invalidDocument(path: archive.source ?? "the archive", name: "lifecycle", reason: "\(error)")
        }
        try model.load(archive)
        takeMemory?()
        optimizer.restore(step: position.optimizerStep, moments)
        step = position.step
        tokens = position.tokens
        hasReachedTarget = position.hasReachedTarget
        waiting = position.earlyStopping ?? EarlyStopping.Progress()
        seconds = position.seconds ?? 0
        isEvaluationDue = position.isEvaluationDue ?? false
        lastCheckpoint = archive.source.map { URL(fileURLWithPath: $0) }
        origin = lastCheckpoint?.deletingLastPathComponent()
    }

    package struct Position: StoredValue {
        package var step: Int
        var optimizerStep: Int
        package var optimizer: String
        package var tokens: Int
        var data: String
        var hasReachedTarget: Bool
        var earlyStopping: EarlyStopping.Progress?
        /// Absent without a limit: what a clock says would make equal runs differ.
        var seconds: Double?
        /// Absent unless an interrupt ended the evaluation after this step.
        var isEvaluationDue: Bool?

        package var issues: [String] {
            var issues = RangeIssues()
            issues.check("step", step, in: StoredRange.steps)
            issues.check("optimizerStep", optimizerStep, in: StoredRange.steps)
            // A million sequences of a million positions at each of the steps.
            issues.check("tokens", tokens, in: 0...1 << 62)
            issues.check("earlyStopping.waited", earlyStopping?.waited, in: StoredRange.steps)
            issues.check("seconds", seconds, in: 0...1e12)
            return issues.list
        }
    }
}
