import NSTMConfiguration
import NSTMModules
import Testing

@Suite struct ConfigurationTests {
    // MARK: Values

    @Test func mapsKeepTheOrderOfKeys() throws {
        var value = try ConfigurationValue(json: #"{"z": 1, "a": {"y": 2, "b": 3}, "m": null}"#)
        try value.set(path: "a.c", to: 4)
        try value.set(path: "z", to: 5)
        #expect(value.json(indent: nil) == #"{"z":5,"a":{"y":2,"b":3,"c":4},"m":null}"#)
        #expect(value == ["m": .null, "z": 5, "a": ["c": 4, "b": 3, "y": 2]])
        #expect(value != ["m": .null, "z": 5.0, "a": ["c": 4, "b": 3, "y": 2]])
    }

    static let samples: [ConfigurationValue] = [
        .null, true, false, 0, -7, .int(.max), .int(.min), 1.0, -0.1, 1e-300, 1e300, .double(.leastNonzeroMagnitude), "",
        "a \"b\" \\ \n\u{1}é🦉",
        [], [:], [1, "two", 3.5, [.null, [:]], [["a": [1, 2]]]], ["": 1, "b c": ["d": []], "e\n": "f"],
    ]
    @Test(arguments: samples, [nil, 0, 2]) func jsonRoundTrip(value: ConfigurationValue, indent: Int?) throws {
        #expect(try ConfigurationValue(json: value.json(indent: indent)) == value)
    }

    @Test func jsonIsReadable() {
        let value: ConfigurationValue = ["name": "x", "model": ["widths": [1, 2], "empty": [:]], "layers": [["a": 1]]]
        #expect(
            value.json() == """
                {
                  "name": "x",
                  "model": {
                    "widths": [1, 2],
                    "empty": {}
                  },
                  "layers": [
                    {
                      "a": 1
                    }
                  ]
                }
                """)
    }

