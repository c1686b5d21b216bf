import NSTMModules

/// Everything that makes the NSTM layers of a model, as a configuration says it.
public struct NSTMLayerPlan {
    /// States of each layer; one number for all layers when the configuration gives one.
    public let states: [Int]
    private let width: Int
    private let heads: Int
    /// By number of states: strategies are built for their site.
    private let parts: [Int: NSTMLayer.Parts]
    private let interval: Int
    private let window: Int?
    private let convolutionWidth: Int
    private let keepPenalty: Double?
    private let life: LifePlan?

    /// Reads `states`, `router`, `update`, `interaction`, `read`, `convolution`, `keep-penalty` and `life`.
    ///
    /// `states` is a number, or a list with one number for each layer; that is what is left when states have been removed.
    /// - Parameter layers: how many layers the model has.
    public init(_ config: ConfigReader, width: Int, heads: Int, layers: Int = 1, strategies: Strategies) {
        self.width = width
        self.heads = heads
        let choices: ClosedRange<Int>?
        switch config.intOrInts("states", default: 32, in: 1...65_536) {
        case .one(let n):
            states = [n]
            choices = nil
        case .each(let list):
            states = list
            choices = 1...65_536
            if list.count != layers { config.addFault("states", "\(list.count) numbers of states for \(layers) layers") }
        }
        convolutionWidth = config.int("convolution", default: 4, in: 1...64)
        keepPenalty = config.optionalDouble("keep-penalty", in: 0...1e6)
        window = config.child("read").optionalInt("window", in: 1...1_000_000)
        let talk = config.child("interaction"), kinds = ["none"] + strategies.interactions.names
        let talks = talk.choice("kind", of: kinds, default: "none") != "none"
        interval = talks ? talk.int("interval", default: 64, in: 1...1_000_000) : 64

        func site(_ states: Int) -> StrategySite {
            StrategySite(width: width, heads: heads, states: states, choices: choices)
        }
        // The largest layer finds the faults and says what the defaults are; the others are read from that.
        let largest = states.max()!
        life = config.contains("life") ? LifePlan(config.child("life"), site(largest), strategies) : nil
        var parts = [largest: NSTMLayerPlan.read(config, site(largest), strategies)]
        let again = ConfigReader(config.resolved)
        for n in states where parts[n] == nil { parts[n] = NSTMLayerPlan.read(again, site(n), strategies) }
        self.parts = parts
    }
    private static func read(_ config: ConfigReader, _ site: StrategySite, _ strategies: Strategies) -> NSTMLayer.Parts {
        let router = config.child("router"), update = config.child("update"), read = config.child("read")
        let routing = router.factory("policy", in: strategies.routings, default: "top-k").map { $0(router, site) }
        let rule = update.factory("rule", in: strategies.updates, default: "gated-slots").map { $0(update, site) }
        let usual = strategies.usualReadouts[update.string("rule", default: "gated-slots")] ?? "content"
        let readout = read.factory("kind", in: strategies.readouts, default: usual).map { $0(read, site) }
        let talk = config.child("interaction")
        let kind = talk.string("kind", default: "none")
        let interaction = kind == "none" ? nil : (try? strategies.interactions.resolve(kind)).map { $0(talk, site) }
        for reader in [router, update, read, talk] { reader.finish() }
        // A strategy that could not be resolved has left a fault, and a faulty configuration builds nothing.
        return NSTMLayer.Parts(
            routing: routing ?? { _ in fatalError("no routing policy") }, update: rule ?? { _ in fatalError("no update rule") },
            interaction: interaction, readout: readout ?? { _ in ContentRead() })
    }
    /// - Parameter block: which layer of the model, for those whose numbers of states differ.
    public func layer(_ parameters: ParameterBuilder, block: Int = 0, residual: Initializer) -> NSTMLayer {
        let n = states.count == 1 ? states[0] : states[block]
        return NSTMLayer(
            parameters, width: width, heads: heads, states: n, parts: parts[n]!, interval: interval, window: window,
            convolutionWidth: convolutionWidth, keepPenalty: keepPenalty, life: life, residual: residual)
    }
}
