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

/// The training of a model on a dataset, with checkpoints from which a run resumes bit-identically.
///
/// All random numbers are functions of (seed, step, path, purpose), and a batch is a function of (seed, step), so that the step
/// counter is the whole position of a run.
public final class Trainer {
    /// The model.
    public let model: SequenceModel
    /// The training and validation data.
    public let dataset: any Dataset
    /// The settings of the run.
    public let settings: TrainingSettings
    /// The optimizer, with its moments.
    public let optimizer: ParameterUpdater
    /// Folder for checkpoints and metrics; nil to write no files.
    public let folder: URL?
    /// The resolved configuration, stored in every checkpoint.
    public var configuration: ConfigurationValue = .null
    /// The tokenizer of the data, stored in every checkpoint; nil without one.
    public var tokenizer: CharacterTokenizer?
    /// Called with every event.
    public var onEvent: (TrainingEvent) -> Void = { _ in }
    /// Called after every step and between the batches of an evaluation; true saves a checkpoint and ends the run.
    ///
    /// An interrupted evaluation is repeated when the run resumes.
    public var shouldStop: () -> Bool = { false }
    /// Whether `run` may delete checkpoints of another run in its folder.
    public var overwrites = false
    /// Whether every value and gradient of a step is checked.
    ///
    /// The program stops at the first non-finite one and reports operation, module path and index. Results are unchanged, but
    /// slower.
    public var checksFinite = false

    /// Number of completed steps.
    public private(set) var step = 0
    /// Number of targets that have contributed to the loss so far.
    public private(set) var tokens = 0
    /// Metrics of the last evaluation; nil before the first.
    public private(set) var lastMetrics: Metrics?
    /// The newest checkpoint of this run.
    public private(set) var lastCheckpoint: URL?
    /// Whether the metric of `settings.target` has been reached.
    public private(set) var hasReachedTarget = false
    /// Allocation and pruning of states; nil when no layer has a configuration for it.
    package let lifecycle: StateLifecycle?
    /// Duration of all steps, in seconds, for `settings.timeLimit`.
    private var seconds = 0.0
    private var waiting = TrainingSettings.EarlyStopping.Progress()
    private let key: RandomKey
    private var log: MetricsLog?
    /// Folder of the checkpoint that this run was resumed from.
    private var origin: URL?
    /// Checkpoints of an earlier run in the folder, to be deleted with that run's log when this run has saved its first
    /// checkpoint.
    private var replaced: [URL] = []
    /// The error after which the log can no longer be written.
    private var logError: TrainingError?
    /// The lock of the folder; `run` locks the folder itself when it is nil.
    package var lock: FolderLock?
    /// Whether the evaluation after this step is pending, because the run was stopped during it.
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
        lifecycle = StateLifecycle(model)
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