    @Test func jsonTakesWhatTheStandardAllows() throws {
        #expect(try ConfigurationValue(json: " [1e2, -0, 0.5E+1, 99999999999999999999] \n") == [100.0, 0, 5.0, 1e20])
        #expect(try ConfigurationValue(json: #""\u00e9\ud83e\udd89\/\b\f\n\r\t""#) == "é🦉/\u{8}\u{c}\n\r\t")
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\":1,}", "{a:1}", "[01]", "[1.]", "[.5]", "[+1]", "[0x10]", "[nan]", "[.inf]", "tru", "1 2", "\"a",
        "\"\\x\"", "\"\\u12\"", "\"\\ud83e\"", "\"a\nb\"", "{\"a\":1,\"a\":2}", "{\"a\" 1}", "[1 2]",
    ]) func jsonRefusesTheRest(text: String) {
        #expect(throws: ConfigurationError.self) { try ConfigurationValue(json: text) }
    }

    @Test func jsonFaultsHaveAPlace() {
        let error = #expect(throws: ConfigurationError.self) { try ConfigurationValue(json: "{\n  \"é\": x\n}") }
        #expect(error?.description == "line 2, column 8: 'x' is not a value")
        #expect(throws: ConfigurationError.self) { try ConfigurationValue(json: String(repeating: "[", count: 100_000)) }
    }

    @Test(
        arguments: [
            ("", .null), ("~", .null), ("null", .null), ("true", true), ("False", false), ("yes", "yes"), ("12", 12), ("-3", -3),
            ("+4", 4), ("0x1F", 31), ("0o17", 15), ("012", 12), ("1.5", 1.5), (".5", 0.5), ("2.", 2.0), ("-1e-3", -0.001),
            ("1e5", 1e5),
            (".inf", .double(.infinity)), ("-.INF", .double(-.infinity)), ("inf", "inf"), ("nan", "nan"), ("1_000", "1_000"),
            ("0x-1", "0x-1"), ("1e", "1e"), ("e5", "e5"), (".", "."), ("-", "-"), ("1.2.3", "1.2.3"), ("0x1p3", "0x1p3"),
            ("99999999999999999999", 1e20), (" top k ", "top k"), ("'12'", "12"), (#""a\tb""#, "a\tb"), ("'it''s'", "it's"),
            ("'a'b'", "'a'b'"), ("[]", []), ("[64, 1.5, x]", [64, 1.5, "x"]), ("[[1, 2], 'a,b']", [[1, 2], "a,b"]), ("[1", "[1"),
            ("[1]]", "[1]]"), ("a=b", "a=b"),
        ] as [(String, ConfigurationValue)]) func scalarsAreReadLikeYAML(text: String, value: ConfigurationValue)
    {
        #expect(ConfigurationValue(yaml: text) == value)
    }

    // MARK: Paths

    @Test func pathsReadAndWrite() throws {
        var value: ConfigurationValue = .null
        try value.set(path: "training.optimizer.rate", to: 0.1)
        try value.set(path: "training.steps", to: 10)
        #expect(value == ["training": ["optimizer": ["rate": 0.1], "steps": 10]])
        #expect(value[path: "training.optimizer.rate"] == 0.1)
        #expect(value[path: "training.steps.x"] == nil && value[path: "other"] == nil)
    }

    @Test func pathsDoNotRunThroughScalars() throws {
        var value: ConfigurationValue = ["a": ["b": 3]]
        let error = #expect(throws: ConfigurationError.self) { try value.set(path: "a.b.c.d", to: 1) }
        #expect(error?.description == "a.b.c.d: 'a.b' is int 3, not a map")
        #expect(throws: ConfigurationError.self) { try value.set(path: "a..b", to: 1) }
        #expect(value == ["a": ["b": 3]])
    }

    @Test func overlaysMergeOrReplace() {
        let base: ConfigurationValue = [
            "a": 1, "list": [1, 2], "model": ["width": 8, "layers": 1], "optimizer": ["type": "adamw", "beta1": 0.9],
        ]
        let over: ConfigurationValue = [
            "list": [3], "new": true, "model": ["type": "x", "width": 16], "optimizer": ["type": "sgd"], "a": .null,
        ]
        #expect(
            base.overlaid(with: over) == [
                "a": 1, "list": [3], "model": ["width": 16, "layers": 1, "type": "x"], "optimizer": ["type": "sgd"], "new": true,
            ])
        #expect(base.overlaid(with: ["optimizer": ["type": "adamw", "beta2": 1]])[path: "optimizer.beta1"] == 0.9)
        #expect(base.overlaid(with: nil) == base && ConfigurationValue.null.overlaid(with: over) == over)
    }

    @Test func differencesNamePaths() {
        let a: ConfigurationValue = ["x": 1, "models": [["name": "a", "n": 1], ["name": "b"]], "l": [1, 2], "gone": .null]
        let b: ConfigurationValue = ["x": 2, "models": [["name": "a", "n": 2]], "l": [1, 2], "more": ["y": 3]]
        #expect(
            a.differences(from: b).map(\.description) == [
                "x: 1, 2", "models[0].n: 1, 2", "models[1].name: \"b\", absent", "more.y: absent, 3",
            ])
        #expect(a.differences(from: a).isEmpty)
    }

    @Test func overridesApplyAllOrNothing() throws {
        var value: ConfigurationValue = ["training": ["steps": 10]]
        try value.apply(overrides: ["training.steps=500", "model.widths=[64, 128]", "name=a=b", "training.steps=600"])
        #expect(value == ["training": ["steps": 600], "model": ["widths": [64, 128]], "name": "a=b"])
        let before = value
        let error = #expect(throws: ConfigurationError.self) {
            try value.apply(overrides: ["training.steps=1", "oops", "name.x=2", "=3"])
        }
        #expect(error?.issues.map(\.path) == ["oops", "name.x", ""])
        #expect(value == before)
    }

    // MARK: Reader

    enum Activation: String, CaseIterable { case relu, gelu, silu }

    @Test func readsValuesAndDefaults() throws {
        let reader = ConfigurationReader([
            "width": 64, "steps": 1e5, "rate": 1, "clip": ".inf", "name": "x", "bias": false, "activation": "silu",
            "mode": "fast",
            "widths": [1, 2], "decays": [0.5, 1], "tags": ["a"], "none": .null, "limit": 3,
        ])
        #expect(reader.int("width", default: 128, in: 1...4096) == 64)
        #expect(reader.int("steps", in: 1...) == 100_000)
        #expect(reader.double("rate", in: 0...1) == 1)
        #expect(reader.double("clip") == .infinity)
        #expect(reader.string("name") == "x")
        #expect(reader.bool("bias", default: true) == false)
        #expect(reader.choice("activation", default: Activation.relu) == .silu)
        #expect(reader.choice("mode", of: ["slow", "fast"]) == "fast")
        #expect(reader.ints("widths", in: 1...) == [1, 2])
        #expect(reader.doubles("decays", in: 0...1) == [0.5, 1])
        #expect(reader.strings("tags") == ["a"])
        #expect(reader.int("none", default: 7) == 7)
        #expect(reader.optionalInt("limit", in: 0...) == 3)
        #expect(reader.optionalDouble("floor", in: 0.0...) == nil)
        #expect(reader.optionalString("note") == nil)
        #expect(reader.double("dropout", default: 0.1, in: 0..<1) == 0.1)
        #expect(reader.choice("other", as: Activation.self) == .relu)
        reader.finish()
        #expect(reader.issues.map(\.description) == ["other: required, but missing (string)"])
        #expect(reader.contains("width") && !reader.contains("none"))
    }

    @Test func namesAllFaultsAtOnce() {
        let reader = ConfigurationReader([
            "width": 0, "depth": 1.5, "rate": "fast", "bias": "yes", "name": 3, "activation": "gleu", "decay": .double(.nan),
            "widths": [4, 0, -1], "mixed": [1, "a"], "list": 3, "router": 5, "dropuot": 0.1,
        ])
        #expect(reader.int("width", default: 128, in: 1...4096) == 128)
        #expect((1...8).contains(reader.int("depth", in: 1...8)))
        #expect(reader.double("rate", default: 0.1) == 0.1)
        _ = reader.bool("bias")
        _ = reader.string("name", default: "n")
        #expect(reader.choice("activation", default: Activation.relu) == .relu)
        #expect(reader.double("decay", default: 0.5, in: 0...1) == 0.5)
        #expect(reader.ints("widths", default: [4], in: 1...) == [4])
        _ = reader.ints("mixed")
        _ = reader.strings("list", default: [])
        _ = reader.child("router").int("k", default: 1)
        _ = reader.double("dropout", default: 0, in: 0..<1)
        #expect(reader.int("seed", in: 1...9) == 1)
        reader.addIssue("width", "must be a multiple of heads")
        reader.finish()
        let error = #expect(throws: ConfigurationError.self) { try reader.throwIfInvalid() }
        #expect(
            error?.description == """
                width: 0 is outside 1...4096
                depth: expected int, found double 1.5
                rate: expected double, found string "fast"
                bias: expected bool, found string "yes"
                name: expected string, found int 3
                activation: 'gleu' is not a choice; did you mean 'gelu'? known choices: relu, gelu, silu
                decay: nan is outside 0.0...1.0
                widths: element 1: 0 is outside 1...; element 2: -1 is outside 1...
                mixed: expected a list of ints, found a list
                list: expected a list of strings, found int 3
                router: expected a map, found int 5
                seed: required, but missing (int)
                width: must be a multiple of heads
                dropuot: unknown key; did you mean 'dropout'? known keys: activation, bias, decay, depth, dropout, list, \
                mixed, name, rate, router, seed, width, widths
                """)
    }

    @Test func childrenShareFaultsAndPaths() {
        let reader = ConfigurationReader(
            ["router": ["top": 0, "kk": 1], "layers": [["width": 1], ["widht": 2], 3], "extra": 1], path: "model")
        // In any order: the parent may be finished before its children are read.
        reader.finish()
        let router = reader.child("router")
        #expect(router.path == "model.router")
        _ = router.int("top", in: 1...)
        _ = reader.child("router").int("k", default: 2)
        for layer in reader.children("layers") { _ = layer.int("width", default: 8) }
        #expect(reader.children("none").isEmpty)
        #expect(
            router.issues.map(\.description) == [
                "model.router.top: 0 is outside 1...",
                "model.layers[2]: expected a map, found int 3",
                "model.extra: unknown key; known keys: layers, none, router",
                "model.router.kk: unknown key; did you mean 'k'? known keys: k, top",
                "model.layers[1].widht: unknown key; did you mean 'width'? known keys: width",
            ])
        #expect(throws: ConfigurationError.self) { try router.throwIfInvalid() }
    }

    @Test func valuesAreTakenAsTheyStand() throws {
        let reader = ConfigurationReader(["model": ["any": [1, ["thing": 2]]], "none": .null])
        #expect(reader.value("model") == ["any": [1, ["thing": 2]]])
        #expect(reader.value("none") == nil && reader.value("absent") == nil)
        reader.finish()
        try reader.throwIfInvalid()
        #expect(reader.resolved == ["model": ["any": [1, ["thing": 2]]], "none": .null, "absent": .null])
    }

    @Test func unknownKeysCountOnlyWhenFinished() throws {
        let reader = ConfigurationReader(["a": 1, "b": ["c": 2]])
        _ = reader.child("b")
        try reader.throwIfInvalid()
        reader.child("b").finish()
        #expect(reader.issues.map(\.path) == ["b.c"])
        #expect(reader.issues.first?.message == "unknown key; there are no keys")
    }

    @Test func resolvedReadsBackAsTheSame() throws {
        func read(_ value: ConfigurationValue) -> ConfigurationReader {
            let reader = ConfigurationReader(value)
            _ = reader.string("name", default: "n")
            _ = reader.child("router").int("top", default: 2)
            _ = reader.child("router").double("heat", default: 1)
            for layer in reader.children("layers") { _ = layer.choice("activation", default: Activation.gelu) }
            _ = reader.optionalInt("limit", in: 0...)
            reader.finish()
            return reader
        }
        let first = read(["layers": [[:], ["activation": "relu"]], "router": ["heat": 3]])
        #expect(
            first.resolved.json(indent: nil) == #"{"name":"n","router":{"top":2,"heat":3.0},"#
                + #""layers":[{"activation":"gelu"},{"activation":"relu"}],"limit":null}"#)
        let second = read(try ConfigurationValue(json: first.resolved.json()))
        try second.throwIfInvalid()
        #expect(second.resolved == first.resolved)
    }

    // MARK: Registry

    @Test func registryResolvesAndListsNames() throws {
        var registry = Registry<any Shape, Int>()
        registry.register(Disk.self)
        let shared = registry
        registry.register(Square.self)
        #expect(registry.names == ["disk", "square"] && shared.names == ["disk"])
        #expect(try registry.value("disk").area == 3 && registry.name(of: Square()) == "square")
        let error = #expect(throws: ConfigurationError.self) { try registry.value("dsk") }
        #expect(error?.issues.map(\.kind) == [.unknownChoice])
        #expect(error?.description == "unknown shape 'dsk'; did you mean 'disk'? known names: disk, square")
    }

    @Test func readerReadsValuesByType() {
        var registry = Registry<any Shape, Int>()
        registry.register(Square.self)
        registry.register(Disk.self)
        func read(_ map: ConfigurationValue.Map, _ given: any Shape = Disk()) -> (
            area: Double, issues: [String], resolved: String
        ) {
            let reader = ConfigurationReader(.map(map)), value = reader.value(in: registry, default: given, 10)
            reader.finish()
            return (value.area, reader.issues.map(\.description), reader.resolved.json(indent: nil))
        }
        #expect(read([:]).area == 3 && read([:]).resolved == #"{"type":"disk"}"#)
        #expect(read(["type": "square", "side": 2]).area == 4)
        // A given value of the same type gives the defaults, which are checked too.
        #expect(read([:], Square(side: 3)).resolved == #"{"type":"square","side":3.0}"#)
        #expect(read([:], Square(side: 30)).issues == ["side: 30.0 is outside 0.0...10.0"])
        #expect(read(["type": "square"], Square(side: 3)).area == 9 && read(["type": "disk"], Square(side: 3)).area == 3)
        #expect(read(["type": "disc"]).issues == ["type: unknown shape 'disc'; did you mean 'disk'? known names: disk, square"])
        #expect(read(["type": 3]).issues == ["type: expected string, found int 3"])
        #expect(read(["side": 3]).issues == ["side: unknown key; known keys: type"])
    }
    @Test func partsCanBeLeftOut() {
        var registry = Registry<any Shape, Int>()
        registry.register(Square.self)
        func read(_ map: ConfigurationValue.Map, _ given: (any Shape)? = nil) -> (area: Double?, issues: [String]) {
            let reader = ConfigurationReader(.map(map)), value = reader.optionalValue(in: registry, default: given, 10)
            return (value?.area, reader.issues.map(\.description))
        }
        #expect(read([:]).area == nil && read(["type": "none"], Disk()).area == nil && read([:], Disk()).area == 3)
        #expect(read(["type": "square", "side": 2]).area == 4)
        #expect(read(["type": "sqare"]).issues[0].hasSuffix("known choices: none, square"))
    }

    /// A description has every key that can be read, also those that depend on a choice or a switch.
    @Test func descriptionsListEverySetting() {
        var registry = Registry<any Shape, Int>()
        registry.register(Square.self)
        registry.register(Disk.self)
        registry.register(Polygon.self)
        let all = registry.descriptions(10, comparedWith: 20)
        #expect(all.map(\.type) == ["disk", "polygon", "square"] && all[0].fields.isEmpty && all[2].summary == "a square")
        let side = all[2].fields[0]
        #expect(side.key == "side" && side.fallback == 1.0 && side.range == "0.0...10.0")
        #expect(side.rangeDependsOnScope && !side.defaultDependsOnScope)
        let fields = all[1].fields
        #expect(fields.map(\.key) == ["corners", "name", "kind", "is-round", "angle", "radius"])
        #expect(fields[0].fallback == nil && fields[1].fallback == .null && fields[2].choices == ["regular", "free"])
        #expect(fields[4].condition == "kind: free" && fields[5].condition == "is-round: true")
        #expect(fields.allSatisfy { !$0.defaultDependsOnScope && !$0.rangeDependsOnScope })
    }

    @Test func registeringTwiceStops() async {
        await #expect(processExitsWith: .failure) {
            var registry = Registry<any Shape, Int>()
            registry.register(Disk.self)
            registry.register(Disk.self)
        }
    }
}

