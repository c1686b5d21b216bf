import NSTM

extension Strategies {
    /// Adds the update rule `echo-states` and the routing policy `clockwork`.
    public mutating func registerReservoirPack() {
        updates.register(EchoStates.Configuration.self)
        routings.register(ClockworkRouting.Configuration.self)
    }
}
