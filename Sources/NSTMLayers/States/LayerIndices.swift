/// The indices of layers by path, for observers of a pass.
package struct LayerIndices: Sendable {
    private let indices: [String: Int]

    /// - Parameter paths: distinct paths of the layers.
    package init(_ paths: [String]) {
        indices = Dictionary(uniqueKeysWithValues: paths.enumerated().map { ($1, $0) })
    }
    /// Index of the layer with this path, or with a part with this path, such as its rule; nil for other paths.
    package subscript(path: String) -> Int? {
        indices[path] ?? path.lastIndex(of: ".").flatMap { indices[String(path[..<$0])] }
    }
}
