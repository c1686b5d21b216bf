/// Colors that are distinguishable with the common kinds of color blindness (after Okabe and Ito, "Color Universal Design",
/// 2008).
///
/// Some are darker or lighter than the original, so that each has a contrast of at least 3:1 with the background.
package enum ChartPalette {
    /// The colors of an element in light and dark mode.
    package struct Pair: Sendable {
        package let light: String, dark: String
        init(_ light: String, _ dark: String) {
            self.light = light
            self.dark = dark
        }
    }
    package static let ground = Pair("#ffffff", "#15181d")
    package static let ink = Pair("#1f2328", "#e6e8eb")
    package static let muted = Pair("#59636e", "#a4acb5")
    static let grid = Pair("#e3e6ea", "#2c323a")
    /// The colors of series: blue, vermilion, green, purple, orange, gray, sky.
    package static let lines = [
        Pair("#0072b2", "#56b4e9"), Pair("#d55e00", "#f0834a"), Pair("#009e73", "#2fc79b"), Pair("#cc79a7", "#e09cc4"),
        Pair("#b97f00", "#e6a917"), Pair("#4d4d4d", "#c8c8c8"), Pair("#2f93cc", "#9fd8f8"),
    ]

    /// The style sheet of dark mode.
    ///
    /// It overrides the light colors, which are attributes of the elements for viewers without support for color schemes.
    static var style: String {
        func rules(_ name: String, _ pair: Pair) -> String {
            ".\(name)-f{fill:\(pair.dark)}.\(name)-s{stroke:\(pair.dark)}"
        }
        let lines = lines.enumerated().map { rules("c\($0)", $1) }.joined()
        let others = rules("ground", ground) + rules("ink", ink) + rules("muted", muted) + rules("grid", grid)
        return "<style>@media (prefers-color-scheme: dark){\(others)\(lines)}</style>"
    }
    static func fill(_ name: String, _ pair: Pair) -> String { "class=\"\(name)-f\" fill=\"\(pair.light)\"" }
    static func stroke(_ name: String, _ pair: Pair) -> String { "class=\"\(name)-s\" stroke=\"\(pair.light)\"" }
    static func line(_ i: Int) -> (name: String, pair: Pair) { ("c\(i % lines.count)", lines[i % lines.count]) }
}
