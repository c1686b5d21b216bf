import Foundation
import NSTMAutograd
import NSTMData
import NSTMIO
import NSTMLayers
import NSTMModules
import NSTMOptim
import NSTMTensor

/// Trains a model on a dataset, step by step, with checkpoints from which it goes on to the bit.
///
/// Everything random is a function of (seed, step, path, purpose), and a batch is a function of (seed, step): the position of a
/// run is its step counter, and a run resumed from a checkpoint is the run that never stopped.
public final class Trainer {
    public let model: SequenceModel
    public let dataset: any Dataset
    public let settings: TrainingSettings
    public let optimizer: Optimizer
    /// Where checkpoints and metrics go; nil writes nothing.
    public let folder: URL?
    /// Stored with every checkpoint.
    public var configuration: ConfigValue = .null
    public var tokenizer: CharacterTokenizer?
    /// Told of everything that happens.
    public var onEvent: (TrainingEvent) -> Void = { _ in }
    /// Asked after every step; true saves and ends the run.
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
    /// Whether the metric of `settings.stop` has been reached.
    public private(set) var isSolved = false
    /// How states live and die; nil when no layer has a plan for that.
    public let life: Lifecycle?
    /// Spent on steps, when `settings.minutes` limits it.
    private var seconds = 0.0
    private var waiting = Plateau.Progress()
    private let key: RandomKey
    private var log: MetricsLog?
    /// The folder of the checkpoint that this run resumed from.
    private var origin: URL?
    /// Checkpoints of an earlier run in the folder. They and that run's log go once this run has a checkpoint of its own.
    private var replaced: [URL] = []
    private var hasReportedUntouched = false

    public init(
        model: SequenceModel, dataset: any Dataset, settings: TrainingSettings, seed: Int = 1, folder: URL? = nil
    ) {
        self.model = model
        self.dataset = dataset
        self.settings = settings
        self.folder = folder
        key = RandomKey(UInt64(seed)).fold("training")
        optimizer = Optimizer(settings.method, decay: settings.decay)
        life = Lifecycle(model)
    }

    /// Why a run ended.
    public enum Ending: Sendable, Equatable {
        case finished
        /// The metric of `settings.stop` was reached.
        case solved
        /// The metric of `settings.plateau` improves no more.
        case settled
        /// The minutes of `settings` are over.
        case outOfTime
        /// `until` was reached, or `shouldStop` said so.
        case stopped
    }

