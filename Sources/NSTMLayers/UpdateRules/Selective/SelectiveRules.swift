import Foundation
import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

// Rules with a decay for each channel of each state (`SelectiveUpdate`).

extension Initializer {
    /// Logarithms of log-uniformly spaced numbers in 0.001 … 0.1: the initial steps Δ of Mamba and S4D.
    static let logarithmsOfSteps = Initializer { shape, key, type in
        .uniform(shape, low: log(1e-3), high: log(1e-1), key: key, dtype: type)
    }
    /// log(1 … N) in every column of [N, D]: the rates −1 … −N of S4D-real (Gu et al., 2022).
    static let logarithmsOfRates = Initializer { shape, _, type in
        Tensor((1...shape[0]).map { log(Double($0)) }, [shape[0], 1]).cast(to: type).broadcast(to: shape).contiguous()
    }
}

/// Mamba's rule (Gu & Dao 2023): Δ = softplus(x·R·W + b) through rank R for each channel, A = −e^L for each channel and state.
///
/// The skip of Mamba's block is omitted, because the layer has its own residual.
public final class SelectiveDiagonalRule: TokenDrivenUpdateRule {
    /// Rank R of the projection to step sizes.
    public let rank: Int
    private let down: Linear
    private let up: Linear
    /// L, [N, D].
    private let rates: Parameter

    /// - Parameter rank: R; nil: D/16, at least 1.
    public init(_ parameters: ParameterBuilder, width: Int, states: Int, rank: Int? = nil) {
        let rank = rank ?? max(1, width / 16)
        self.rank = rank
        down = Linear(parameters.child("down"), in: width, out: rank, bias: false)
        // For small steps softplus⁻¹(Δ) is log Δ.
        up = Linear(parameters.child("up"), in: rank, out: width, biasInitializer: .logarithmsOfSteps)
        rates = parameters("rates", [states, width], .logarithmsOfRates, decays: false, stateAxis: 0)
    }
    public func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> SelectiveUpdate {
        SelectiveUpdate(
            write: routing, delta: up(down(tokens, context), context).softplus(), rates: -context[rates].exp())
    }
}

/// A diagonal state space with real rates (S4D-real: Gu et al., 2022): Δ = e^s and A = −e^L are parameters, so that without
/// routing it is the same linear system at every token.
public final class DiagonalSSM: TokenDrivenUpdateRule {
    /// s, [D].
    private let steps: Parameter
    /// L, [N, D].
    private let rates: Parameter

    public init(_ parameters: ParameterBuilder, width: Int, states: Int) {
        steps = parameters("steps", [width], .logarithmsOfSteps)
        rates = parameters("rates", [states, width], .logarithmsOfRates, decays: false, stateAxis: 0)
    }
    public func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> SelectiveUpdate {
        SelectiveUpdate(
            write: routing, delta: context[steps].exp().broadcast(to: tokens.shape), rates: -context[rates].exp())
    }
}

// MARK: Configuration

extension SelectiveDiagonalRule {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "selective-diagonal"
        public static let summary = "the selective state space of Mamba"
        /// R; nil: D/16, at least 1.
        public var rank: Int?
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
            rank = reader.int("rank", default: rank ?? max(1, layer.width / 16), in: 1...layer.width)
        }
        public var defaultReadout: any ReadoutConfiguration { .linear }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            SelectiveDiagonalRule(parameters, width: layer.width, states: layer.states, rank: rank)
        }
    }
}

extension DiagonalSSM {
    public struct Configuration: UpdateRuleConfiguration {
        public static let type = "diagonal-ssm"
        public static let summary = "a diagonal state space with real rates (S4D-real)"
        public init() {}
        public var defaultReadout: any ReadoutConfiguration { .linear }
        public func make(_ parameters: ParameterBuilder, _ layer: LayerDimensions) -> any StateUpdateRule {
            DiagonalSSM(parameters, width: layer.width, states: layer.states)
        }
    }
}

extension UpdateRuleConfiguration where Self == SelectiveDiagonalRule.Configuration {
    public static var selectiveDiagonal: Self { Self() }
    public static func selectiveDiagonal(rank: Int) -> Self {
        var settings = Self()
        settings.rank = rank
        return settings
    }
}

extension UpdateRuleConfiguration where Self == DiagonalSSM.Configuration {
    public static var diagonalSSM: Self { Self() }
}

// MARK: Cost

extension SelectiveDiagonalRule: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        SelectiveUpdate.multiplyAdds(pass, reading: readout, gates: 2 * pass.width * rank)
    }
}

extension DiagonalSSM: UpdateCost {
    public func multiplyAdds(_ pass: StatePass, reading readout: any StateReadout) -> Int? {
        SelectiveUpdate.multiplyAdds(pass, reading: readout, gates: 0)
    }
}
