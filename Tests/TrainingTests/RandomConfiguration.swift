import NSTMConfiguration
import NSTMLayers
import NSTMModules
import NSTMTensor
import NSTMTraining

/// A random configuration with small sizes: most are valid, some break a rule that binds keys together.
///
/// A function of the seed and the index. Every registered name comes up: models, update rules and routing policies in index, all
/// others at random.
struct RandomConfiguration {
    let value: ConfigurationValue
    /// A pruning policy and its settings, for `nstm prune`.
    let pruning: (policy: String, settings: [String])
    /// Whether a rule was broken on purpose.
    private(set) var isBroken = false

    private var draw: Draw
    private let index: Int

    /// Random choices, each from its own counter value of a key.
    struct Draw {
        let key: RandomKey
        var count = 0
        mutating func int(_ range: ClosedRange<Int>) -> Int {
            count += 1
            return range.lowerBound + key.integer(count, below: range.count)
        }
        mutating func chance(_ share: Double) -> Bool {
            count += 1
            return key.uniform(count) < share
        }
        mutating func pick<T>(_ all: [T]) -> T { all[int(0...all.count - 1)] }
    }

    /// - Parameters:
    ///   - text: a file of at least 600 characters.
    ///   - registries: whose names are used.
    init(seed: Int, index: Int, text: String, registries: Registries) {
        self.index = index
        draw = Draw(key: RandomKey(UInt64(seed)).fold("fuzz").fold(index))
        let breaks = draw.chance(0.12)
        let data = RandomConfiguration.data(&draw, text, breaks)
        let baselines = registries.models.names.filter { $0 != "nstm" }
        // Two of three are of this package's own kind, which has most parts.
        let kind = index % 3 == 2 ? baselines[index / 3 % baselines.count] : "nstm"
        var model = RandomConfiguration.shape(&draw, kind, data, breaks)
        if kind == "nstm" { RandomConfiguration.addParts(&draw, &model, data, index - index / 3, registries.strategies, breaks) }
        value = .map([
            "seed": .int(draw.int(0...9)), "data": .map(data.map), "model": .map(model),
            "training": .map(RandomConfiguration.training(&draw, data)),
        ])
        let policy = draw.pick(registries.strategies.prunings.names)
        let settings = RandomConfiguration.policy(&draw, policy, states: 3).pairs.map { "\($0.key)=\($0.value.short)" }
        pruning = (policy, settings)
        isBroken = breaks
    }

    private struct Data {
        var map: ConfigurationValue.Map
        /// Positions of the longest sequence.
        var length: Int
        var isPooled = false
        var tokens: Int?
        /// Sides of whole images, pixel by pixel.
        var pixels: Int?
        var hasFeatures = false
        var hasLengths = false
        var metrics = ["loss"]
    }
    private static func data(_ draw: inout Draw, _ text: String, _ breaks: Bool) -> Data {
        switch draw.int(0...6) {
        case 0:
            let low = draw.int(1...3), high = low + draw.int(0...4)
            var map: ConfigurationValue.Map = [
                "type": "copy", "bits": .int(draw.int(1...3)), "minimum-length": .int(low), "maximum-length": .int(high),
                "evaluation-count": .int(draw.int(1...5)),
            ]
            var longest = high
            if draw.chance(0.4) {
                longest = max(high, draw.int(1...8))
                map["evaluation-lengths"] = .list([.int(longest)])
            }
            return Data(map: map, length: 2 * longest + 1, hasFeatures: true, hasLengths: true, metrics: ["loss", "bit-errors"])
        case 1:
            let pairs = draw.int(1...3), length = 4 * pairs + 2 * draw.int(0...4), vocabulary = 2 * draw.int(4...9)
            let map: ConfigurationValue.Map = [
                "type": "recall", "vocabulary": .int(vocabulary), "length": .int(length), "pairs": .int(pairs),
                "filler": .string(draw.pick(["blank", "random"])), "evaluation-count": .int(draw.int(1...5)),
            ]
            return Data(map: map, length: length, tokens: vocabulary, metrics: ["loss", "accuracy"])
        case 2, 3:
            let context = draw.int(1...20), isBytes = draw.chance(0.5)
            let map: ConfigurationValue.Map = [
                "type": "text", "file": .string(text), "context": .int(context), "unit": .string(isBytes ? "byte" : "character"),
                "training-fraction": .double(draw.pick([0.5, 0.8, 0.9])),
            ]
            return Data(map: map, length: context, tokens: isBytes ? 256 : 40, metrics: ["loss", "perplexity"])
        case 4: return synthetic(&draw)
        default:
            let asks = draw.chance(0.5), patch = breaks && draw.chance(0.3) ? 7 : draw.pick([1, 2, 4, 8])
            let map: ConfigurationValue.Map = [
                "type": .string(asks ? "mnist-questions" : "mnist"), "patch": .int(patch), "shift": .int(draw.int(0...2)),
                "validation": .int(draw.int(1...6)), "evaluation": .string(draw.pick(["validation", "test"])),
            ]
            let side = 8 / patch
            return Data(
                map: map, length: side * side + (asks ? 14 : 0), isPooled: true, tokens: asks ? 256 : nil,
                pixels: patch == 1 ? 8 : nil, hasFeatures: true, metrics: ["loss", "accuracy"])
        }
    }

