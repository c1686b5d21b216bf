import NSTMTensor

/// The gradients of one backward pass, in the order of declaration of the parameters: a value that can be added, scaled and
/// reduced over workers.
public struct Gradients {
    struct Entry {
        let parameter: Parameter
        var value: Tensor
    }
    private(set) var entries: [Entry]

    init(_ entries: [Entry]) {
        self.entries = entries
        // Models use their parameters nearly in the order of declaration.
        let indices = entries.lazy.map(\.parameter.index)
        if zip(indices, indices.dropFirst()).contains(where: { $0 > $1 }) {
            self.entries.sort { $0.parameter.index < $1.parameter.index }
        }
    }

    public var paths: [String] { entries.map(\.parameter.path) }
    public subscript(path: String) -> Tensor? { entries.first { $0.parameter.path == path }?.value }
    public subscript(parameter: Parameter) -> Tensor? { position(of: parameter).map { entries[$0].value } }

    /// Index of the gradient of a parameter with the same path.
    private func position(of parameter: Parameter) -> Int? {
        var low = 0, high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].parameter.index < parameter.index { low = middle + 1 } else { high = middle }
        }
        return entries[low...].prefix { $0.parameter.index == parameter.index }.firstIndex { $0.parameter.path == parameter.path }
    }

    /// Calls the body for each parameter and its gradient, in order of declaration.
    public func forEach(_ body: (Parameter, Tensor) throws -> Void) rethrows {
        for e in entries { try body(e.parameter, e.value) }
    }
    public static func + (a: Gradients, b: Gradients) -> Gradients {
        var entries = a.entries
        for e in b.entries {
            if let i = a.position(of: e.parameter) { entries[i].value.add(e.value) } else { entries.append(e) }
        }
        return Gradients(entries)
    }
    public func scaled(by factor: Double) -> Gradients {
        Gradients(entries.map { Entry(parameter: $0.parameter, value: $0.value.affine(factor)) })
    }
    /// Every gradient with its elements limited to ±bound (clipping by value).
    public func clamped(to bound: Double) -> Gradients {
        Gradients(entries.map { Entry(parameter: $0.parameter, value: $0.value.clamped(min: -bound, max: bound)) })
    }
    /// The Euclidean norm of all gradients together.
    public var globalNorm: Double {
        withScratch(byteCount: entries.count * MemoryLayout<Double>.stride) { scratch in
            let squares = scratch.assumingMemoryBound(to: Double.self)
            Parallel.for(entries.count) { squares[$0] = entries[$0].value.sumOfSquares() }
            return (0..<entries.count).reduce(0) { $0 + squares[$1] }.squareRoot()
        }
    }
    /// Path and index of the first gradient element that is NaN or infinite.
    public var firstNonFinite: (path: String, index: Int)? {
        for e in entries { if let i = e.value.firstNonFinite() { return (e.parameter.path, i) } }
        return nil
    }
    /// Path of the parameter whose gradient has the element that is largest by magnitude, and that magnitude.
    public var largestElement: (path: String, magnitude: Double)? {
        entries.map { e in (e.parameter.path, e.value.doubles().reduce(0) { max($0, abs($1)) }) }.max { $0.1 < $1.1 }
    }
}
