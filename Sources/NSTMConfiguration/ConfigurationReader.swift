import Foundation

/// A reader of typed values from a map, which records all issues so that they are reported together.
///
/// Reading never throws: after an issue the reader returns the default, or another valid value, and records the issue. Readers of
/// nested maps share the list of issues. A key with the value null is treated as absent.
///
///     let reader = ConfigurationReader(value, path: "model")
///     let width = reader.int("width", default: 128, in: 1...4096)
///     let router = Router(reader.child("router"))
///     reader.finish()
///     try reader.throwIfInvalid()
public final class ConfigurationReader {
    /// Path of the map, such as `model.router`; empty for the root.
    public var path: String { node.path }
    private let node: Node
    private let tree: Tree

    /// A reader of a map.
    ///
    /// Any value other than a map or null is recorded as an issue.
    public convenience init(_ value: ConfigurationValue, path: String = "") {
        let tree = Tree(Node(path: path))
        self.init(tree.root, tree)
        open(value)
    }
    private init(_ node: Node, _ tree: Tree) {
        self.node = node
        self.tree = tree
    }

    // MARK: Scalars

    /// The integer of a key, in a range.
    ///
    /// A double without a fraction, such as `1e5`, is accepted.
    /// - Parameters:
    ///   - default: the value of an absent key; nil makes the key required.
    ///   - range: valid values, such as `1...4096` or `0...`.
    public func int(_ key: String, default: Int? = nil, in range: some ValidRange<Int>) -> Int {
        number(key, `default`, range, "int", zero: 0, ConfigurationReader.asInt, ConfigurationValue.int)
    }
    /// The integer of a key.
    ///
    /// A double without a fraction, such as `1e5`, is accepted.
    /// - Parameter default: the value of an absent key; nil makes the key required.
    public func int(_ key: String, default: Int? = nil) -> Int { int(key, default: `default`, in: Int.min...Int.max) }
    /// An integer, or the default for an absent key, which may be nil.
    public func optionalInt(_ key: String, default: Int? = nil, in range: some ValidRange<Int>) -> Int? {
        if `default` == nil { describe(key, "int", ConfigurationValue.null, range: range.text) }
        return isAbsent(key) && `default` == nil ? none(key) : int(key, default: `default`, in: range)
    }

    /// The double of a key, in a range.
    ///
    /// An integer is accepted; NaN is out of every range.
    /// - Parameters:
    ///   - default: the value of an absent key; nil makes the key required.
    ///   - range: valid values, such as `0...1`.
    public func double(_ key: String, default: Double? = nil, in range: some ValidRange<Double>) -> Double {
        number(key, `default`, range, "double", zero: 0, ConfigurationReader.asDouble, ConfigurationValue.double)
    }
    /// The double of a key.
    ///
    /// An integer is accepted, NaN is not.
    /// - Parameter default: the value of an absent key; nil makes the key required.
    public func double(_ key: String, default: Double? = nil) -> Double {
        double(key, default: `default`, in: -Double.infinity...Double.infinity)
    }
    /// A double, or the default for an absent key, which may be nil.
    public func optionalDouble(_ key: String, default: Double? = nil, in range: some ValidRange<Double>)
        -> Double?
    {
        if `default` == nil { describe(key, "double", ConfigurationValue.null, range: range.text) }
        return isAbsent(key) && `default` == nil ? none(key) : double(key, default: `default`, in: range)
    }

    /// The boolean of a key.
    /// - Parameter default: the value of an absent key; nil makes the key required.
    public func bool(_ key: String, default: Bool? = nil) -> Bool {
        scalar(
            key, `default`, "bool", placeholder: false, { if case .bool(let b) = $0 { b } else { nil } }, ConfigurationValue.bool)
    }
    /// The string of a key.
    /// - Parameter default: the value of an absent key; nil makes the key required.
    public func string(_ key: String, default: String? = nil) -> String {
        scalar(key, `default`, "string", placeholder: "", ConfigurationReader.asString, ConfigurationValue.string)
    }
    /// The path of a file.
    ///
    /// A relative one begins at the current folder, and the resolved configuration has the full path, so that it means the same
    /// file from everywhere. Where a file is stored does not make a configuration another one: `fileKeys` names such keys.
    /// - Parameters:
    ///   - default: nil: the key is required.
    ///   - locate: the full path of a file that is now stored elsewhere, by the one that the configuration has.
    public func file(_ key: String, default: String? = nil, locating locate: (String) -> String = { $0 }) -> String {
        let path = string(key, default: `default`)
        guard !path.isEmpty else { return path }
        let full = locate(URL(fileURLWithPath: (path as NSString).expandingTildeInPath).path)
        node.record(key, .string(full))
        tree.fileKeys.insert(join(key))
        return full
    }
    /// The full paths of all keys that were read with `file`.
    public var fileKeys: Set<String> { tree.fileKeys }
    /// The string of a key; nil for an absent key.
    public func optionalString(_ key: String) -> String? {
        describe(key, "string", ConfigurationValue.null)
        return isAbsent(key) ? none(key) : string(key)
    }

