import NSTMTensor

// Losses with given targets: weighted means, in nats if they are entropies.

extension Variable {
    /// Mean cross-entropy, in nats, of logits [..., classes] against int32 class indices [...].
    ///
    /// The mean is weighted: the weight of a position times that of the class of its target, as in PyTorch.
    /// - Parameters:
    ///   - targets: class indices; negative ones and those equal to `ignoring` are ignored.
    ///   - weights: weight of each position [...], such as a mask.
    ///   - classWeights: weight of each class, [classes].
    ///   - labelSmoothing: ε in 0 ... 1: the target becomes (1 − ε)·onehot + ε/classes (Szegedy et al., 2016).
    public func crossEntropy(
        _ targets: Tensor, weights: Tensor? = nil, classWeights: Tensor? = nil, labelSmoothing: Double = 0, ignoring: Int? = nil
    ) -> Variable {
        let n = shape.rank > 0 ? shape[-1] : 0, rows = shape.count / max(1, n)
        guard shape.rank > 0, targets.shape == shape.dropLast(), targets.dtype == .int32,
            weights.map({ $0.shape == targets.shape }) ?? true, classWeights.map({ $0.shape == [n] }) ?? true
        else {
            let given = [weights, classWeights].map { $0?.shape.description ?? "none" }
            nstmFatal(
                .other(
                    op: "crossEntropy",
                    "logits \(shape), targets \(targets.shape) \(targets.dtype), weights \(given[0]), class weights \(given[1])"),
                at: path(of: self))
        }
        guard labelSmoothing >= 0, labelSmoothing <= 1 else {
            nstmFatal(.other(op: "crossEntropy", "label smoothing \(labelSmoothing), needs 0 ... 1"), at: path(of: self))
        }
        let counted = countedTargets(targets, below: n, ignoring: ignoring)
        let classes = classWeights?.cast(to: .float64).elements(Double.self)
        let positions = weights?.cast(to: .float64).elements(Double.self)
        // The weight of each position in the mean; nil: 1. With smoothing the kernel applies the weights of the classes.
        var full = positions
        if let classes {
            full = counted.withElements(of: Int32.self) { t in
                t.indices.map { (positions?[$0] ?? 1) * classes[Int(max(0, t[$0]))] }
            }
        }
        let total = counted.withElements(of: Int32.self) { t in t.indices.reduce(0.0) { $0 + (t[$1] < 0 ? 0 : full?[$1] ?? 1) } }
        let scale = total > 0 ? 1 / total : 0
        let isSmoothed = labelSmoothing > 0, own = isSmoothed ? positions : full
        let kernel = CrossEntropy(
            x: value, targets: counted, weights: own.map { Tensor($0, [rows]).cast(to: dtype) },
            classes: isSmoothed ? classWeights?.cast(to: dtype) : nil, smoothing: labelSmoothing)
        let (losses, lse) = kernel.forward()
        return record(
            "crossEntropy", self, value: losses.sum().affine(scale), saving: (kernel, lse, scale)
        ) { g, saved, gradients in
            let (kernel, lse, scale) = saved.pointee
            gradients.add(0, kernel.backward(lse, scale: scale * g.item()))
        }
    }
    /// The targets, with −1 for ignored ones.
    private func countedTargets(_ targets: Tensor, below n: Int, ignoring: Int?) -> Tensor {
        targets.withElements(of: Int32.self) { targets in
            Tensor([targets.count], initializing: Int32.self) { counted in
                for (i, t) in targets.enumerated() {
                    let isIgnored = t < 0 || ignoring == Int(t)
                    if !isIgnored, t >= Int32(n) {
                        nstmFatal(.other(op: "crossEntropy", "target \(t) is outside 0..<\(n)"), at: path(of: self))
                    }
                    counted[i] = isIgnored ? -1 : t
                }
            }
        }
    }

