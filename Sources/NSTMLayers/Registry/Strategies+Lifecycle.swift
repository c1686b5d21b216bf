import NSTMModules

extension Strategies {
    mutating func registerLifecycle() {
        prunings.register("threshold") { config, _ in
            let below = config.double("below", default: 0.1, in: -1e9...1e9)
            return ThresholdPruning(
                measure: config.choice("measure", default: StateMeasure.importance), below: below,
                above: config.double("above", default: max(below, 1.5 * below), in: below...1e9))
        }
        prunings.register("top-k") { config, dimensions in
            TopKPruning(
                measure: config.choice("measure", default: StateMeasure.importance),
                keep: config.int("keep", in: dimensions.choices))
        }
        prunings.register("hard-concrete") { config, _ in
            HardConcretePruning(atMost: config.double("at-most", default: 0, in: 0...1))
        }
        prunings.register("least-recently-used") { config, dimensions in
            let keep = config.optionalInt("keep", in: dimensions.choices)
            let after = config.optionalInt("after", in: 1...1_000_000_000)
            return LeastRecentlyUsedPruning(after: after ?? (keep == nil ? 1000 : nil), keep: keep)
        }
        prunings.register("taylor") { config, dimensions in
            let keep = config.optionalInt("keep", in: dimensions.choices)
            return TaylorPruning(keep: keep, below: config.double("below", default: keep == nil ? 0.1 : 0, in: 0...1e9))
        }
        prunings.register("random") { config, dimensions in
            RandomPruning(keep: config.int("keep", in: dimensions.choices), seed: config.int("seed", default: 0, in: 0...Int.max))
        }
        prunings.register("ablation") { config, dimensions in
            let keep = config.optionalInt("keep", in: dimensions.choices), below = config.optionalDouble("below", in: -1e9...1e9)
            return AblationPruning(keep: keep, below: below ?? (keep == nil ? 0 : nil))
        }
        activations.register("novelty") { config, dimensions in
            NoveltyActivation(
                interval: config.int("interval", default: 8, in: 1...1_000_000),
                start: config.int("start", default: min(4, dimensions.states), in: dimensions.choices),
                above: config.double("above", default: 0.5, in: 0...2),
                budget: config.int("budget", default: dimensions.states, in: 1...65_536))
        }
        allocations.register("static") { _, _ in StaticAllocation() }
        allocations.register("novelty") { config, _ in NoveltyAllocation(above: config.double("above", default: 0.5, in: 0...2)) }
        allocations.register("surprise") { config, _ in SurpriseAllocation(above: config.double("above", default: 3, in: 0...1e6))
        }
        allocations.register("saturation") { config, _ in
            SaturationAllocation(above: config.double("above", default: 0.5, in: 0...1))
        }
        allocations.register("plateau") { config, _ in
            PlateauAllocation(
                decisions: config.int("decisions", default: 5, in: 1...1_000_000),
                margin: config.double("margin", default: 0.005, in: 0...1e6))
        }
    }
}
