import NSTMTensor

/// Watches a pass: layers show it values by name (`write`, `read`, …), and it says which of them it wants.
///
/// What nobody wants costs nothing.
public protocol PassObserver: AnyObject {
    /// - Parameter path: of the module at work.
    func wants(_ name: String, at path: String) -> Bool
    func observe(_ name: String, _ value: Tensor, at path: String)
}

extension ForwardContext {
    public func wants(_ name: String) -> Bool { observer?.wants(name, at: path) ?? false }
    /// Shows the observer a value.
    ///
    /// Once per pass: a part that is recomputed in the backward pass does not show it again.
    public func observe(_ name: String, _ value: () -> Tensor) {
        guard let observer, !isRecomputing, observer.wants(name, at: path) else { return }
        observer.observe(name, value(), at: path)
    }
    /// Shows the observer the gradient of a recorded variable in the backward pass.
    ///
    /// Use the result in place of the variable.
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
