/// Which of several layers shows something to an observer of a pass.
public struct LayerIndices: Sendable {
    private let places: [String: Int]

    /// - Parameter paths: of the layers, no two alike.
    public init(_ paths: [String]) {
        places = Dictionary(uniqueKeysWithValues: paths.enumerated().map { ($1, $0) })
    }
    /// The layer that has this path, or a part with this path, such as its rule; nil for others.
    public subscript(path: String) -> Int? {
        places[path] ?? path.lastIndex(of: ".").flatMap { places[String(path[..<$0])] }
    }
}
