import NSTM

extension Strategies {
    /// Adds the update rule `echo-states` and the routing policy `clockwork`.
    public mutating func registerReservoirPack() {
        updates.register("echo-states") { config, dimensions in
            let radius = config.double("radius", default: 0.9, in: 0...2), leak = config.double("leak", default: 0.5, in: 0...1)
            return { EchoStates($0, width: dimensions.width, radius: radius, leak: leak) }
        }
        routings.register("clockwork") { config, dimensions in
            let periods = config.int("periods", default: 4, in: 1...30)
            let strength = config.double("strength", default: 0.75, in: 0...1)
            return { ClockworkRouting($0, states: dimensions.states, periods: periods, strength: strength) }
        }
    }
}
