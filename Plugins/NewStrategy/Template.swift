import Foundation

enum Kind: String, CaseIterable {
    case updateRule = "update-rule"
    case routing, interaction, readout

    var registry: String {
        switch self {
        case .updateRule: "updates"
        case .routing: "routings"
        case .interaction: "interactions"
        case .readout: "readouts"
        }
    }
    var product: String {
        switch self {
        case .updateRule: "StateUpdateRule"
        case .routing: "RoutingPolicy"
        case .interaction: "StateInteraction"
        case .readout: "StateReadout"
        }
    }
    /// Prefix of the protocol of its settings.
    var protocolName: String {
        switch self {
        case .updateRule: "UpdateRule"
        case .routing: "Routing"
        case .interaction: "Interaction"
        case .readout: "Readout"
        }
    }
    /// Argument label in the conformance kit.
    var label: String { self == .updateRule ? "updateRule" : rawValue }
    /// Its section in a configuration.
    var key: String {
        switch self {
        case .updateRule: "update: {type:"
        case .routing: "router: {type:"
        case .interaction: "interaction: {interval: 8, type:"
        case .readout: "read: {type:"
        }
    }
}

/// The generated source of one strategy.
struct Template {
    let kind: Kind
    let name: String
    let home: Home
    let target: String

    /// Name in configurations: MyRule → my-rule, GRURule → gru-rule.
    var label: String {
        let letters = Array(name)
        var text = ""
        for (i, c) in letters.enumerated() {
            let follows = i > 0 && (!letters[i - 1].isUppercase || (i + 1 < letters.count && letters[i + 1].isLowercase))
            text += c.isUppercase && follows ? "-" + c.lowercased() : c.lowercased()
        }
        return text
    }
    private var imports: String {
        home.isFramework
            ? "import NSTMAutograd\nimport NSTMConfiguration\nimport NSTMModules\nimport NSTMTensor" : "import NSTM"
    }

    var source: String {
        """
        \(imports)

        \(body)

        extension \(name) {
            /// The settings of `\(label)`.
            public struct Configuration: \(kind.protocolName)Configuration {
                public static let type = "\(label)"
                public static let summary = "one line on \(label)"
        \(settings)
                public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any \(kind.product) {
                    \(name)(\(arguments))
                }
            }
        }

        """
    }
    /// The properties of the configuration, and the code that reads them.
    private var settings: String {
        guard kind == .updateRule else { return "        public init() {}" }
        return """
                    /// Initial rate.
                    public var rate = 0.5
                    public init() {}
                    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
                        rate = reader.double("rate", default: rate, in: 0...1)
                    }
            """
    }
    private var arguments: String {
        switch kind {
        case .updateRule: "parameters, width: layer.width, rate: rate"
        case .routing: "parameters, width: layer.width, states: layer.states"
        case .interaction, .readout: "parameters, width: layer.width"
        }
    }
    private var body: String {
        switch kind {
        case .updateRule:
            """
            /// Replace this by a description and the source. The template: states move towards the values routed to them, at a
            /// learned rate per channel.
            public final class \(name): StateUpdateRule {
                private let rate: Parameter

                /// - Parameter rate: initial rate, in 0 ... 1.
                public init(_ parameters: ParameterBuilder, width: Int, rate: Double) {
                    self.rate = parameters("rate", [width], .constant(rate))
                }
                public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
                    // [B, N, 1] · [D]: a weight of 0 leaves a state as it is.
                    let write = token.weights.unsqueezed(axis: 2) * context[rate].clamped(min: 0, max: 1)
                    var next = states
                    next.keys = states.keys + write * (token.key.unsqueezed(axis: 1) - states.keys)
                    next.values = states.values + write * (token.value.unsqueezed(axis: 1) - states.values)
                    return next
                }
            }
            """
        case .routing:
            """
            /// Replace this by a description and the source. The template: independent gates.
            public final class \(name): RoutingPolicy {
                private let projection: Linear

                public init(_ parameters: ParameterBuilder, width: Int, states: Int) {
                    projection = Linear(parameters, in: width, out: states, stateAxis: 0)
                }
                public func callAsFunction(
                    _ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext
                ) -> Variable {
                    activity.hidingInactive(projection(tokens, context)).sigmoid()
                }
            }
            """
        case .interaction:
            """
            /// Replace this by a description and the source. The template: each state moves towards the mean of the active ones,
            /// by a learned gate per channel.
            public final class \(name): StateInteraction {
                private let gate: Parameter

                public init(_ parameters: ParameterBuilder, width: Int) {
                    gate = parameters("gate", [width], .constant(-2))
                }
                public func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank {
                    // softmax of the logarithms of activity: shares of the active states, [B, N, 1].
                    let size: Shape = [states.batch, states.count]
                    let activity = states.activity.readBias ?? context.constant(.zeros(size, dtype: states.keys.dtype))
                    let mean = (activity.softmax().unsqueezed(axis: 2) * states.values).sum(axes: [1], keepDims: true)
                    var next = states
                    next.values = states.values + context[gate].sigmoid() * (mean - states.values)
                    return next
                }
            }
            """
        case .readout:
            """
            /// Replace this by a description and the source. The template: a softmax over states of a learned map of the query.
            public final class \(name): StateReadout {
                private let map: Linear

                public init(_ parameters: ParameterBuilder, width: Int) {
                    map = Linear(parameters.child("map"), in: width, out: width, bias: false)
                }
                public func callAsFunction(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> Variable {
                    var scores = (map(token.query, context).unsqueezed(axis: 1) * states.keys).sum(axes: [2])
                    // −∞ for inactive states.
                    if let bias = states.activity.readBias { scores = scores + bias }
                    return (scores.softmax().unsqueezed(axis: 2) * states.values).sum(axes: [1])
                }
            }
            """
        }
    }

    var test: String {
        """
        \(home.isFramework ? "import NSTMLayers" : "import NSTM\nimport \(target)")
        import NSTMTesting
        import Testing

        @Test func \(name.prefix(1).lowercased() + name.dropFirst())Conforms() throws {
            var strategies = Strategies.standard
            strategies.\(kind.registry).register(\(name).Configuration.self)
            let report = try Conformance.check(\(kind.label): "\(label)", in: strategies)
            print(report)
            #expect(report.passed, "\\(report)")
        }

        """
    }

    var configuration: String {
        """
        # A small model with \(label), on the copy task.
        data: {type: copy, bits: 4, maximum-length: 3}
        model:
          type: nstm
          layers: 1
          width: 32
          heads: 2
          states: 8
          \(kind.key) \(label)}
        training:
          steps: 1000
          batch: 16
          schedule: {learning-rate: 3e-3}
          evaluation: {interval: 100}

        """
    }

    var next: String {
        """
        next:
          1. make it known: \(home.isFramework ? "s" : "registries.strategies").\(kind.registry).register(\(name).Configuration.self) in \(home.isFramework ? "Strategies.standard" : "your program")
          2. check it:      swift test -c release --filter \(name.prefix(1).lowercased() + name.dropFirst())Conforms
          3. train it:      train Configurations/\(label).yaml, with \(home.isFramework ? "nstm" : "your program")
        """
    }
}
