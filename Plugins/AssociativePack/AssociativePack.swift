import NSTM

extension Strategies {
    /// Adds the update rules `erase-add` and `addressed-erase-add`, and the routing policy `least-used`.
    public mutating func registerAssociativePack() {
        updates.register("erase-add") { _, dimensions in { EraseAdd($0, width: dimensions.width) } }
        updates.register("addressed-erase-add") { _, dimensions in { AddressedEraseAdd($0, width: dimensions.width) } }
        routings.register("least-used") { config, dimensions in
            let memory = config.double("memory", default: 20, in: 1...1e6)
            return { LeastUsedRouting($0, width: dimensions.width, states: dimensions.states, memory: memory) }
        }
    }
}
