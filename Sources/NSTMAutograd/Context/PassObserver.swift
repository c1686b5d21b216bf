import NSTMTensor

/// Watches a pass: layers show it values by name (`write`, `read`, …), and it says which of them it wants. What nobody wants costs
/// nothing.
public protocol PassObserver: AnyObject {
    /// - Parameter path: of the module at work.
    func wants(_ name: String, at path: String) -> Bool
    func observe(_ name: String, _ value: Tensor, at path: String)
}

extension ForwardContext {
    public func wants(_ name: String) -> Bool { observer?.wants(name, at: path) ?? false }
    /// Shows the observer a value. Once a pass: a part that is recomputed on the way back does not show it again.
    public func observe(_ name: String, _ value: () -> Tensor) {
        guard let observer, !isRecomputing, observer.wants(name, at: path) else { return }
        observer.observe(name, value(), at: path)
    }
    /// Shows the observer the gradient of a recorded variable, on the way back. Use the result in place of the variable.
    public func observingGradient(_ name: String, of x: Variable) -> Variable {
        guard let observer, x.isRecorded, observer.wants(name, at: path) else { return x }
        let path = path
        return record(
            "observe", [x], x.value,
            .pullback { g, to in
                observer.observe(name, g, at: path)
                to.add(0, g)
            })
    }
}
