/// The operations that `einsum` needs of its operands.
package protocol EinsumOperand {
    /// Sizes of the axes.
    var shape: Shape { get }
    /// The operand with its axes in another order.
    func permuted(_ axes: [Int]) -> Self
    /// The operand in another shape.
    func reshaped(_ dims: [Int]) -> Self
    /// The operand with an axis of size 1 inserted.
    func unsqueezed(axis: Int) -> Self
    /// Sum over axes.
    func sum(axes: [Int]?, keepDims: Bool) -> Self
    /// The diagonal of two axes, as the last axis.
    func diagonal(_ a: Int, _ b: Int) -> Self
    /// The product of the matrices in the last two axes.
    func matmul(_ other: Self, transposeSelf: Bool, transposeOther: Bool) -> Self
    /// The elementwise product, with broadcasting.
    static func * (a: Self, b: Self) -> Self
}

/// A sum of products in Einstein's convention.
///
/// Operands are contracted from left to right; each step is a batched matrix product over views, or an element-wise product if no
/// index is summed.
package struct Einsum {
    private let subscripts: String
    private let path: String
    /// The subscripts of each operand and of the result.
    ///
    /// A letter is its Unicode value; the axes under an ellipsis count −1, −2, … from the last.
    private var inputs: [[Int]] = []
    private var output: [Int] = []

    package static func evaluate<X: EinsumOperand>(_ subscripts: String, _ operands: [X], path: String) -> X {
        Einsum(subscripts, operands.map(\.shape), path).run(operands)
    }

    private func fail(_ what: String) -> Never { nstmFatal(.other(op: "einsum \"\(subscripts)\"", what), at: path) }
    private func name(_ label: Int) -> String { label < 0 ? "..." : "'\(Character(Unicode.Scalar(UInt32(label))!))'" }

    // MARK: Reading

    private init(_ subscripts: String, _ shapes: [Shape], _ path: String) {
        (self.subscripts, self.path) = (subscripts, path)
        let text = subscripts.filter { $0 != " " }, arrow = text.firstRange(of: "->")
        let terms = (arrow.map { text[..<$0.lowerBound] } ?? text[...]).split(separator: ",", omittingEmptySubsequences: false)
        guard terms.count == shapes.count else { fail("\(terms.count) terms for \(shapes.count) operands") }
        inputs = zip(terms, shapes).enumerated().map { read($1.0, of: "operand \($0)", $1.1) }
        checkSizes(shapes)
        let ellipsis = inputs.joined().filter { $0 < 0 }.min().map { Array($0 ... -1) } ?? []
        if let arrow {
            let term = text[arrow.upperBound...]
            let labels = read(term, of: "the result", nil), hidden = term.contains(".") ? ellipsis : []
            output = labels.flatMap { $0 == 0 ? hidden : [$0] }
            for (i, label) in output.enumerated() {
                if output[..<i].contains(label) { fail("\(name(label)) is repeated in the result") }
                if !inputs.joined().contains(label) { fail("\(name(label)) of the result is in no operand") }
            }
            if !ellipsis.isEmpty && hidden.isEmpty { fail("the result has no ellipsis") }
        } else {
            // Implicit result: the ellipsis, then what occurs once, in order of the alphabet.
            var times: [Int: Int] = [:]
            for label in inputs.joined() { times[label, default: 0] += 1 }
            output = ellipsis + times.filter { $0.value == 1 && $0.key > 0 }.keys.sorted()
        }
    }
    /// Labels of a term; 0 stands for the ellipsis of the result.
    private func read(_ term: Substring, of what: String, _ shape: Shape?) -> [Int] {
        var labels: [Int] = [], rest = term, dots: Int?
        while let c = rest.first {
            if rest.hasPrefix("...") {
                if dots != nil { fail("two ellipses in \(what)") }
                dots = labels.count
                rest = rest.dropFirst(3)
            } else {
                guard c.isASCII, c.isLetter, let scalar = c.unicodeScalars.first else {
                    fail("'\(c)' in \(what) is not a letter")
                }
                labels.append(Int(scalar.value))
                rest = rest.dropFirst()
            }
        }
        guard let shape else {
            if let dots { labels.insert(0, at: dots) }
            return labels
        }
        let hidden = shape.rank - labels.count
        guard hidden == 0 || (hidden > 0 && dots != nil) else {
            fail("'\(term)' names \(labels.count) axes, \(what) has shape \(shape)")
        }
        if let dots, hidden > 0 { labels.insert(contentsOf: -hidden ... -1, at: dots) }
        return labels
    }
    private func checkSizes(_ shapes: [Shape]) {
        var known: [Int: (size: Int, operand: Int)] = [:]
        for (i, labels) in inputs.enumerated() {
            for (axis, label) in labels.enumerated() {
                let size = shapes[i][axis]
                guard let first = known[label], first.size != size else {
                    known[label] = known[label] ?? (size, i)
                    continue
                }
                // Only what an ellipsis stands for broadcasts.
                if label < 0 && first.size == 1 { known[label] = (size, i) }
                if label < 0 && (first.size == 1 || size == 1) { continue }
                fail("\(name(label)) has size \(first.size) in operand \(first.operand), \(size) in operand \(i)")
            }
        }
    }

    // MARK: Computing

    private func run<X: EinsumOperand>(_ operands: [X]) -> X {
        var size: [Int: Int] = [:]
        for (x, labels) in zip(operands, inputs) {
            for (axis, label) in labels.enumerated() { size[label] = max(size[label] ?? 0, x.shape[axis]) }
            for (axis, label) in labels.enumerated() where x.shape[axis] == 0 { size[label] = 0 }
        }
        var result: (x: X, labels: [Int])?
        for (i, operand) in operands.enumerated() {
            let later = inputs[(i + 1)...].joined() + output
            let (x, labels) = simplified(operand, inputs[i], size, keeping: Set(later).union(result?.labels ?? []))
            result = result.map { contracted($0.x, $0.labels, x, labels, keeping: Set(later)) } ?? (x, labels)
            // Labels that neither a later operand nor the result needs.
            result = simplified(result!.x, result!.labels, size, keeping: Set(later))
        }
        let (x, labels) = result!
        return labels == output ? x : x.permuted(output.map { labels.firstIndex(of: $0)! })
    }

    /// Takes diagonals of repeated labels, removes broadcast axes, and sums over labels that no other operand has.
    private func simplified<X: EinsumOperand>(_ x: X, _ labels: [Int], _ size: [Int: Int], keeping: Set<Int>) -> (
        x: X, labels: [Int]
    ) {
        var x = x, labels = labels, axis = 0
        while axis < labels.count {
            let label = labels[axis]
            if let other = labels[(axis + 1)...].firstIndex(of: label) {
                if x.shape[axis] != x.shape[other] {
                    fail("\(name(label)) has sizes \(x.shape[axis]) and \(x.shape[other]) in one operand")
                }
                x = x.diagonal(axis, other)
                labels.remove(at: other)
                labels.remove(at: axis)
                labels.append(label)
            } else {
                axis += 1
            }
        }
        let gone = labels.indices.filter { !keeping.contains(labels[$0]) || (x.shape[$0] == 1 && size[labels[$0]] != 1) }
        if gone.isEmpty { return (x, labels) }
        return (x.sum(axes: gone, keepDims: false), labels.indices.filter { !gone.contains($0) }.map { labels[$0] })
    }

    private func contracted<X: EinsumOperand>(_ a: X, _ la: [Int], _ b: X, _ lb: [Int], keeping: Set<Int>) -> (
        x: X, labels: [Int]
    ) {
        let shared = la.filter(lb.contains), batch = shared.filter(keeping.contains),
            summed = shared.filter { !keeping.contains($0) }
        let left = la.filter { !lb.contains($0) }, right = lb.filter { !la.contains($0) }
        let labels = batch + left + right
        func order(_ wanted: [Int], _ labels: [Int]) -> [Int] { wanted.map { labels.firstIndex(of: $0)! } }
        if summed.isEmpty {
            var x = view(a, order(batch + left, la)), y = view(b, order(batch + right, lb))
            for _ in right { x = x.unsqueezed(axis: -1) }
            for _ in left { y = y.unsqueezed(axis: batch.count) }
            return (x * y, labels)
        }
        // The last two groups keep their order in memory, so that a matrix product can read them without a copy.
        func isOrdered(_ group: [Int], after other: [Int], in labels: [Int]) -> Bool {
            (group.first.flatMap(labels.firstIndex) ?? 0) > (other.first.flatMap(labels.firstIndex) ?? 0)
        }
        let ta = isOrdered(left, after: summed, in: la), tb = !isOrdered(right, after: summed, in: lb)
        let x = matrix(
            view(a, order(batch + (ta ? summed + left : left + summed), la)), batch.count, ta ? summed.count : left.count)
        let y = matrix(
            view(b, order(batch + (tb ? right + summed : summed + right), lb)), batch.count, tb ? right.count : summed.count)
        let product = x.matmul(y, transposeSelf: ta, transposeOther: tb)
        if left.count == 1 && right.count == 1 { return (product, labels) }
        let sizes = order(left, la).map { a.shape[$0] } + order(right, lb).map { b.shape[$0] }
        return (product.reshaped(product.shape.dims.prefix(batch.count) + sizes), labels)
    }
    private func view<X: EinsumOperand>(_ x: X, _ order: [Int]) -> X { order == Array(0..<order.count) ? x : x.permuted(order) }
    /// Axes [batch..., rows..., columns...] as [batch..., rows, columns].
    private func matrix<X: EinsumOperand>(_ x: X, _ batch: Int, _ rows: Int) -> X {
        let dims = x.shape.dims
        if rows == 1 && dims.count == batch + 2 { return x }
        return x.reshaped(
            dims.prefix(batch) + [dims[batch..<batch + rows].reduce(1, *), dims[(batch + rows)...].reduce(1, *)])
    }
}

extension Tensor: EinsumOperand {}

/// Sum of products by subscripts (Einstein's convention), as in NumPy and PyTorch: `einsum("bqd,bkd->bqk", q, k)`.
///
/// Every operand has a term with a letter for each axis. Letters that are not in the result are summed over; a letter repeated in
/// a term takes the diagonal; `...` stands for axes that broadcast. Without `->` the result has the letters that occur once, in
/// order of the alphabet, after the ellipsis. Operands are contracted from left to right.
/// - Returns: axes in the order of the result's letters. Stops the program with the subscript if the sizes do not fit.
public func einsum(_ subscripts: String, _ operands: Tensor...) -> Tensor { Einsum.evaluate(subscripts, operands, path: "") }