    private static func synthetic(_ draw: inout Draw) -> Data {
        let settings: [(type: String, map: ConfigurationValue.Map)] = [
            ("repeat-copy", ["bits": .int(draw.int(1...3)), "maximum-repeats": .int(draw.int(1...2))]),
            ("reverse", ["bits": .int(draw.int(1...3))]), ("associative-recall", ["bits": 4, "vectors": .int(draw.int(1...2))]),
            ("n-gram", ["context": .int(draw.int(1...2))]), ("priority-sort", ["share": .double(draw.pick([0.1, 0.8, 1]))]),
            ("selective-copying", ["vocabulary": .int(draw.int(3...9)), "tokens": .int(draw.int(1...3))]),
            ("induction", ["vocabulary": .int(draw.int(3...9))]), ("adding", [:]), ("parity", [:]),
            ("sorting", ["vocabulary": .int(draw.int(3...9))]),
            ("dyck", ["types": .int(draw.int(1...3)), "depth": .int(draw.int(1...4))]),
        ]
        var (type, map) = draw.pick(settings)
        let low = draw.int(3...5)
        map["type"] = .string(type)
        map["minimum-length"] = .int(low)
        map["maximum-length"] = .int(low + draw.int(0...2))
        map["evaluation-count"] = .int(draw.int(1...5))
        if draw.chance(0.4) { map["evaluation-lengths"] = [.int(draw.int(3...8))] }
        // All settings are valid.
        let dataset = try! Experiment(["data": .map(map)]).openDataset().dataset
        var tokens: Int?
        if case .tokens(let vocabulary) = dataset.inputKind { tokens = vocabulary }
        return Data(
            map: map, length: max(dataset.contextLength, dataset.evaluationLength), tokens: tokens, hasFeatures: tokens == nil,
            hasLengths: true, metrics: Metrics.names(for: dataset.targetKind))
    }

    private static func shape(_ draw: inout Draw, _ kind: String, _ data: Data, _ breaks: Bool) -> ConfigurationValue.Map {
        let heads = draw.pick([1, 2, 4]), width = heads * draw.pick([2, 4, 6])
        let layers = draw.int(1...2)
        var map: ConfigurationValue.Map = ["type": .string(kind), "width": .int(width), "layers": .int(layers)]
        if ["nstm", "transformer", "linear-transformer", "rwkv6"].contains(kind) {
            map["heads"] = .int(breaks && draw.chance(0.2) ? heads + 1 : heads)
        }
        let hasMemory = ["ntm", "dnc", "memory-network"].contains(kind)
        if hasMemory {
            map["controller"] = ["type": .string(draw.pick(["lstm", "feed-forward"])), "width": .int(draw.int(1...9))]
            let memory = kind == "memory-network" ? draw.pick(["addressed", "sparse", "delta"]) : "addressed"
            var sizes: ConfigurationValue.Map = ["type": .string(memory), "width": .int(draw.int(1...5))]
            if memory != "delta" {
                sizes["rows"] = .int(draw.int(9...20))
                sizes["read-heads"] = .int(draw.int(1...2))
            }
            map["memory"] = .map(sizes)
            if draw.int(0...2) == 0 { map["segment"] = .int(draw.int(1...7)) }
            if draw.int(0...2) == 0 { map["truncation"] = .int(draw.int(1...7)) }
        }
        if !hasMemory, !["lstm", "gru", "s4d", "lru", "mamba", "mamba2"].contains(kind) {
            map["hidden"] = .int(draw.pick([0, 1, 8, 17]))
        }
        if draw.chance(0.3) { map["dropout"] = .double(draw.pick([0.1, 0.9])) }
        if draw.chance(0.3) { map["recompute"] = true }
        // Exactly as long as the data is the tightest that is allowed.
        let limit = data.length - (breaks && draw.chance(0.5) ? 1 : 0) + draw.pick([0, 0, 3])
        switch kind {
        case "transformer":
            if draw.chance(0.3) { map["position-kind"] = "rotary" } else { map["positions"] = .int(max(1, limit)) }
            map["feed-forward"] = .string(draw.pick(["gelu", "swiglu"]))
            if draw.chance(0.3) { map["short-convolution"] = true }
            if draw.chance(0.3) { map["output-gate"] = true }
        case "linear-transformer": map["positions"] = .int(draw.chance(0.5) ? 0 : max(1, limit))
        case "hyena": map["length"] = .int(max(1, limit))
        case "rwkv6":
            map["mix-rank"] = .int(draw.int(1...4))
            map["decay-rank"] = .int(draw.int(1...4))
        case "min-gru":
            map["expansion"] = .int(draw.int(1...2))
            map["convolution"] = .int(draw.int(0...5))
        case "s4d": map["states"] = .int(2 * draw.int(1...3))
        case "lru", "mamba": map["states"] = .int(draw.int(1...5))
        case "mamba2":
            map["states"] = .int(draw.int(1...5))
            map["head-width"] = .int(draw.pick([1, 2, 2 * width]))
        default: break
        }
        return map
    }

