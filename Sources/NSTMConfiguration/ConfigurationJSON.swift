// JSON is parsed and written here because Foundation's coders do not preserve the order of keys.

extension ConfigurationValue {
    /// The value of a JSON text (RFC 8259).
    ///
    /// A number with a fraction or an exponent, or too large for `Int`, is a double.
    /// - Throws: `ConfigurationError` with the line and column of the first issue.
    public init(json text: String) throws(ConfigurationError) {
        var parser = JSONParser(text)
        self = try parser.document()
    }

    /// The value as JSON, which reads back as the same value.
    ///
    /// Non-finite numbers, which JSON lacks, are written as the strings `.inf`, `-.inf` and `.nan`; `ConfigurationReader.double`
    /// accepts them.
    /// - Parameter indent: spaces per level; nil for one line.
    public func json(indent: Int? = 2) -> String {
        var out = ""
        write(to: &out, indent, level: 0)
        return out
    }

    private func write(to out: inout String, _ indent: Int?, level: Int) {
        func newLine(_ level: Int) { if let indent { out += "\n" + String(repeating: " ", count: indent * level) } }
        switch self {
        case .null: out += "null"
        case .bool(let b): out += b ? "true" : "false"
        case .int(let i): out += String(i)
        case .double(let d) where d.isFinite: out += d.description
        case .double(let d): out += d.isNaN ? "\".nan\"" : d > 0 ? "\".inf\"" : "\"-.inf\""
        case .string(let s): ConfigurationValue.quote(s, to: &out)
        case .list(let list):
            // A list of scalars stays on one line.
            let isFlat = list.allSatisfy { if case .list = $0 { false } else if case .map = $0 { false } else { true } }
            out += "["
            for (i, value) in list.enumerated() {
                if i > 0 { out += isFlat && indent != nil ? ", " : "," }
                if !isFlat { newLine(level + 1) }
                value.write(to: &out, indent, level: level + 1)
            }
            if !isFlat { newLine(level) }
            out += "]"
        case .map(let map):
            out += "{"
            for (i, pair) in map.pairs.enumerated() {
                if i > 0 { out += "," }
                newLine(level + 1)
                ConfigurationValue.quote(pair.key, to: &out)
                out += indent == nil ? ":" : ": "
                pair.value.write(to: &out, indent, level: level + 1)
            }
            if !map.isEmpty { newLine(level) }
            out += "}"
        }
    }
    private static func quote(_ text: String, to out: inout String) {
        out += "\""
        for c in text.unicodeScalars {
            switch c {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case _ where c.value < 0x20:
                let hex = String(c.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: out.unicodeScalars.append(c)
            }
        }
        out += "\""
    }
}

private struct JSONParser {
    private let bytes: [UInt8]
    private var at = 0
    /// Maximum nesting: deeper texts are an error, because the recursive parser could overflow the stack.
    private static let maxDepth = 200

    init(_ text: String) { bytes = Array(text.utf8) }

    mutating func document() throws(ConfigurationError) -> ConfigurationValue {
        let result = try value(depth: 0)
        skipBlanks()
        guard at == bytes.count else { throw issue("something follows the value") }
        return result
    }

    private func issue(_ message: String) -> ConfigurationError {
        let before = bytes[..<min(at, bytes.count)]
        let line = before.reduce(1) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        // Columns in characters, as editors count them.
        let column = String(decoding: before[lineStart...], as: UTF8.self).count + 1
        return ConfigurationError("line \(line), column \(column)", .syntax, message)
    }
    private mutating func skipBlanks() { while at < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[at]) { at += 1 } }
    private func peek(_ c: Unicode.Scalar) -> Bool { at < bytes.count && bytes[at] == UInt8(ascii: c) }
    private mutating func take(_ c: Unicode.Scalar) -> Bool {
        guard peek(c) else { return false }
        at += 1
        return true
    }