    /// The unparsed value of a key, for a part that is read elsewhere; nil for an absent key.
    public func value(_ key: String) -> ConfigurationValue? {
        guard let value = present(key) else { return none(key) }
        node.record(key, value)
        return value
    }

    // MARK: Choices

    /// The name that a key selects from a list.
    /// - Parameter default: the value of an absent key; nil makes the key required.
    public func choice(_ key: String, of names: [String], default: String? = nil) -> String {
        let first = `default` ?? names.first ?? ""
        describe(key, "string", `default`.map(ConfigurationValue.string), choices: names)
        let name = scalar(key, `default`, "string", placeholder: first, ConfigurationReader.asString, ConfigurationValue.string)
        guard !names.contains(name) else { return name }
        addIssue(key, .unknownChoice, "'\(name)' is not a choice; \(hint(name, "choices", names))")
        return first
    }
    /// The case of an enumeration that a key selects by its raw value.
    public func choice<Choice>(_ key: String, default: Choice) -> Choice
    where Choice: RawRepresentable<String> & CaseIterable {
        Choice(rawValue: choice(key, of: Choice.allCases.map(\.rawValue), default: `default`.rawValue)) ?? `default`
    }
    /// The case of an enumeration that a key selects by its raw value; the key is required.
    public func choice<Choice>(_ key: String, as type: Choice.Type) -> Choice
    where Choice: RawRepresentable<String> & CaseIterable {
        let cases = Array(Choice.allCases)
        guard let first = cases.first else {
            fatalError("ConfigurationReader.choice: \(Choice.self) has no cases; at \(join(key))")
        }
        return Choice(rawValue: choice(key, of: cases.map(\.rawValue))) ?? first
    }
    // MARK: Lists

    /// The list of integers of a key, each in a range.
    /// - Parameter default: the value of an absent key; nil makes the key required.
    public func ints(_ key: String, default: [Int]? = nil, in range: some ValidRange<Int>) -> [Int] {
        list(key, `default`, "int", ConfigurationReader.asInt, ConfigurationValue.int) { ConfigurationReader.issue($0, range) }
    }
    /// The list of integers of a key.
    /// - Parameter default: the value of an absent key; nil makes the key required.
    public func ints(_ key: String, default: [Int]? = nil) -> [Int] { ints(key, default: `default`, in: Int.min...Int.max) }
    /// An integer that applies to all elements, or a list with an integer per element.
    ///
    /// The caller checks the length of the list.
    public func intOrInts(_ key: String, default: Int, in range: some ValidRange<Int>) -> IntOrInts {
        guard case .list? = present(key) else { return .one(int(key, default: `default`, in: range)) }
        let list = ints(key, in: range)
        if list.isEmpty { addIssue(key, .rule, "the list is empty") }
        return .each(list.isEmpty ? [`default`] : list)
    }
    /// An integer for all elements of something, or an integer per element.
    public enum IntOrInts: Sendable, Equatable {
        /// The same integer for all elements.
        case one(Int)
        /// One integer per element; not empty.
        case each([Int])
    }
    /// The list of doubles of a key, each in a range.
    /// - Parameter default: the value of an absent key; nil makes the key required.
    public func doubles(_ key: String, default: [Double]? = nil, in range: some ValidRange<Double>)
        -> [Double]
    {
        list(key, `default`, "double", ConfigurationReader.asDouble, ConfigurationValue.double) {
            ConfigurationReader.issue($0, range)
        }
    }
    /// The list of strings of a key.
    /// - Parameter default: the value of an absent key; nil makes the key required.
    public func strings(_ key: String, default: [String]? = nil) -> [String] {
        list(key, `default`, "string", ConfigurationReader.asString, ConfigurationValue.string) { _ in nil }
    }