    // MARK: Parts of a layer with states

    private static func addParts(
        _ draw: inout Draw, _ map: inout ConfigurationValue.Map, _ data: Data, _ index: Int, _ strategies: Strategies,
        _ breaks: Bool
    ) {
        let states = draw.int(1...6)
        let isBothWays = data.isPooled && draw.chance(0.3) || breaks && draw.chance(0.1)
        map["bidirectional"] = .bool(isBothWays)
        map["states"] = .int(states)
        if draw.chance(0.2), case .int(let layers)? = map["layers"] {
            map["states"] = .list((0..<layers * (isBothWays ? 2 : 1)).map { _ in .int(draw.int(1...states)) })
        }
        func within() -> ConfigurationValue { .int(draw.int(1...states)) }
        let updates = strategies.updates.names, routings = strategies.routings.names
        var update: ConfigurationValue.Map = ["type": .string(updates[index % updates.count])]
        switch updates[index % updates.count] {
        case "gated-slots":
            update["timescale"] = .double(draw.pick([1, 8]))
            update["second-gate"] = .bool(draw.chance(0.5))
        case "slot-attention": update["hidden"] = .int(draw.int(1...9))
        case "independent-mechanisms": update["k"] = within()
        case "scalar-decay": update["gate"] = .bool(draw.chance(0.5))
        case "linear-attention": update["window"] = .double(draw.pick([1, 3, 256]))
        case "selective-diagonal": update["rank"] = .int(draw.int(1...2))
        default: break
        }
        map["update"] = .map(update)

        let routing = routings[(index + index / updates.count) % routings.count]
        var router: ConfigurationValue.Map = ["type": .string(routing)]
        switch routing {
        case "top-k", "gumbel", "hash", "random":
            router["k"] = breaks && draw.chance(0.2) ? .int(states + 1) : within()
        case "balanced-top-k":
            router["k"] = within()
            if draw.chance(0.5) { router["balance-loss"] = 0.1 }
            if draw.chance(0.5) { router["entropy-loss"] = 0.1 }
        case "sinkhorn": router["iterations"] = .int(draw.int(1...3))
        case "content":
            if draw.chance(0.5) { router["k"] = within() }
            if draw.chance(0.5) {
                router["against"] = "states"
                router["interval"] = .int(draw.int(1...9))
            }
        case "pointer":
            router["moves"] = .string(draw.pick(["hard", "soft"]))
            router["heads"] = .int(draw.int(1...2))
            if draw.chance(0.5) { router["write-moves"] = draw.pick([["forward"], ["home", "stay", "forward", "back"]]) }
            if draw.chance(0.5) {
                router["read-moves"] = draw.pick([
                    ["cycle", "home"], ["stay", "forward", "back", "home", "follow", "cycle", "find"], ["find"],
                ])
            }
            if breaks && draw.chance(0.2) { router["find-width"] = 0 }
            if draw.chance(0.3) { router["anneal"] = ["start": 0.5, "temperature": 0.2] }
        case "all", "round-robin": router["strength"] = .double(draw.pick([0, 0.3, 1]))
        default: break
        }
        map["router"] = .map(router)

        var read: ConfigurationValue.Map = [:]
        if draw.chance(0.5) { read["type"] = .string(draw.pick(strategies.readouts.names)) }
        if draw.chance(0.4) { read["window"] = .int(draw.int(1...30)) }
        map["read"] = .map(read)
        if draw.chance(0.5) {
            let kind = draw.pick(strategies.interactions.names)
            var interaction: ConfigurationValue.Map = ["type": .string(kind), "interval": .int(draw.int(1...9))]
            if kind == "sparse-attention" { interaction["k"] = within() }
            if kind == "low-rank" { interaction["rank"] = within() }
            if kind == "relational" { interaction["hidden"] = .int(draw.int(1...5)) }
            map["interaction"] = .map(interaction)
        }
        map["convolution"] = .int(draw.int(1...6))
        if draw.chance(0.3) { map["l0-penalty"] = .double(draw.pick([0, 0.01])) }
        if draw.chance(0.5) { map["lifecycle"] = .map(lifecycle(&draw, states, strategies)) }
        addEmbedders(&draw, &map, data, strategies, breaks)
    }
    private static func lifecycle(_ draw: inout Draw, _ states: Int, _ strategies: Strategies) -> ConfigurationValue.Map {
        var lifecycle: ConfigurationValue.Map = [
            "interval": .int(draw.int(1...2)), "warmup": .int(draw.int(0...2)), "consecutive-votes": .int(draw.int(1...2)),
            "max-changes": .int(draw.int(1...3)), "grace-period": .int(draw.int(0...2)), "cooldown": .int(draw.int(0...2)),
            "initialization": .string(draw.pick(["copy", "stored"])),
        ]
        if draw.chance(0.5) { lifecycle["initial-active"] = .int(draw.int(1...states)) }
        if draw.chance(0.8) {
            let name = draw.pick(strategies.prunings.names)
            var pruning = policy(&draw, name, states: states)
            pruning["type"] = .string(name)
            lifecycle["pruning"] = .map(pruning)
        }
        if draw.chance(0.6) {
            lifecycle["allocation"] = ["type": .string(draw.pick(strategies.allocations.names))]
        }
        if draw.chance(0.4) {
            lifecycle["activation"] = .map([
                "type": .string(draw.pick(strategies.activations.names)), "interval": .int(draw.int(1...9)),
                "initial-active": .int(draw.int(1...states)), "above": .double(draw.pick([0, 0.5])),
            ])
        }
        return lifecycle
    }
    /// Settings of a pruning policy.
    private static func policy(_ draw: inout Draw, _ name: String, states: Int) -> ConfigurationValue.Map {
        switch name {
        case "top-k", "random": return ["keep": .int(draw.int(1...states))]
        case "threshold": return ["below": .double(draw.pick([0.05, 0.5])), "above": 0.9]
        case "ablation", "taylor", "least-recently-used":
            return draw.chance(0.5) ? ["keep": .int(draw.int(1...states))] : [:]
        default: return [:]
        }
    }
    private static func addEmbedders(
        _ draw: inout Draw, _ map: inout ConfigurationValue.Map, _ data: Data, _ strategies: Strategies, _ breaks: Bool
    ) {
        var embedders: ConfigurationValue.Map = [:]
        if draw.chance(0.4) {
            let all = strategies.embedders.tokens.names.filter { $0 != "bytes" || breaks || data.tokens ?? 256 == 256 }
            embedders["tokens"] = ["type": .string(draw.pick(all))]
        }
        if draw.chance(0.4) {
            let all = strategies.embedders.features.names.filter { $0 != "image" || breaks || data.pixels != nil }
            let kind = draw.pick(all), side = data.pixels ?? draw.pick([4, 8])
            embedders["features"] =
                kind == "image"
                ? [
                    "type": "image", "height": .int(side), "width": .int(breaks && draw.chance(0.3) ? 2 * side : side),
                    "patch": .int(draw.pick([1, 2, 4])), "stem": .int(draw.int(1...3)),
                ] : ["type": .string(kind)]
        }
        map["embedders"] = .map(embedders)
    }

