import Foundation
import NSTMConfiguration

/// The learning rate as a function of the step.
///
/// A value that holds the settings.
public protocol Schedule: Configurable where Scope == Int {
    /// - Parameter step: counted from 0.
    func learningRate(at step: Int) -> Double
}

extension Registry where Value == any Schedule, Scope == Int {
    /// Constant, linear and cosine.
    public static var standard: Self {
        var registry = Self("schedule", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) })
        registry.register(ConstantSchedule.self)
        registry.register(LinearSchedule.self)
        registry.register(CosineSchedule.self)
        return registry
    }
    /// Adds a schedule under the name of its type.
    public mutating func register<Rate: Schedule>(_ type: Rate.Type) { register(type.init()) }
}

extension Schedule where Self == ConstantSchedule {
    public static func constant(learningRate: Double, warmup: Int = 0) -> Self {
        var schedule = Self()
        schedule.learningRate = learningRate
        schedule.warmup = warmup
        return schedule
    }
}
extension Schedule where Self == LinearSchedule {
    /// - Parameter steps: of the whole run.
    public static func linear(learningRate: Double, minLearningRate: Double, warmup: Int = 0, steps: Int) -> Self {
        Self(learningRate: learningRate, minLearningRate: minLearningRate, warmup: warmup, steps: steps)
    }
}
extension Schedule where Self == CosineSchedule {
    /// - Parameter steps: of the whole run.
    public static func cosine(learningRate: Double, minLearningRate: Double, warmup: Int = 0, steps: Int) -> Self {
        Self(learningRate: learningRate, minLearningRate: minLearningRate, warmup: warmup, steps: steps)
    }
}

// MARK: Schedules

/// A linear warm-up from 0, then a constant learning rate.
public struct ConstantSchedule: Schedule {
    public static let type = "constant"
    public static let summary = "a linear warm-up, then a constant learning rate"
    /// Maximum learning rate, reached at the end of the warm-up.
    public var learningRate = 1e-3
    /// Steps of the warm-up; nil: a tenth of the run, at most 100.
    public var warmup: Int?
    public init() {}
    public mutating func read(_ reader: ConfigurationReader, _ steps: Int) {
        learningRate = reader.learningRate(learningRate)
        // Without effect, so that `type` alone makes another schedule constant.
        _ = reader.minLearningRate(nil, learningRate)
        warmup = reader.warmup(warmup, steps)
    }
    public func learningRate(at step: Int) -> Double { warmingUp(learningRate, step, warmup ?? 0) ?? learningRate }
}

/// A linear warm-up from 0, then linear decay to a minimum at the last step.
public struct LinearSchedule: Schedule {
    public static let type = "linear"
    public static let summary = "a linear warm-up, then linear decay to a minimum"
    /// Maximum learning rate, reached at the end of the warm-up.
    public var learningRate = 1e-3
    /// Learning rate at the last step; nil: a tenth of the maximum.
    public var minLearningRate: Double?
    /// Steps of the warm-up; nil: a tenth of the run, at most 100.
    public var warmup: Int?
    /// Steps of the run.
    public private(set) var steps = 0
    public init() {}
    fileprivate init(learningRate: Double, minLearningRate: Double, warmup: Int, steps: Int) {
        (self.learningRate, self.minLearningRate, self.warmup, self.steps) = (learningRate, minLearningRate, warmup, steps)
    }
    public mutating func read(_ reader: ConfigurationReader, _ steps: Int) {
        learningRate = reader.learningRate(learningRate)
        minLearningRate = reader.minLearningRate(minLearningRate, learningRate)
        warmup = reader.warmup(warmup, steps)
        self.steps = steps
    }
    public func learningRate(at step: Int) -> Double {
        let warmup = warmup ?? 0, end = minLearningRate ?? learningRate / 10
        return warmingUp(learningRate, step, warmup) ?? learningRate + (end - learningRate) * progress(step, warmup, steps)
    }
}

/// A linear warm-up from 0, then cosine decay to a minimum at the last step.
public struct CosineSchedule: Schedule {
    public static let type = "cosine"
    public static let summary = "a linear warm-up, then cosine decay to a minimum"
    /// Maximum learning rate, reached at the end of the warm-up.
    public var learningRate = 1e-3
    /// Learning rate at the last step; nil: a tenth of the maximum.
    public var minLearningRate: Double?
    /// Steps of the warm-up; nil: a tenth of the run, at most 100.
    public var warmup: Int?
    /// Steps of the run.
    public private(set) var steps = 0
    public init() {}
    fileprivate init(learningRate: Double, minLearningRate: Double, warmup: Int, steps: Int) {
        (self.learningRate, self.minLearningRate, self.warmup, self.steps) = (learningRate, minLearningRate, warmup, steps)
    }
    public mutating func read(_ reader: ConfigurationReader, _ steps: Int) {
        learningRate = reader.learningRate(learningRate)
        minLearningRate = reader.minLearningRate(minLearningRate, learningRate)
        warmup = reader.warmup(warmup, steps)
        self.steps = steps
    }
    public func learningRate(at step: Int) -> Double {
        let warmup = warmup ?? 0, end = minLearningRate ?? learningRate / 10
        return warmingUp(learningRate, step, warmup)
            ?? end + (learningRate - end) * 0.5 * (1 + cos(Double.pi * progress(step, warmup, steps)))
    }
}

// MARK: Parts

/// The learning rate of a step of the warm-up; nil after it.
private func warmingUp(_ learningRate: Double, _ step: Int, _ warmup: Int) -> Double? {
    step < warmup ? learningRate * Double(step + 1) / Double(warmup + 1) : nil
}
/// Completed share of the steps after the warm-up, in 0 … 1.
private func progress(_ step: Int, _ warmup: Int, _ steps: Int) -> Double {
    min(1, Double(step - warmup) / Double(max(1, steps - warmup)))
}

extension ConfigurationReader {
    fileprivate func learningRate(_ given: Double) -> Double { double("learning-rate", default: given, in: 0...1e3) }
    fileprivate func minLearningRate(_ given: Double?, _ learningRate: Double) -> Double {
        double("min-learning-rate", default: given ?? learningRate / 10, in: 0...1e3)
    }
    fileprivate func warmup(_ given: Int?, _ steps: Int) -> Int {
        int("warmup", default: given ?? min(100, steps / 10), in: 0...1_000_000_000)
    }
}
