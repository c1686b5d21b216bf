import Foundation

extension ConfigurationReader {
    /// A range of valid values with a text for error messages.
    public protocol ValidRange<Bound>: RangeExpression {
        /// The range in Swift's notation, such as `1...4096`.
        var text: String { get }
        /// The value of the range that is nearest to a value, as the result of a read that recorded an issue.
        func nearest(to value: Bound) -> Bound
    }
}

extension ClosedRange: ConfigurationReader.ValidRange {
    public var text: String { "\(lowerBound)...\(upperBound)" }
    public func nearest(to value: Bound) -> Bound { contains(value) ? value : value > upperBound ? upperBound : lowerBound }
}

extension Range: ConfigurationReader.ValidRange {
    public var text: String { "\(lowerBound)..<\(upperBound)" }
    public func nearest(to value: Bound) -> Bound { contains(value) ? value : lowerBound }
}

extension PartialRangeFrom: ConfigurationReader.ValidRange {
    public var text: String { "\(lowerBound)..." }
    public func nearest(to value: Bound) -> Bound { contains(value) ? value : lowerBound }
}
