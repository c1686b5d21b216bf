import Foundation

/// Grayscale images of one size, one byte per pixel, with class labels.
package struct LabeledImages: Sendable, Equatable {
    /// Rows of an image.
    package let height: Int
    /// Columns of an image.
    package let width: Int
    /// [count, height, width] in row-major order.
    package let pixels: [UInt8]
    /// Class of each image, [count].
    package let labels: [UInt8]
    /// Number of images.
    package var count: Int { labels.count }

    /// Reads an image file and a label file in the idx format.
    /// - Parameters:
    ///   - classes: number of classes; labels are in 0..<classes.
    ///   - issues: receives all issues, each with the path of its file; the result is nil if there are any.
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
            let invalid = all.indices.filter { all[$0] >= classes }
            if let first = invalid.first {
                let more = invalid.count > 1 ? " (\(invalid.count - 1) more)" : ""
                issues.append(
                    "\(labels.path): label \(all[first]) at index \(first)\(more); labels must be in 0...\(classes - 1)")
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
