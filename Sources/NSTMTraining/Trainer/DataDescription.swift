import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMData
import NSTMIO
import NSTMLayers
import NSTMModules
import NSTMOptim
import NSTMTensor

/// The description of a model's training data in a checkpoint, which suffices to build the model without the data.
package struct DataDescription: StoredValue, Sendable, Equatable {
    /// Name of the dataset.
    package var name: String
    /// Fingerprint of the data.
    package var fingerprint: String
    /// Type and size of the inputs.
    package var input: InputKind
    /// Type and size of the targets.
    package var target: TargetKind

    package var issues: [String] { issues(sizes: 1...Int(Int32.max)) }
    /// - Parameter sizes: valid range of vocabularies, widths and numbers of classes.
    func issues(sizes: ClosedRange<Int>) -> [String] {
        var issues = RangeIssues()
        func check(_ input: InputKind, _ name: String, _ issues: inout RangeIssues) {
            switch input {
            case .tokens(let size): issues.check("\(name).vocabulary", size, in: sizes)
            case .features(let size): issues.check("\(name).width", size, in: sizes)
            case .streams(let parts):
                issues.check("\(name).streams", parts.count, in: 1...64)
                for part in parts.prefix(64) {
                    if case .streams = part {
                        issues.demand(false, "\(name).streams are nested")
                    } else {
                        check(part, name, &issues)
                    }
                }
            }
        }
        check(input, "input", &issues)
        switch target {
        case .nextToken(let size), .answers(let size): issues.check("target.vocabulary", size, in: sizes)
        case .binary(let size), .values(let size): issues.check("target.width", size, in: sizes)
        case .classes(let size): issues.check("target.classes", size, in: sizes)
        }
        return issues.list
    }
}
