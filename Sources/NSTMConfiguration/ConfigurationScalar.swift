extension ConfigurationValue {
    /// The value of a scalar or a `[list, of, scalars]` in the core schema of YAML 1.2 (section 10.3.2).
    ///
    /// A text that is not null, a boolean or a number is a string; a quoted text is always a string.
    public init(yaml text: String) {
        let text = text.trimmed
        switch text {
        case "", "~", "null", "Null", "NULL": self = .null
        case "true", "True", "TRUE": self = .bool(true)
        case "false", "False", "FALSE": self = .bool(false)
        default:
            if let list = ConfigurationValue.list(text) {
                self = .list(list)
            } else if let quoted = ConfigurationValue.unquoted(text) {
                self = .string(quoted)
            } else {
                self = ConfigurationValue.number(text) ?? .string(text)
            }
        }
    }

    /// A number in the notation of YAML; nil for other texts.
    ///
    /// An integer too large for `Int` is read as a double.
    static func number(_ text: String) -> ConfigurationValue? {
        for (prefix, radix) in [("0x", 16), ("0o", 8)] where text.hasPrefix(prefix) {
            // `Int(_:radix:)` would accept a sign here.
            let digits = text.dropFirst(2)
            return digits.first.map { $0 != "-" && $0 != "+" } ?? false
                ? Int(digits, radix: radix).map(ConfigurationValue.int) : nil
        }
        let isNegative = text.hasPrefix("-")
        let body = isNegative || text.hasPrefix("+") ? text.dropFirst() : text[...]
        switch body {
        case ".inf", ".Inf", ".INF": return .double(isNegative ? -.infinity : .infinity)
        case ".nan", ".NaN", ".NAN": return text == body ? .double(.nan) : nil
        default: break
        }
        // `Double("…")` alone would also accept "inf", "nan" and hexadecimal fractions.
        var rest = body.utf8[...]
        func digits() -> Int {
            let n = rest.prefix { (0x30...0x39).contains($0) }.count
            rest = rest.dropFirst(n)
            return n
        }
        let whole = digits()
        if rest.isEmpty {
            return whole > 0 ? Int(text).map(ConfigurationValue.int) ?? Double(text).map(ConfigurationValue.double) : nil
        }
        var fraction = 0
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            fraction = digits()
        }
        guard whole + fraction > 0 else { return nil }
        if let e = rest.first, e | 0x20 == UInt8(ascii: "e") {
            rest = rest.dropFirst()
            if let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { rest = rest.dropFirst() }
            guard digits() > 0 else { return nil }
        }
        // Swift requires a digit on both sides of the point, YAML on one side only.
        return rest.isEmpty ? Double(ConfigurationValue.paddedPoint(text)).map(ConfigurationValue.double) : nil
    }
    private static func paddedPoint(_ text: String) -> String {
        guard let point = text.firstIndex(of: ".") else { return text }
        let whole = text[..<point], rest = text[text.index(after: point)...]
        let padded = whole.last?.isNumber == true ? String(whole) : whole + "0"
        return padded + "." + (rest.first?.isNumber == true ? String(rest) : "0" + rest)
    }

    private static func unquoted(_ text: String) -> String? {
        guard text.count >= 2, let quote = text.first, quote == "'" || quote == "\"", text.last == quote else { return nil }
        let inner = text.dropFirst().dropLast()
        if quote == "\"" {
            return (try? ConfigurationValue(json: text)).flatMap { if case .string(let s) = $0 { s } else { nil } }
        }
        // Within single quotes, two quotes stand for one.
        var result = ""
        var isSecond = false
        for c in inner {
            if c == "'" && !isSecond {
                isSecond = true
            } else if c != "'" && isSecond {
                return nil
            } else {
                result.append(c)
                isSecond = false
            }
        }
        return isSecond ? nil : result
    }

    /// The elements of `[a, b, [c]]`, or nil when the brackets do not match.
    private static func list(_ text: String) -> [ConfigurationValue]? {
        guard text.hasPrefix("["), text.hasSuffix("]"), text.count >= 2 else { return nil }
        let inner = String(text.dropFirst().dropLast())
        if inner.trimmed.isEmpty { return [] }
        var elements: [String] = [""]
        var depth = 0
        var quote: Character?
        for c in inner {
            if let open = quote {
                if c == open { quote = nil }
            } else if c == "'" || c == "\"" {
                quote = c
            } else if c == "[" {
                depth += 1
                if depth > 64 { return nil }
            } else if c == "]" {
                depth -= 1
                if depth < 0 { return nil }
            } else if c == "," && depth == 0 {
                elements.append("")
                continue
            }
            elements[elements.count - 1].append(c)
        }
        return depth == 0 && quote == nil ? elements.map { ConfigurationValue(yaml: $0) } : nil
    }
}

extension String {
    /// The string without spaces, tabs and newlines at both ends.
    fileprivate var trimmed: String {
        let isBlank = { (c: Character) in c == " " || c == "\t" || c == "\n" || c == "\r\n" }
        guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) }) else { return "" }
        return String(self[first...last])
    }
}