    /// Trains to the last step, or to `until`, and saves a checkpoint at the end.
    /// - Throws: `TrainingError`, `CheckpointError`.
    @discardableResult
    public func run(until limit: Int? = nil) throws -> Ending {
        let known = Metrics.names(for: dataset.targetKind)
        for metric in [settings.stop?.metric, settings.plateau?.metric].compactMap(\.self) where !known.contains(metric) {
            throw TrainingError.noSuchMetric(metric, dataset: dataset.name, known: known)
        }
        if let early { return early }
        if let folder { try begin(in: RunFolder(folder)) }
        let last = min(settings.steps, limit ?? settings.steps)
        var saved = step
        var speed = SpeedMeter()
        var ending = Ending.finished
        while step < last {
            let start = DispatchTime.now().uptimeNanoseconds
            let (loss, norm, count) = try MatmulPrecision.$current.withValue(settings.matmulPrecision) { try trainStep() }
            let took = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
            seconds += took
            speed.add(tokens: count, seconds: took)
            let rate = settings.schedule.rate(step - 1)
            onEvent(
                .step(
                    StepReport(
                        step: step, steps: last, loss: loss, rate: rate, gradientNorm: norm,
                        tokensPerSecond: speed.tokensPerSecond,
                        secondsLeft: speed.secondsPerStep * Double(last - step))))
            try log?.write([
                ("step", .int(step)), ("loss", .double(loss)), ("rate", .double(rate)), ("gradient-norm", .double(norm)),
                ("tokens", .int(tokens)), ("tokens-per-second", .double(Double(count) / took)),
            ])
            try liveOn(loss: loss)
            if step % settings.evaluationInterval == 0 || step == settings.steps || early == .outOfTime {
                let metrics = try evaluateNow()
                isSolved = settings.stop?.isReached(by: metrics) ?? false
                settings.plateau?.add(metrics, to: &waiting)
            }
            if let early {
                ending = early
                break
            }
            if step < settings.steps && shouldStop() {
                ending = .stopped
                break
            }
            if folder != nil && step % settings.checkpointInterval == 0 {
                try save()
                saved = step
            }
        }
        if ending == .finished && step < settings.steps { ending = .stopped }
        if folder != nil && saved != step { try save() }
        return ending
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
    private var early: Ending? {
        if isSolved { return .solved }
        if let plateau = settings.plateau, waiting.waited >= plateau.patience { return .settled }
        if let minutes = settings.minutes, seconds >= 60 * minutes { return .outOfTime }
        return nil
    }

    /// One step: batch, forward, backward, clip, update.
    /// - Returns: also how many positions were read, for the speed.
    private func trainStep() throws -> (loss: Double, norm: Double, positions: Int) {
        let batch = dataset.trainingBatch(step: step, size: settings.batch, key: key)
        let context = ForwardContext(.train, key: key.fold("forward").fold(step))
        context.tape.checksFinite = checksFinite
        context.observer = life
        let task = taskLoss(model(batch.streams, context), batch, dataset.targetKind)
        var loss = task
        for (_, extra) in context.auxiliaryLosses { loss = loss + extra }
        var gradients = loss.backward()
        let norm = gradients.globalNorm, value = task.value.item()
        guard norm.isFinite, value.isFinite else {
            throw TrainingError.nonFinite(
                step: step + 1, loss: value, gradient: gradients.firstNonFinite.map { "\($0.path)[\($0.index)]" },
                checkpoint: lastCheckpoint?.path)
        }
        var scale = 1.0
        switch settings.clipping {
        case .none: break
        case .norm(let bound): if norm > bound { scale = bound / norm }
        case .value(let bound): gradients = gradients.clamped(to: bound)
        }
        if !hasReportedUntouched { reportUntouched(gradients) }
        optimizer.update(gradients, rate: settings.schedule.rate(step), scale: scale)
        step += 1
        tokens += batch.tokenCount
        return (value, norm, batch.positionCount)
    }

    /// Lets policies decide which states are born and die, after a step.
    private func liveOn(loss: Double) throws {
        guard let life else { return }
        let trial = key.fold("life")
        let changes = life.finish(step: step, loss: loss, key: key) {
            let batch = dataset.trainingBatch(step: step, size: settings.evaluationBatch, key: trial)
            return taskLoss(model(batch.inputs, ForwardContext(.evaluate)), batch, dataset.targetKind).value.item()
        }
        for (layer, change) in changes {
            let e = change.event
            if e.kind == .birth {
                for p in layer.stateParameters { optimizer.forget(change.place, axis: p.stateAxis!, of: p) }
            }
            onEvent(.life(e))
            try log?.write(e)
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

    private func evaluateNow() throws -> Metrics {
        let metrics = evaluate(
            model, on: dataset.evaluationBatches(size: settings.evaluationBatch, limit: settings.evaluationLimit),
            target: dataset.targetKind)
        lastMetrics = metrics
        onEvent(.evaluated(step: step, metrics))
        try log?.write([("step", .int(step))] + metrics.pairs.map { ("validation-" + $0.name, .double($0.value)) })
        return metrics
    }

    // MARK: Checkpoints

    /// Saves `step-<n>.h5` in the run's folder and removes old ones.
    public func save() throws {
        guard let folder else { return }
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
                step: step, optimizerStep: optimizer.step, optimizer: optimizer.method.name, tokens: tokens,
                data: dataset.fingerprint, isSolved: isSolved, plateau: settings.plateau == nil ? nil : waiting,
                seconds: settings.minutes == nil ? nil : seconds),
            document: "training")
        try a.encode(
            DataDescription(
                name: dataset.name, fingerprint: dataset.fingerprint, input: dataset.inputKind, target: dataset.targetKind),
            document: "data")
        try a.encode(RunEnvironment.current, document: "environment")
        if let tokenizer { try a.encode(tokenizer, document: "tokenizer") }
        if let life { try a.encode(life.memory, document: "life") }
        return a
    }

    /// Goes on where a checkpoint was saved. Nothing is changed when it does not fit.
    /// - Throws: `CheckpointError` naming every tensor that does not fit, `TrainingError.otherData` when the dataset differs.
    public func restore(_ archive: CheckpointArchive) throws {
        let position = try archive.decode(Position.self, document: "training")
        guard position.data == dataset.fingerprint else {
            throw TrainingError.otherData(dataset: dataset.name, saved: position.data, found: dataset.fingerprint)
        }
        guard position.optimizer == optimizer.method.name else {
            throw TrainingError.otherOptimizer(saved: position.optimizer, found: optimizer.method.name)
        }
        let moments = archive.tensors(under: "optimizer")
        let names = Set(moments.map(\.path))
        // A parameter that never had a gradient has no moments; all others have all of them.
        let expected = optimizer.slotNames.flatMap { slot in
            model.parameters.all.filter { p in optimizer.slotNames.contains { names.contains("\($0)/\(p.path)") } }
                .map { ("\(slot)/\($0.path)", $0.value.shape, $0.value.dtype) }
        }
        try archive.tensors(under: "optimizer", matching: expected)
        // A run that has only now got policies begins their work with this step.
        let memory =
            life == nil || archive.documents["life"] == nil ? nil : try archive.decode(Lifecycle.Memory.self, document: "life")
        let takeMemory: (() -> Void)?
        do { takeMemory = try memory.flatMap { try life?.restoration(of: $0) } } catch let error as StoredValueError {
            throw CheckpointError.invalidDocument(path: archive.source ?? "the archive", name: "life", reason: "\(error)")
        }
        try model.load(archive)
        takeMemory?()
        optimizer.restore(step: position.optimizerStep, moments)
        step = position.step
        tokens = position.tokens
        isSolved = position.isSolved
        waiting = position.plateau ?? Plateau.Progress()
        seconds = position.seconds ?? 0
        lastCheckpoint = archive.source.map { URL(fileURLWithPath: $0) }
        origin = lastCheckpoint?.deletingLastPathComponent()
    }

    package struct Position: StoredValue {
        package var step: Int
        var optimizerStep: Int
        package var optimizer: String
        package var tokens: Int
        var data: String
        var isSolved: Bool
        var plateau: Plateau.Progress?
        /// Absent without a limit: what a clock says would make equal runs differ.
        var seconds: Double?

        package var faults: [String] {
            var faults = RangeFaults()
            faults.check("step", step, in: StoredRange.steps)
            faults.check("optimizerStep", optimizerStep, in: StoredRange.steps)
            // A million sequences of a million positions at each of the steps.
            faults.check("tokens", tokens, in: 0...1 << 62)
            faults.check("plateau.waited", plateau?.waited, in: StoredRange.steps)
            faults.check("seconds", seconds, in: 0...1e12)
            return faults.list
        }
    }
}

/// What a model was trained on, as a checkpoint tells it: enough to build the model again without the data.
public struct DataDescription: StoredValue, Sendable, Equatable {
    public var name: String
    public var fingerprint: String
    public var input: InputKind
    public var target: TargetKind

