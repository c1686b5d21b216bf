/// One key of a map as it was read: its type, default and range.
package struct ConfigurationField: Sendable, Equatable {
    package let key: String
    /// Such as `int` or `a list of ints`.
    package let type: String
    /// The default; `null` for an optional key without a default, nil for a required key.
    package let fallback: ConfigurationValue?
    /// Valid values of a number; nil for other types.
    package let range: String?
    /// Valid values of a name; empty for other types.
    package let choices: [String]
    /// The setting with which the key is read, such as `against: states`; nil: it always is.
    package internal(set) var condition: String?
    /// Whether the default depends on the scope.
    package internal(set) var defaultDependsOnScope = false
    /// Whether the range depends on the scope.
    package internal(set) var rangeDependsOnScope = false
}

/// A registered type with its settings.
package struct TypeDescription: Sendable, Equatable {
    package let type: String
    package let summary: String
    /// In the order of reading.
    package let fields: [ConfigurationField]
}

extension Registry {
    /// All types, sorted by name.
    ///
    /// The settings are the keys that are read from an empty map, and those that are read with another choice of a name or
    /// another value of a switch.
    /// - Parameter other: a second scope: fields that differ between the two depend on the scope.
    package func descriptions(_ scope: Scope, comparedWith other: Scope) -> [TypeDescription] {
        names.map { name in
            let value = try! value(name)
            func fields(_ map: ConfigurationValue.Map, _ scope: Scope) -> [ConfigurationField] {
                let reader = ConfigurationReader(.map(map))
                _ = reading(value, reader, scope)
                return reader.fields
            }
            let others = fields([:], other)
            var all = fields([:], scope)
            for (i, field) in all.enumerated() {
                let twin = others.first { $0.key == field.key }
                all[i].defaultDependsOnScope = twin?.fallback != field.fallback
                all[i].rangeDependsOnScope = twin?.range != field.range
            }
            for field in all {
                for choice in field.alternatives {
                    for var more in fields([field.key: choice], scope) where !all.contains(where: { $0.key == more.key }) {
                        more.condition = "\(field.key): \(choice.plain)"
                        all.append(more)
                    }
                }
            }
            return TypeDescription(type: name, summary: summary(of: value), fields: all)
        }
    }
}

extension ConfigurationField {
    /// Valid values other than the default.
    fileprivate var alternatives: [ConfigurationValue] {
        (type == "bool" ? [.bool(true), .bool(false)] : choices.map { .string($0) }).filter { $0 != fallback }
    }
}

extension ConfigurationValue {
    /// The value as YAML, on one line.
    public var plain: String { if case .string(let text) = self { text } else { short } }
}