    /// Trains to the last step and saves a checkpoint at the end.
    /// - Parameter limit: step at which to stop earlier; nil for the last one.
    /// - Returns: the reason why the run ended.
    /// - Throws: `TrainingError`, `CheckpointError`.
    @discardableResult
    public func run(until limit: Int? = nil) throws -> StopReason {
        try settings.check(on: dataset)
        let given = lock
        defer {
            if given == nil { lock?.release() }
            lock = given
        }
        var isSaved = true
        if let folder {
            if given == nil {
                lock = try RunFolder(folder).lock()
                if let warning = lock?.warning { onEvent(.note("warning: \(warning)")) }
            }
            isSaved = try begin(in: RunFolder(folder))
        }
        let last = min(settings.steps, limit ?? settings.steps)
        var speed = SpeedMeter()
        var ending = isEvaluationDue ? nil : early
        if isEvaluationDue {
            evaluateNow()
            isSaved = isSaved && isEvaluationDue
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
                    TrainingEvent.Step(
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

    /// Appends to the log.
    ///
    /// An error ends the run after the step, with a checkpoint.
    private func record(_ fields: [(String, ConfigurationValue)]) {
        guard logError == nil else { return }
        do { try log?.write(fields) } catch { logError = error }
    }
    /// Saves a run that ends because of an error of its log.
    /// - Returns: the error, with the result of saving added.
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

    /// Creates the folder, and the log with the history of a resumed run.
    /// - Returns: whether the folder has the checkpoint of the present step: not when the run resumes from another folder.
    private func begin(in folder: RunFolder) throws -> Bool {
        let isElsewhere = origin.map { !FileIdentity.isSame($0, folder.url) } ?? false
        if overwrites && origin != nil && !isElsewhere { throw TrainingError.overwritesItself(path: folder.url.path) }
        replaced = try folder.prepare(at: isElsewhere ? 0 : step, overwriting: overwrites)
        if step == 0, origin == nil, !overwrites, let kept = try folder.keepLog() {
            onEvent(.note("warning: the metrics log of an earlier run was kept as \(kept.shortPath)"))
        }
        // An earlier run in the folder keeps its log until its checkpoints are deleted.
        let log = try MetricsLog(
            replaced.isEmpty ? folder.metrics : folder.url.appendingPathComponent("metrics.new.jsonl"),
            history: isElsewhere ? origin.map { RunFolder($0).metrics } : folder.metrics, keepingUntil: step)
        if log.unreadableCount > 0 {
            onEvent(.note("warning: \(log.unreadableCount) line(s) of the metrics log are damaged; they were kept"))
        }
        if let gap = log.gap { onEvent(.note("warning: \(gap)")) }
        self.log = log
        origin = folder.url
        // A second call of `run` continues the same run.
        overwrites = false
        return !isElsewhere
    }

    /// The reason to end the run before its last step; nil without one.
    private var early: StopReason? {
        if hasReachedTarget { return .targetReached }
        if let earlyStopping = settings.earlyStopping, waiting.waited >= earlyStopping.patience { return .noImprovement }
        if let limit = settings.timeLimit, seconds >= 60 * limit { return .timeLimit }
        return nil
    }

    /// Performs a step: batch, forward, backward, clip, update.
    /// - Returns: loss, gradient norm, and number of positions that were read, for the speed.
    private func trainStep() throws -> (loss: Double, norm: Double, positions: Int) {
        let batch = settings.trainingBatch(of: dataset, step: step, size: settings.batch, key: key)
        let context = ForwardContext(.train, key: key.fold("forward").fold(step), progress: settings.progress(at: step))
        context.tape.checksFinite = checksFinite
        context.observer = lifecycle
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

    /// Allocates and prunes states after a step, by the policies of the layers.
    private func updateLifecycle(loss: Double) {
        guard let lifecycle else { return }
        let trial = key.fold("life")
        let changes = lifecycle.finish(step: step, loss: loss, key: key) {
            let batch = settings.trainingBatch(of: dataset, step: step, size: settings.evaluationBatch, key: trial)
            return model.loss(batch, dataset.targetKind, ForwardContext(.evaluate)).value.item()
        }
        for (layer, change) in changes {
            let e = change.event
            if e.kind == .allocated {
                for p in layer.stateParameters { optimizer.resetMoments(at: change.index, axis: p.stateAxis!, of: p) }
            }
            onEvent(.lifecycle(e))
            record(MetricsLog.fields(e))
        }
    }

    /// Reports trainable parameters without a gradient, which are almost always an error in a model.
    private func reportUntouched(_ gradients: Gradients) {
        hasReportedUntouched = true
        let unused = model.stateLayers.flatMap(\.unusedParameters)
        let untouched = model.parameters.all.filter { p in
            p.isTrainable && gradients[p] == nil && !unused.contains { $0 === p }
        }.map(\.path)
        if !untouched.isEmpty { onEvent(.note("warning: no gradient reaches \(untouched.joined(separator: ", "))")) }
    }

    /// Evaluates and logs.
    ///
    /// If the run is stopped meanwhile or its log cannot be written, the evaluation remains pending.
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

    /// Saves `step-<n>.h5` in the run's folder and deletes old checkpoints.
    /// - Throws: `CheckpointError`; `TrainingError.folder` when the folder was replaced by that of another run.
    public func save() throws {
        guard let folder else { return }
        if let lock, !lock.isInPlace {
            guard RunFolder(folder).checkpoints().isEmpty else {
                throw TrainingError.folder(path: folder.path, reason: "was replaced by another folder that has checkpoints")
            }
            do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
                throw TrainingError.folder(path: folder.path, reason: "cannot be created: \(error.plainReason)")
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
        if let lifecycle { try a.encode(lifecycle.memory, document: "lifecycle") }
        return a
    }

    /// Restores the state of a run from a checkpoint.
    ///
    /// After an error the trainer is unchanged.
    /// - Throws: `CheckpointError` with every tensor that does not match, `TrainingError.otherData` when the dataset differs.
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
        // The lifecycle of a run whose configuration gained policies starts at this step.
        let memory =
            lifecycle == nil || archive.documents["lifecycle"] == nil
            ? nil : try archive.decode(StateLifecycle.Memory.self, document: "lifecycle")
        let restoreLifecycle: (() -> Void)?
        do { restoreLifecycle = try memory.flatMap { try lifecycle?.restoration(of: $0) } } catch let error as StoredValueError {
            throw CheckpointError.invalidDocument(path: archive.source ?? "the archive", name: "lifecycle", reason: "\(error)")
        }
        try model.load(archive)
        restoreLifecycle?()
        optimizer.restore(step: position.optimizerStep, moments)
        step = position.step
        tokens = position.tokens
        hasReachedTarget = position.hasReachedTarget
        waiting = position.earlyStopping ?? TrainingSettings.EarlyStopping.Progress()
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
        var earlyStopping: TrainingSettings.EarlyStopping.Progress?
        /// Duration of all steps, in seconds; absent without a time limit, so that equal runs have equal checkpoints.
        var seconds: Double?
        /// Whether the evaluation after this step was interrupted; absent otherwise.
        var isEvaluationDue: Bool?

        package var issues: [String] {
            var issues = RangeIssues()
            issues.check("step", step, in: StoredRange.steps)
            issues.check("optimizerStep", optimizerStep, in: StoredRange.steps)
            // A million sequences of a million positions at each step.
            issues.check("tokens", tokens, in: 0...1 << 62)
            issues.check("earlyStopping.waited", earlyStopping?.waited, in: StoredRange.steps)
            issues.check("seconds", seconds, in: 0...1e12)
            return issues.list
        }
    }
}
