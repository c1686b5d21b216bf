import Foundation

/// Gray images of one size, one byte a pixel, with a class for each.
public struct LabeledImages: Sendable, Equatable {
    public let height: Int
    public let width: Int
    /// [count, height, width], row by row.
    public let pixels: [UInt8]
    /// [count]
    public let labels: [UInt8]
    public var count: Int { labels.count }

    /// Reads an image file and a label file in the idx format.
    /// - Parameters:
    ///   - classes: labels go from 0 to one less.
    ///   - issues: gets everything that is wrong, each with the file's name; nil is returned then.
    init?(images: URL, labels: URL, classes: Int, issues: inout [String]) {
        func read(_ file: URL, rank: Int) -> IDXFile? {
            do { return try IDXFile(contentsOf: file, rank: rank) } catch {
                issues += error.list.map { "\(file.path): \($0)" }
                return nil
            }
        }
        let before = issues.count
        let imageFile = read(images, rank: 3), labelFile = read(labels, rank: 1)
        if let dims = imageFile?.dims, dims.contains(0) {
            issues.append("\(images.path): has \(dims[0]) images of \(dims[1]) × \(dims[2]) pixels")
        }
        if let all = labelFile?.elements {
            let wrong = all.indices.filter { all[$0] >= classes }
            if let first = wrong.first {
                let more = wrong.count > 1 ? " (\(wrong.count - 1) more)" : ""
                issues.append(
                    "\(labels.path): label \(all[first]) at index \(first)\(more); labels go from 0 to \(classes - 1)")
            }
        }
        if let imageFile, let labelFile, imageFile.dims[0] != labelFile.dims[0] {
            issues.append(
                "\(images.path) has \(imageFile.dims[0]) images, \(labels.path) has \(labelFile.dims[0]) labels")
        }
        guard let image = imageFile, let label = labelFile, issues.count == before else { return nil }
        height = image.dims[1]
        width = image.dims[2]
        pixels = image.elements
        self.labels = label.elements
    }
}