    public var faults: [String] { faults(sizes: 1...Int(Int32.max)) }
    /// - Parameter sizes: what vocabularies, widths and numbers of classes may be.
    func faults(sizes: ClosedRange<Int>) -> [String] {
        var faults = RangeFaults()
        func check(_ input: InputKind, _ name: String, _ faults: inout RangeFaults) {
            switch input {
            case .tokens(let size): faults.check("\(name).vocabulary", size, in: sizes)
            case .features(let size): faults.check("\(name).width", size, in: sizes)
            case .streams(let parts):
                faults.check("\(name).streams", parts.count, in: 1...64)
                for part in parts.prefix(64) {
                    if case .streams = part {
                        faults.demand(false, "\(name).streams are nested")
                    } else {
                        check(part, name, &faults)
                    }
                }
            }
        }
        check(input, "input", &faults)
        switch target {
        case .nextToken(let size), .answers(let size): faults.check("target.vocabulary", size, in: sizes)
        case .binary(let size): faults.check("target.width", size, in: sizes)
        case .classes(let size): faults.check("target.classes", size, in: sizes)
        }
        return faults.list
    }
}

extension SequenceModel {
    /// Takes the parameters of a checkpoint over; nothing is changed when they do not fit.
    /// - Throws: `CheckpointError.tensorMismatch` naming every missing, unexpected and different tensor; `invalidValues` for masks and
    ///   identities of states that are none.
    public func load(_ archive: CheckpointArchive) throws {
        let all = parameters.all
        let values = try archive.tensors(under: "model", matching: all.map { ($0.path, $0.value.shape, $0.value.dtype) })
        let faults = stateLayers.flatMap { layer in layer.manager.faults { values[$0.index] } }
        guard faults.isEmpty else {
            throw CheckpointError.invalidValues(path: archive.source ?? "the archive", faults: faults)
        }
        for (parameter, value) in zip(all, values) { parameter.value = value }
    }
}

extension SequenceModel {
    /// - Throws: `TrainingError.tooLong` when a dataset has sequences beyond the learned positions.
    public func check(takes dataset: any Dataset) throws {
        guard let positions = longestSequence else { return }
        let length = max(dataset.contextLength, dataset.evaluationLength)
        guard length <= positions else {
            throw TrainingError.tooLong(dataset: dataset.name, length: length, positions: positions)
        }
    }
}

/// Why training cannot go on.
public enum TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
    /// - Parameter checkpoint: the newest one of the run; nil: there is none.
    case nonFinite(step: Int, loss: Double, gradient: String?, checkpoint: String?)
    case otherData(dataset: String, saved: String, found: String)
    case otherOptimizer(saved: String, found: String)
    case log(path: String, reason: String)
    /// The folder cannot be made or used.
    case folder(path: String, reason: String)
    /// The folder has the checkpoints of another run, or later ones of this run.
    case folderInUse(path: String, newest: String, step: Int)
    /// A run would delete what it resumes from.
    case overwritesItself(path: String)
    case noSuchMetric(String, dataset: String, known: [String])
    /// Sequences go beyond a model's learned positions.
    case tooLong(dataset: String, length: Int, positions: Int)

