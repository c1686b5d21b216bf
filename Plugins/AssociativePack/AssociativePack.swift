import NSTM

extension Strategies {
    /// Adds the update rule `erase-add` and the routing policy `least-used`.
    public mutating func registerAssociativePack() {
        updates.register("erase-add") { _, site in { EraseAdd($0, width: site.width) } }
        routings.register("least-used") { config, site in
            let memory = config.double("memory", default: 20, in: 1...1e6)
            return { LeastUsedRouting($0, width: site.width, states: site.states, memory: memory) }
        }
    }
}
