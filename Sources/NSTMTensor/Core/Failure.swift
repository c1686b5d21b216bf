extension Tensor {
    /// An error in the operands of an operation.
    ///
    /// Operations stop the program with it.
    public enum ShapeError: Error, Sendable, Equatable, CustomStringConvertible {
        case broadcast(op: String, Shape, Shape)
        case inner(op: String, lhs: Shape, rhs: Shape, lhsInner: Int, rhsInner: Int)
        case reshape(from: Shape, to: [Int])
        case dtype(op: String, got: DType, want: String)
        case other(op: String, String)

        public var description: String {
            switch self {
            case .broadcast(let op, let a, let b): "\(op): shapes \(a) and \(b) do not broadcast together"
            case .inner(let op, let l, let r, let a, let b): "\(op): inner sizes differ: lhs \(l) has \(a), rhs \(r) has \(b)"
            case .reshape(let from, let to): "reshape: \(from) (\(from.count) elements) cannot become \(to)"
            case .dtype(let op, let got, let want): "\(op): got \(got), needs \(want)"
            case .other(let op, let what): "\(op): \(what)"
            }
        }
    }
}

/// Stops the program for a programming error, with the module path.
///
/// It uses `fatalError`, because optimized builds drop the message of a `precondition`.
@inline(never)
public func nstmFatal(_ error: Tensor.ShapeError, at path: String = "", file: StaticString = #fileID, line: UInt = #line) -> Never
{
    fatalError("\(path.isEmpty ? "" : "in '\(path)': ")\(error)", file: file, line: line)
}
