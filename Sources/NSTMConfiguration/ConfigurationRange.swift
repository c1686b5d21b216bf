import Foundation

/// A range of valid values that can be shown to a user.
public protocol ConfigurationRange<Bound>: RangeExpression {
    /// As it is written in Swift.
    var text: String { get }
    /// A value of the range, for a caller to go on with after an issue.
    func nearest(to value: Bound) -> Bound
}

extension ClosedRange: ConfigurationRange {
    public var text: String { "\(lowerBound)...\(upperBound)" }
    public func nearest(to value: Bound) -> Bound { contains(value) ? value : value > upperBound ? upperBound : lowerBound }
}

extension Range: ConfigurationRange {
    public var text: String { "\(lowerBound)..<\(upperBound)" }
    public func nearest(to value: Bound) -> Bound { contains(value) ? value : lowerBound }
}

extension PartialRangeFrom: ConfigurationRange {
    public var text: String { "\(lowerBound)..." }
    public func nearest(to value: Bound) -> Bound { contains(value) ? value : lowerBound }
}