/// A kind of value that configurations can name, with the largest side as its scope.
private protocol Shape: Configurable where Scope == Int { var area: Double { get } }

extension Registry where Value == any Shape, Scope == Int {
    fileprivate init() { self.init("shape", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    fileprivate mutating func register<S: Shape>(_ type: S.Type) { register(type.init()) }
}
private struct Disk: Shape {
    static let type = "disk"
    static let summary = "a disk"
    var area: Double { 3 }
}
private struct Square: Shape {
    static let type = "square"
    static let summary = "a square"
    var side = 1.0
    var area: Double { side * side }
    init() {}
    init(side: Double) { self.side = side }
    mutating func read(_ reader: ConfigurationReader, _ largest: Int) {
        side = reader.double("side", default: side, in: 0...Double(largest))
    }
}
private struct Polygon: Shape {
    enum Kind: String, CaseIterable { case regular, free }
    static let type = "polygon"
    static let summary = "a polygon"
    var area: Double { 0 }
    mutating func read(_ reader: ConfigurationReader, _ largest: Int) {
        _ = reader.int("corners", in: 3...9)
        _ = reader.optionalString("name")
        if reader.choice("kind", default: Kind.regular) == .free { _ = reader.double("angle", default: 0.5, in: 0...1) }
        if reader.bool("is-round", default: false) { _ = reader.optionalInt("radius", in: 0...4) }
    }
}
