import Foundation
import NSTMTensor

/// A power law L(x) = a + b·x^(−c) of a loss by parameters, data or compute.
///
/// With a = 0 it is that of Kaplan et al., "Scaling laws for neural language models" (2020); with a > 0 that of Henighan et al.,
/// "Scaling laws for autoregressive generative modeling" (2020), where a is the irreducible loss.
package struct PowerLaw: Sendable, Equatable {
    /// a, the irreducible loss.
    package var floor: Double
    /// b.
    package var scale: Double
    /// c, positive for a decreasing loss.
    package var exponent: Double
    package init(floor: Double = 0, scale: Double, exponent: Double) {
        self.floor = floor
        self.scale = scale
        self.exponent = exponent
    }
    /// L(x).
    package func callAsFunction(_ x: Double) -> Double { floor + scale * pow(x, -exponent) }

    /// The least-squares fit of a power law.
    ///
    /// With a = 0 it is a linear regression of the logarithms. Otherwise it minimizes squared relative errors: the best a ≥ 0 and
    /// b for a given c are a linear problem, so that only c is searched, in 0.01...4.
    /// - Parameters:
    ///   - x: positive values; at least two different ones, or three with `irreducible`.
    ///   - y: the losses, positive, one per x.
    ///   - irreducible: whether a is fitted; otherwise it is 0.
    /// - Returns: nil when the values do not allow a fit.
    package static func fit(_ x: [Double], _ y: [Double], irreducible: Bool = false) -> PowerLaw? {
        guard x.count == y.count, x.allSatisfy({ $0 > 0 && $0.isFinite }), y.allSatisfy({ $0 > 0 && $0.isFinite }),
            Set(x).count >= (irreducible ? 3 : 2)
        else { return nil }
        let logs = x.map { log($0) }, middle = logs.reduce(0, +) / Double(x.count)
        // Centered, so that the powers are near 1.
        let centered = logs.map { $0 - middle }
        guard irreducible else {
            let logLosses = y.map { log($0) }, mean = logLosses.reduce(0, +) / Double(y.count)
            let covariance = zip(centered, logLosses).reduce(0) { $0 + $1.0 * ($1.1 - mean) }
            let exponent = covariance / centered.reduce(0) { $0 + $1 * $1 }
            return PowerLaw(scale: exp(mean - exponent * middle), exponent: -exponent)
        }
        let exponents = (0...160).map { 0.01 * pow(400, Double($0) / 160) }
        let errors = exponents.map { linear(centered, y, $0).error }
        let best = errors.indices.min { errors[$0] < errors[$1] }!
        var low = exponents[max(0, best - 1)], high = exponents[min(160, best + 1)]
        // Golden-section search.
        let ratio = (5.0.squareRoot() - 1) / 2
        for _ in 0..<60 {
            let left = high - ratio * (high - low), right = low + ratio * (high - low)
            if linear(centered, y, left).error < linear(centered, y, right).error { high = right } else { low = left }
        }
        let exponent = (low + high) / 2, found = linear(centered, y, exponent)
        return PowerLaw(floor: found.a, scale: found.b * exp(exponent * middle), exponent: exponent)
    }
    /// The best a ≥ 0 and b for an exponent c, by least squares of (y − a − b·e^(−c·t)) / y.
    private static func linear(_ t: [Double], _ y: [Double], _ c: Double) -> (a: Double, b: Double, error: Double) {
        var uu = 0.0, uv = 0.0, vv = 0.0, u = 0.0, v = 0.0
        for (t, y) in zip(t, y) {
            let p = 1 / y, q = exp(-c * t) / y
            uu += p * p
            uv += p * q
            vv += q * q
            u += p
            v += q
        }
        let determinant = uu * vv - uv * uv
        var a = (u * vv - v * uv) / determinant, b = (v * uu - u * uv) / determinant
        if !(a > 0) { (a, b) = (0, v / vv) }
        let error = zip(t, y).reduce(0.0) { sum, point in
            let rest = 1 - (a + b * exp(-c * point.0)) / point.1
            return sum + rest * rest
        }
        return (a, b, error)
    }

    /// A fit with 95 % confidence intervals from a bootstrap of its residuals.
    package struct Estimate: Sendable, Equatable {
        /// The fit.
        package let law: PowerLaw
        /// Interval of c; nil with too few points.
        package let exponent: ClosedRange<Double>?
        /// Interval of a; nil with too few points, or if a is not fitted.
        package let floor: ClosedRange<Double>?
        /// Root mean square of the relative errors.
        package let error: Double
        /// Number of points.
        package let points: Int
    }
    /// The fit with intervals between the 2.5 and 97.5 percentiles of fits to resampled residuals (Efron 1979), which are scaled
    /// by √(n/(n − p)) for p fitted parameters.
    /// - Parameters:
    ///   - x: positive values; at least two different ones, or three with `irreducible`.
    ///   - y: the losses, positive, one per x.
    ///   - irreducible: whether a is fitted; otherwise it is 0.
    ///   - resamples: number of bootstrap samples.
    ///   - key: random key of the bootstrap.
    /// - Returns: nil when the values do not allow a fit.
    package static func estimate(
        _ x: [Double], _ y: [Double], irreducible: Bool = false, resamples: Int = 1000, key: RandomKey = RandomKey(0)
    ) -> Estimate? {
        guard let law = fit(x, y, irreducible: irreducible) else { return nil }
        let residuals = zip(x, y).map { log($1 / law($0)) }, n = x.count, fitted = irreducible ? 3 : 2
        let error = (zip(x, y).reduce(0) { $0 + pow(law($1.0) / $1.1 - 1, 2) } / Double(n)).squareRoot()
        guard n > fitted, resamples > 1 else {
            return Estimate(law: law, exponent: nil, floor: nil, error: error, points: n)
        }
        let width = (Double(n) / Double(n - fitted)).squareRoot()
        let laws = (0..<resamples).compactMap { i -> PowerLaw? in
            let key = key.fold("bootstrap").fold(i)
            let other = x.indices.map { law(x[$0]) * exp(width * residuals[key.integer($0, below: n)]) }
            return fit(x, other, irreducible: irreducible)
        }
        func interval(_ values: [Double]) -> ClosedRange<Double>? {
            guard values.count > 1 else { return nil }
            let sorted = values.sorted(), last = Double(values.count - 1)
            return sorted[Int((0.025 * last).rounded())]...sorted[Int((0.975 * last).rounded())]
        }
        return Estimate(
            law: law, exponent: interval(laws.map(\.exponent)), floor: irreducible ? interval(laws.map(\.floor)) : nil,
            error: error, points: n)
    }
}