    // MARK: Maps

    /// The reader of a nested map, an empty one when the key is absent.
    ///
    /// All readers of a key share their record of read keys.
    public func child(_ key: String) -> ConfigurationReader {
        if let known = node.children[key]?.first { return ConfigurationReader(known, tree) }
        node.note(key)
        return open(present(key) ?? .map([:]), key, join(key))
    }
    /// The readers of a list of maps, with paths such as `layers[0]`; empty when the key is absent.
    public func children(_ key: String) -> [ConfigurationReader] {
        if let known = node.children[key] { return known.map { ConfigurationReader($0, tree) } }
        node.note(key)
        node.children[key] = []
        node.lists.insert(key)
        guard let value = present(key) else { return [] }
        guard case .list(let list) = value else {
            addIssue(key, .wrongType, "expected a list of maps, found \(value.summary)")
            return []
        }
        return list.enumerated().map { open($1, key, "\(join(key))[\($0)]") }
    }

    // MARK: Keys

    /// Whether a key is present and not null.
    ///
    /// Does not count as reading it.
    public func contains(_ key: String) -> Bool { present(key) != nil }

    /// Records that the value of a key violates a rule of the caller, such as a relation between two keys.
    public func addIssue(_ key: String, _ message: String) { addIssue(key, .rule, message) }

    /// Declares that all keys have been read: keys that are never read become issues, here and in all nested maps.
    public func finish() { node.isFinished = true }

    /// All issues recorded so far in the whole configuration, in the order of reading; unknown keys come last.
    public var issues: [ConfigurationError.Issue] { tree.issues + tree.root.unknownKeys(finished: false) }

    /// Throws if any issue was recorded.
    /// - Throws: `ConfigurationError` with all issues of the whole configuration, not only of this reader's map.
    public func throwIfInvalid() throws(ConfigurationError) {
        let issues = issues
        if !issues.isEmpty { throw ConfigurationError(issues) }
    }

    /// All values as they were read, defaults included, in the order of reading; stored in checkpoints.
    ///
    /// Reading it again gives the same values.
    public var resolved: ConfigurationValue { node.resolved }

    /// The keys of this map that have been read, in the order of first reading, without those of children.
    package var fields: [ConfigurationField] { node.fields }
    /// Issues found so far, without unknown keys.
    var issueCount: Int { tree.issues.count }

    // MARK: Implementation

    private func join(_ key: String) -> String { path.isEmpty ? key : path + "." + key }
    private func present(_ key: String) -> ConfigurationValue? {
        let value = node.map[key]
        return value == .null ? nil : value
    }
    private func isAbsent(_ key: String) -> Bool { present(key) == nil }
    /// Notes what is read; the first description of a key counts.
    private func describe(
        _ key: String, _ type: String, _ fallback: ConfigurationValue?, range: String? = nil, choices: [String] = []
    ) {
        guard !node.fields.contains(where: { $0.key == key }) else { return }
        node.fields.append(ConfigurationField(key: key, type: type, fallback: fallback, range: range, choices: choices))
    }
    func addIssue(_ key: String, _ kind: ConfigurationError.Issue.Kind, _ message: String) {
        tree.issues.append(ConfigurationError.Issue(path: join(key), kind: kind, message: message))
    }
    private func none<T>(_ key: String) -> T? {
        node.record(key, .null)
        return nil
    }

    private func open(_ value: ConfigurationValue) {
        switch value {
        case .map(let map): node.map = map
        case .null: break
        default:
            tree.issues.append(
                ConfigurationError.Issue(path: path, kind: .wrongType, message: "expected a map, found \(value.summary)"))
        }
    }
    private func open(_ value: ConfigurationValue, _ key: String, _ path: String) -> ConfigurationReader {
        let child = ConfigurationReader(Node(path: path), tree)
        child.open(value)
        node.children[key, default: []].append(child.node)
        return child
    }

