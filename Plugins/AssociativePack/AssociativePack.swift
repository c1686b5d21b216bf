import NSTM

extension Strategies {
    /// Adds the update rule `erase-add` and the routing policy `least-used`.
    public mutating func registerAssociativePack() {
        updates.register(EraseAdd.Configuration.self)
        routings.register(LeastUsedRouting.Configuration.self)
    }
}
