import NSTMTensor

extension ForwardContext {
    /// An observer of intermediate values of a pass, which layers report by name (`write`, `read`, …).
    ///
    /// Values that were not requested are not computed.
    public protocol Observer: AnyObject {
        /// Whether the observer requests a value.
        /// - Parameter path: path of the module that reports it.
        func wants(_ name: String, at path: String) -> Bool
        /// Receives a requested value.
        /// - Parameter path: path of the module that reports it.
        func observe(_ name: String, _ value: Tensor, at path: String)
    }

    public func wants(_ name: String) -> Bool { observer?.wants(name, at: path) ?? false }
    /// Reports a value to the observer.
    ///
    /// A value is reported once per pass, also in a part that is recomputed in the backward pass.
    public func observe(_ name: String, _ value: () -> Tensor) {
        guard let observer, !isRecomputing, observer.wants(name, at: path) else { return }
        observer.observe(name, value(), at: path)
    }
    /// A variable whose gradient is reported to the observer in the backward pass.
    ///
    /// The result must be used instead of the argument.
    public func observingGradient(_ name: String, of x: Variable) -> Variable {
        guard let observer, x.isRecorded, observer.wants(name, at: path) else { return x }
        let path = path
        return record(
            "observe", [x], x.value,
            .pullback { g, gradients in
                observer.observe(name, g, at: path)
                gradients.add(0, g)
            })
    }
}
