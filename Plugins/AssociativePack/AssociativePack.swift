import NSTM

extension Strategies {
    /// Adds the update rules `erase-add` and `addressed-erase-add`, and the routing policy `least-used`.
    public mutating func registerAssociativePack() {
        updates.register(EraseAdd.Configuration.self)
        updates.register(AddressedEraseAdd.Configuration.self)
        routings.register(LeastUsedRouting.Configuration.self)
    }
}
