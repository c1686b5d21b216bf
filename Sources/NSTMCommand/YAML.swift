import Foundation
import NSTM
import Yams

extension ConfigurationValue {
    /// The value of a configuration file in YAML with scalars, lists and maps.
    ///
    /// Tags, anchors and aliases are errors, because they make configurations hard to read.
    /// - Throws: `ConfigurationError` with the file and line of every issue.
    public init(yamlFile url: URL) throws {
        let bytes: Data
        do { bytes = try InputFile.read(url, atMost: InputFile.largestConfiguration) } catch {
            throw ConfigurationError([
                ConfigurationError.Issue(path: url.path, kind: .missing, message: "cannot be read: \(error.reason)")
            ])
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ConfigurationError([ConfigurationError.Issue(path: url.path, kind: .syntax, message: "is not UTF-8 text")])
        }
        try self.init(yamlDocument: text, name: url.path)
    }

    package init(yamlDocument text: String, name: String) throws(ConfigurationError) {
        // A byte order mark is allowed, and is not part of the first key.
        let text = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
        func issue(_ mark: Mark?, _ message: String) -> ConfigurationError {
            ConfigurationError([
                ConfigurationError.Issue(path: mark.map { "\(name):\($0.line)" } ?? name, kind: .syntax, message: message)
            ])
        }
        let node: Node?
        do { node = try Yams.compose(yaml: text) } catch {
            switch error as? YamlError {
            case .scanner(_, let problem, let mark, _)?, .parser(_, let problem, let mark, _)?,
                .composer(_, let problem, let mark, _)?:
                throw issue(mark, problem)
            case .duplicatedKeysInMapping(let keys, let context)?:
                throw issue(context.mark, "duplicate key \(keys.map { "'\($0)'" }.joined(separator: ", "))")
            case .reader(let problem, _, _, _)?: throw issue(nil, problem)
            default: throw issue(nil, "\(error)")
            }
        }
        guard let node else {
            self = .map([:])
            return
        }
        var reader = NodeReader(name: name)
        self = reader.value(node)
        guard reader.issues.isEmpty else { throw ConfigurationError(reader.issues) }
    }
}

private struct NodeReader {
    let name: String
    var issues: [ConfigurationError.Issue] = []
    /// Types and positions of all nodes so far.
    ///
    /// An alias is parsed as a copy of its anchor's node, with the same position.
    private var positions: Set<String> = []

    init(name: String) { self.name = name }

    mutating func value(_ node: Node) -> ConfigurationValue {
        let mark = node.mark
        guard issues.count < 20, isNew(node) else { return .null }
        switch node {
        case .scalar(let scalar):
            // Quotes alone make a string tag.
            let isString = scalar.style != .plain && scalar.tag.description == "tag:yaml.org,2002:str"
            if !isImplicit(scalar.tag) && !isString { addIssue(mark, "tags such as \(scalar.tag.description) are not supported") }
            return scalar.style == .plain ? ConfigurationValue(yaml: scalar.string) : .string(scalar.string)
        case .sequence(let list):
            if !isImplicit(list.tag) { addIssue(mark, "tags such as \(list.tag.description) are not supported") }
            return .list(list.map { value($0) })
        case .mapping(let map):
            if !isImplicit(map.tag) { addIssue(mark, "tags such as \(map.tag.description) are not supported") }
            var result = ConfigurationValue.Map()
            for (key, element) in map {
                guard case .scalar(let key) = key else {
                    addIssue(key.mark ?? mark, "a key must be a plain word")
                    continue
                }
                // For the parser, `a` and `"a"` are different keys because their tags differ.
                if result[key.string] != nil { addIssue(key.mark ?? mark, "duplicate key '\(key.string)'") }
                result[key.string] = value(element)
            }
            return .map(result)
        case .alias: return .null
        }
    }

    private func isImplicit(_ tag: Tag) -> Bool { ["", "!"].contains(tag.description) }
    private mutating func addIssue(_ mark: Mark?, _ message: String) {
        issues.append(ConfigurationError.Issue(path: mark.map { "\(name):\($0.line)" } ?? name, kind: .syntax, message: message))
    }
    private mutating func isNew(_ node: Node) -> Bool {
        let kind: String
        switch node {
        case .scalar(let scalar):
            // Empty scalars have no extent, so that two of them can have the same position.
            if scalar.string.isEmpty { return true }
            kind = "scalar"
        case .sequence: kind = "sequence"
        case .mapping: kind = "mapping"
        case .alias: kind = "alias"
        }
        guard let mark = node.mark, kind != "alias", positions.insert("\(kind) \(mark)").inserted else {
            addIssue(node.mark, "the value that starts here is referenced by an alias; aliases are not supported")
            return false
        }
        return true
    }
}