    /// Mean binary cross-entropy, in nats, of logits against targets of the same shape in 0 … 1; `weights` broadcasts over it.
    ///
    /// Computed from logits without cancellation, so that it is also accurate for confident correct predictions.
    public func binaryCrossEntropy(_ targets: Tensor, weights: Tensor? = nil) -> Variable {
        paired("binaryCrossEntropy", targets, .binaryCrossEntropy, .binaryCrossEntropyDerivative).mean(weights: weights)
    }

    /// Mean squared error against targets of the same shape; `weights` broadcasts over it.
    public func meanSquaredError(_ targets: Tensor, weights: Tensor? = nil) -> Variable {
        // [n, 1] and [n] would otherwise broadcast to [n, n].
        guard targets.shape == shape else {
            nstmFatal(.other(op: "meanSquaredError", "values \(shape), targets \(targets.shape)"), at: path(of: self))
        }
        return (self - Variable(targets.cast(to: dtype))).squared().mean(weights: weights)
    }
    /// The mean of all elements, weighted by weights that broadcast over them; 0 if the weights are all 0.
    private func mean(weights: Tensor?) -> Variable {
        guard let weights else { return mean() }
        let w = weights.cast(to: dtype).broadcast(to: shape)
        let total = w.sum().item()
        return (self * Variable(w)).sum() * (total > 0 ? 1 / total : 0)
    }
    /// Mean absolute error (L1 loss) against targets of the same shape; the derivative is 0 where both are equal.
    public func meanAbsoluteError(_ targets: Tensor) -> Variable {
        paired("meanAbsoluteError", targets, .absolute, .absoluteDerivative).mean()
    }
    /// Mean Huber loss (Huber 1964) against targets of the same shape: ½d² for |d| ≤ delta, else delta·(|d| − ½delta).
    public func huberLoss(_ targets: Tensor, delta: Double = 1) -> Variable {
        guard delta > 0 else { nstmFatal(.other(op: "huberLoss", "delta \(delta), needs a number above 0"), at: path(of: self)) }
        return paired("huberLoss", targets, .huber, .huberDerivative, delta).mean()
    }
    /// The loss of each element, and its derivative with respect to this variable.
    private func paired(
        _ name: StaticString, _ targets: Tensor, _ loss: PairFunction, _ derivative: PairFunction, _ p: Double = 0
    ) -> Variable {
        guard targets.shape == shape else {
            nstmFatal(.other(op: "\(name)", "values \(shape), targets \(targets.shape)"), at: path(of: self))
        }
        let x = value, t = targets.cast(to: dtype)
        return record(
            name, [self], .pair(loss, x, t, p, name: "\(name)"),
            .pullback { g, gradients in gradients.add(0, g * .pair(derivative, x, t, p, name: "\(name)")) })
    }

    /// Kullback–Leibler divergence KL(p ‖ q), in nats, of log-probabilities log q (this variable, [..., classes]) from
    /// log-probabilities log p of the same shape: Σ p·(log p − log q) over the classes, averaged over all other axes (PyTorch's
    /// "batchmean" if there is one).
    ///
    /// It is differentiable in both; classes with p = 0 contribute 0.
    public func klDivergence(_ target: Variable) -> Variable {
        guard target.shape == shape, shape.rank > 0 else {
            nstmFatal(
                .other(op: "klDivergence", "log-probabilities \(shape), target \(target.shape)"), at: path(of: self, target))
        }
        requireSameType("klDivergence", self, target)
        let u = value, v = target.value, rows = shape.dropLast().count
        let loss = record(
            "klDivergence", [self, target], .pair(.klDivergence, u, v, name: "klDivergence"),
            .pullback { g, gradients in
                gradients.add(0, -(g * v.exp()))
                gradients.add(1, g * .pair(.klTargetDerivative, u, v, name: "klDivergence"))
            })
        return loss.sum() * (1 / Double(max(1, rows)))
    }
}