    // MARK: Training

    private static func training(_ draw: inout Draw, _ data: Data) -> ConfigurationValue.Map {
        var map: ConfigurationValue.Map = [
            "steps": 4, "batch": .int(draw.int(1...3)),
            "optimizer": ["type": .string(draw.pick(["adamw", "sgd", "rmsprop"]))],
            "schedule": [
                "type": .string(draw.pick(["constant", "linear", "cosine"])),
                "learning-rate": .double(draw.pick([1e-4, 1e-2, 0.5])),
                "warmup": .int(draw.int(0...3)),
            ],
            "clip": ["type": .string(draw.pick(["none", "norm", "value"]))],
            "matmul-precision": .string(draw.pick(["highest", "high"])),
            "evaluation": ["interval": .int(draw.int(1...5)), "batch": .int(draw.int(1...4)), "limit": .int(draw.int(1...3))],
            "checkpoint": ["interval": .int(draw.int(1...3)), "keep": .int(draw.int(1...3))],
        ]
        if data.hasLengths && draw.chance(0.3) {
            map["curriculum"] = ["start": .double(draw.pick([0, 0.5, 1])), "steps": .int(draw.int(1...5))]
        }
        if draw.chance(0.2) {
            map["early-stopping"] = ["metric": .string(draw.pick(data.metrics)), "patience": .int(draw.int(1...3))]
        }
        return map
    }
}