    private mutating func value(depth: Int) throws(ConfigurationError) -> ConfigurationValue {
        guard depth <= JSONParser.maxDepth else { throw issue("nested deeper than \(JSONParser.maxDepth) levels") }
        skipBlanks()
        guard at < bytes.count else { throw issue("the text ends where a value is expected") }
        switch bytes[at] {
        case UInt8(ascii: "{"): return .map(try map(depth: depth))
        case UInt8(ascii: "["): return .list(try list(depth: depth))
        case UInt8(ascii: "\""): return .string(try string())
        default: return try word()
        }
    }
    private mutating func map(depth: Int) throws(ConfigurationError) -> ConfigurationValue.Map {
        at += 1
        var result = ConfigurationValue.Map()
        skipBlanks()
        if take("}") { return result }
        repeat {
            skipBlanks()
            guard peek("\"") else { throw issue("a key in quotes is expected") }
            let start = at
            let key = try string()
            guard result[key] == nil else {
                at = start
                throw issue("duplicate key \"\(key)\"")
            }
            skipBlanks()
            guard take(":") else { throw issue("a colon is expected") }
            result[key] = try value(depth: depth + 1)
            skipBlanks()
        } while take(",")
        guard take("}") else { throw issue("a comma or } is expected") }
        return result
    }
    private mutating func list(depth: Int) throws(ConfigurationError) -> [ConfigurationValue] {
        at += 1
        var result: [ConfigurationValue] = []
        skipBlanks()
        if take("]") { return result }
        repeat {
            result.append(try value(depth: depth + 1))
            skipBlanks()
        } while take(",")
        guard take("]") else { throw issue("a comma or ] is expected") }
        return result
    }

    /// The value of a word: `null`, `true`, `false` or a number.
    private mutating func word() throws(ConfigurationError) -> ConfigurationValue {
        let start = at
        while at < bytes.count, ![0x20, 0x0A, 0x0D, 0x09].contains(bytes[at]), !peek(","), !peek("]"), !peek("}") { at += 1 }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        switch text {
        case "null": return .null
        case "true": return .bool(true)
        case "false": return .bool(false)
        default:
            // Numbers of JSON are those of YAML without a leading plus, leading zeros, a bare point or another base.
            let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
            let whole = digits.prefix { $0 != "." && $0 != "e" && $0 != "E" }
            let fraction = digits.dropFirst(whole.count)
            let isNumber =
                !whole.isEmpty && whole.allSatisfy { $0.isASCII && $0.isNumber } && (whole == "0" || whole.first != "0")
                && !(fraction.first == "." && fraction.dropFirst().first?.isNumber != true)
            guard isNumber, let number = ConfigurationValue.number(text) else {
                at = start
                throw issue("'\(text)' is not a value")
            }
            return number
        }
    }

    private mutating func string() throws(ConfigurationError) -> String {
        at += 1
        var result: [UInt8] = []
        while at < bytes.count {
            let c = bytes[at]
            if take("\"") { return String(decoding: result, as: UTF8.self) }
            guard c >= 0x20 else { throw issue("a control character inside a string has to be escaped") }
            at += 1
            if c == UInt8(ascii: "\\") { try escape(into: &result) } else { result.append(c) }
        }
        throw issue("the text ends inside a string")
    }
    private mutating func escape(into result: inout [UInt8]) throws(ConfigurationError) {
        guard at < bytes.count else { throw issue("the text ends inside a string") }
        let c = bytes[at]
        at += 1
        switch c {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(c)
        case UInt8(ascii: "b"): result.append(0x08)
        case UInt8(ascii: "f"): result.append(0x0C)
        case UInt8(ascii: "n"): result.append(0x0A)
        case UInt8(ascii: "r"): result.append(0x0D)
        case UInt8(ascii: "t"): result.append(0x09)
        case UInt8(ascii: "u"):
            var units = [try codeUnit()]
            if UTF16.isLeadSurrogate(units[0]), take("\\"), take("u") { units.append(try codeUnit()) }
            guard let text = String(validating: units, as: UTF16.self) else { throw issue("half of a surrogate pair") }
            result += Array(text.utf8)
        default:
            at -= 1
            throw issue("an unknown escape in a string")
        }
    }
    private mutating func codeUnit() throws(ConfigurationError) -> UInt16 {
        let digits = bytes[at..<min(at + 4, bytes.count)]
        let text = String(decoding: digits, as: UTF8.self)
        guard digits.count == 4, text.allSatisfy({ $0.isASCII && $0.isHexDigit }), let unit = UInt16(text, radix: 16) else {
            throw issue("\\u takes four hexadecimal digits")
        }
        at += 4
        return unit
    }
}
