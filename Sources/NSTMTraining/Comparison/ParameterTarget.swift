import NSTMConfiguration
import NSTMData
import NSTMModules

/// How many parameters models should have so that they can be compared, and which of their settings may be changed for it.
public struct ParameterTarget: Sendable, Equatable {
    public var count: Int
    /// As a share of the count.
    public var tolerance: Double
    /// A key under `model`, an integer with which the count grows; nil when the model must have its size already.
    public var key: String?
    /// The key's value is a multiple of it.
    public var multiple: Int

    public init(count: Int, tolerance: Double = 0.02, key: String? = "hidden", multiple: Int = 8) {
        self.count = count
        self.tolerance = tolerance
        self.key = key
        self.multiple = multiple
    }

    /// Reads `count`, `tolerance`, `key` and `multiple`; nil without a count.
    init?(_ config: ConfigurationReader) {
        guard let count = config.optionalInt("count", in: 1...1_000_000_000_000) else { return nil }
        self.init(
            count: count, tolerance: config.double("tolerance", default: 0.02, in: 0...1),
            key: ParameterTarget.key(config.string("key", default: "hidden")),
            multiple: config.int("multiple", default: 8, in: 1...65_536))
    }

    /// `none` stands for no key.
    static func key(_ word: String) -> String? { word == "none" ? nil : word }

    /// - Throws: `Issue` for a model without a key whose size is another one.
    package func check(_ parameters: Int) throws {
        if !isNear(parameters) { throw Issue("it has \(parameters) parameters, which is not within \(range)") }
    }
    private func isNear(_ found: Int) -> Bool { abs(Double(found - count)) <= tolerance * Double(count) }
    private var range: String { "\(count) ± \(tolerance * 100) %" }

    /// The value of the key that comes nearest to the count.
    /// - Parameter size: the number of parameters at a value; grows with it.
    /// - Returns: value and number of parameters.
    package func fit(_ size: (Int) throws -> Int) throws -> (value: Int, parameters: Int) {
        let name = key ?? "none"
        // The smallest value with enough parameters, by doubling and then halving the interval.
        var low = 0, high = 1, above = try size(multiple), below = 0
        let least = above
        while above < count && high < 1 << 20 {
            (low, below) = (high, above)
            high *= 2
            above = try size(high * multiple)
            if above <= below { throw Issue("\(name) does not change the number of parameters, \(above)") }
        }
        while high - low > 1 {
            let middle = (low + high) / 2, found = try size(middle * multiple)
            if found >= count { (high, above) = (middle, found) } else { (low, below) = (middle, found) }
        }
        let isBelowNearer = low > 0 && count - below <= above - count
        let (value, found) = isBelowNearer ? (low * multiple, below) : (high * multiple, above)
        guard isNear(found) else {
            throw Issue(
                least > count
                    ? "it has \(least) parameters already with \(name) \(multiple), which is more than \(range)"
                    : "\(found) parameters with \(name) \(value) is as near as it comes to \(range)")
        }
        return (value, found)
    }

    package struct Issue: Error, CustomStringConvertible {
        package let description: String
        init(_ description: String) { self.description = description }
    }
}