    public var description: String {
        switch self {
        case .nonFinite(let step, let loss, let gradient, let checkpoint):
            "step \(step): loss \(loss)\(gradient.map { ", first non-finite gradient at \($0)" } ?? ""). "
                + "Nothing was updated; "
                + (checkpoint.map { "the last checkpoint is \($0)" } ?? "this run has saved no checkpoint yet")
                + ". Lower the learning rate, or clip; --check-finite names the operation."
        case .otherData(let dataset, let saved, let found):
            "the checkpoint was trained on other data than this '\(dataset)': "
                + "fingerprint \(saved.prefix(16))…, found \(found.prefix(16))…"
        case .otherOptimizer(let saved, let found):
            "the checkpoint holds the state of '\(saved)', the configuration asks for '\(found)'"
        case .log(let path, let reason): "\(path): \(reason)"
        case .folder(let path, let reason): "\(path): \(reason)"
        case .folderInUse(let path, let newest, let step):
            "\(path): holds checkpoints up to \(newest), and the run would begin at step \(step). Nothing was changed. "
                + "Resume from that checkpoint (--resume), write to another folder (--output), or throw those away (--overwrite)."
        case .overwritesItself(let path):
            "\(path): is the folder of the checkpoint that the run resumes from, which overwriting would delete. Nothing was "
                + "changed. Write to another folder."
        case .tooLong(let dataset, let length, let positions):
            "the dataset '\(dataset)' has sequences of \(length) positions, the model only \(positions) (model.positions)"
        case .noSuchMetric(let name, let dataset, let known):
            "training cannot stop at '\(name)': the dataset '\(dataset)' has \(known.joined(separator: ", "))"
        }
    }
}

/// Speed over the last steps, an exponential mean.
private struct SpeedMeter {
    private var tokens = 0.0, seconds = 0.0, steps = 0.0
    mutating func add(tokens n: Int, seconds s: Double) {
        tokens = 0.98 * tokens + Double(n)
        seconds = 0.98 * seconds + s
        steps = 0.98 * steps + 1
    }
    var tokensPerSecond: Double { tokens / max(seconds, 1e-9) }
    var secondsPerStep: Double { seconds / max(steps, 1e-9) }
}
