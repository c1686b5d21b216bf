import NSTMConfiguration
import NSTMData
import NSTMModules

/// The number of parameters that models of a comparison should have, and the setting that is adjusted for it.
package struct ParameterTarget: Sendable, Equatable {
    /// Target number of trainable parameters.
    package var count: Int
    /// Tolerance, as a fraction of the count.
    package var tolerance: Double
    /// Key under `model` of an integer that increases the number of parameters; nil if models are not adjusted.
    package var key: String?
    /// Divisor of the values of the key.
    package var multiple: Int

    package init(count: Int, tolerance: Double = 0.02, key: String? = "hidden", multiple: Int = 8) {
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

    /// The key of a word; nil for `none`.
    static func key(_ word: String) -> String? { word == "none" ? nil : word }

    /// Checks the size of a model that is not adjusted.
    /// - Throws: `Issue` if it is out of tolerance.
    package func check(_ parameters: Int) throws {
        if !isNear(parameters) { throw Issue("it has \(parameters) parameters, outside \(range)") }
    }
    private func isNear(_ found: Int) -> Bool { abs(Double(found - count)) <= tolerance * Double(count) }
    private var range: String { "\(count) ± \(tolerance * 100) %" }

    /// The value of the key whose number of parameters is nearest to the count.
    /// - Parameter size: the number of parameters for a value; must be increasing.
    /// - Returns: the value and its number of parameters.
    /// - Throws: `Issue` if no value is within the tolerance.
    package func fit(_ size: (Int) throws -> Int) throws -> (value: Int, parameters: Int) {
        let name = key ?? "none"
        // The smallest value with at least `count` parameters, by doubling and bisection.
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
                    ? "with the smallest \(name), \(multiple), it has \(least) parameters, more than \(range)"
                    : "the nearest number of parameters to \(range) is \(found), with \(name) \(value)")
        }
        return (value, found)
    }

    /// The reason why a model cannot have the target size.
    package struct Issue: Error, CustomStringConvertible {
        package let description: String
        init(_ description: String) { self.description = description }
    }
}