    private func scalar<T>(
        _ key: String, _ fallback: T?, _ type: String, placeholder: T, _ read: (ConfigurationValue) -> T?,
        _ write: (T) -> ConfigurationValue
    ) -> T {
        var result = fallback ?? placeholder
        describe(key, type, fallback.map(write))
        if let value = present(key) {
            if let read = read(value) {
                result = read
            } else {
                addIssue(key, .wrongType, "expected \(type), found \(value.summary)")
            }
        } else if fallback == nil {
            addIssue(key, .missing, "required, but missing (\(type))")
        }
        node.record(key, write(result))
        return result
    }
    private func number<T: Comparable>(
        _ key: String, _ fallback: T?, _ range: some ValidRange<T>, _ type: String, zero: T,
        _ read: (ConfigurationValue) -> T?,
        _ write: (T) -> ConfigurationValue
    ) -> T {
        describe(key, type, fallback.map(write), range: range.text)
        let value = scalar(key, fallback, type, placeholder: range.nearest(to: zero), read, write)
        guard let message = ConfigurationReader.issue(value, range) else { return value }
        addIssue(key, .outOfRange, message)
        return fallback ?? range.nearest(to: value)
    }
    private func list<T>(
        _ key: String, _ fallback: [T]?, _ type: String, _ read: (ConfigurationValue) -> T?, _ write: (T) -> ConfigurationValue,
        _ issue: (T) -> String?
    ) -> [T] {
        func elements(_ value: ConfigurationValue) -> [T]? {
            guard case .list(let list) = value else { return nil }
            let elements = list.compactMap(read)
            return elements.count == list.count ? elements : nil
        }
        let values = scalar(key, fallback, "a list of \(type)s", placeholder: [], elements) { .list($0.map(write)) }
        let messages = values.enumerated().compactMap { i, value in issue(value).map { "element \(i): \($0)" } }
        guard !messages.isEmpty else { return values }
        addIssue(key, .outOfRange, messages.joined(separator: "; "))
        return fallback ?? []
    }
    private static func issue<T>(_ value: T, _ range: some ValidRange<T>) -> String? {
        range.contains(value) ? nil : "\(value) is outside \(range.text)"
    }

    private static func asInt(_ value: ConfigurationValue) -> Int? {
        switch value {
        case .int(let i): i
        case .double(let d): Int(exactly: d)
        default: nil
        }
    }
    private static func asDouble(_ value: ConfigurationValue) -> Double? {
        switch value {
        case .int(let i): Double(i)
        case .double(let d): d
        case .string(".inf"): .infinity
        case .string("-.inf"): -.infinity
        case .string(".nan"): .nan
        default: nil
        }
    }
    private static func asString(_ value: ConfigurationValue) -> String? { if case .string(let s) = value { s } else { nil } }

    /// One map of the configuration with the record of what was read from it.
    private final class Node {
        let path: String
        var map: ConfigurationValue.Map = [:]
        /// Nodes of nested maps by key; several for a list of maps.
        var children: [String: [Node]] = [:]
        /// The keys of `children` that are lists of maps.
        var lists: Set<String> = []
        var isFinished = false
        var fields: [ConfigurationField] = []
        private var values: [String: ConfigurationValue] = [:]
        /// Keys that were read, in the order of first reading.
        private var keysRead: [String] = []

        init(path: String) { self.path = path }

        func note(_ key: String) { if !keysRead.contains(key) { keysRead.append(key) } }
        func record(_ key: String, _ value: ConfigurationValue) {
            note(key)
            values[key] = value
        }
        var resolved: ConfigurationValue {
            var result = ConfigurationValue.Map()
            for key in keysRead {
                if let nodes = children[key] {
                    result[key] = lists.contains(key) ? .list(nodes.map(\.resolved)) : nodes[0].resolved
                } else {
                    result[key] = values[key]
                }
            }
            return .map(result)
        }
        /// An issue per unread key.
        ///
        /// Computed on demand rather than in `finish()`, so that the order in which a map and its nested maps are read and
        /// finished does not matter.
        func unknownKeys(finished: Bool) -> [ConfigurationError.Issue] {
            let finished = finished || isFinished
            let own = finished ? map.keys.filter { !keysRead.contains($0) } : []
            let issues = own.map { key in
                ConfigurationError.Issue(
                    path: path.isEmpty ? key : path + "." + key, kind: .unknownKey,
                    message: "unknown key; " + hint(key, "keys", keysRead.sorted()))
            }
            return issues + keysRead.flatMap { children[$0] ?? [] }.flatMap { $0.unknownKeys(finished: finished) }
        }
    }
    /// The state that all readers of a configuration share.
    private final class Tree {
        let root: Node
        var fileKeys: Set<String> = []
        var issues: [ConfigurationError.Issue] = []
        init(_ root: Node) { self.root = root }
    }
}
