import NSTMTensor

extension Variable {
    /// Similarity of keys `self` [B, H, W], one per head, and the rows of a memory, [B, H, N]: the cosine with ε added to
    /// both squared norms.
    ///
    /// The differentiable part of content addressing (Graves, Wayne & Danihelka 2014, "Neural Turing machines", equation 6). Zero
    /// keys and rows have similarity 0 and finite gradients.
    /// - Parameters:
    ///   - rows: memory [B, N, W].
    ///   - mask: factors of the elements of keys and rows, [B, H, W]; nil: 1 (Csordás & Schmidhuber 2019, section 3.1).
    ///   - epsilon: ε.
    public func cosineSimilarity(to rows: Variable, mask: Variable? = nil, epsilon: Double = 1e-6) -> Variable {
        guard shape.rank == 3, rows.shape.rank == 3, rows.shape[0] == shape[0], rows.shape[2] == shape[2],
            mask.map({ $0.shape == shape }) ?? true
        else {
            nstmFatal(
                .other(
                    op: "cosineSimilarity",
                    "keys \(shape), rows \(rows.shape), mask \(mask?.shape.description ?? "none"); needs [B, H, W], [B, N, W] and "
                        + "[B, H, W]"),
                at: path(of: self, rows))
        }
        requireSameType("cosineSimilarity", self, rows, mask)
        let similarity = ContentSimilarity(keys: value, rows: rows.value, mask: mask?.value, epsilon: epsilon)
        let c = similarity.forward()
        return record("cosineSimilarity", self, rows, mask, value: c, saving: (similarity, c)) { g, saved, gradients in
            var d: (keys: Tensor, mask: Tensor?)?, unused: Tensor?
            // Rows are compared by several heads and in every step: their gradients are accumulated in one sum.
            gradients.accumulate(1) { d = saved.pointee.0.backward(saved.pointee.1, g, addingRowsTo: &$0) }
            let own = d ?? saved.pointee.0.backward(saved.pointee.1, g, addingRowsTo: &unused)
            gradients.add(0, own.keys)
            if let mask = own.mask { gradients.add(2, mask) }
        }
    }

    /// Weights x = `self` [B, H, N] convolved along the rows of a memory, with indices modulo N: yᵢ = Σⱼ x₍ᵢ₋ⱼ₎ sⱼ.
    ///
    /// The shift of Graves, Wayne & Danihelka 2014, equation 8. Position 0 of the kernel is offset −r, which moves weights to the
    /// row before.
    /// - Parameter kernel: s [B, H, 2r + 1], shares of the offsets −r … r.
    public func circularShift(_ kernel: Variable) -> Variable {
        guard shape.rank == 3, kernel.shape.rank == 3, kernel.shape.dropLast() == shape.dropLast(), kernel.shape[2] % 2 == 1
        else {
            nstmFatal(
                .other(op: "circularShift", "weights \(shape), kernel \(kernel.shape); needs [B, H, N] and [B, H, 2r + 1]"),
                at: path(of: self, kernel))
        }
        requireSameType("circularShift", self, kernel)
        let shift = CircularShift(value, kernel.value)
        return record("circularShift", self, kernel, value: shift.forward(), saving: shift) { g, saved, gradients in
            let d = saved.pointee.backward(g)
            gradients.add(0, d.x)
            gradients.add(1, d.s)
        }
    }

    /// Weights x = `self` [B, H, N], 0 or more, raised to an exponent and scaled to sum to 1 along the last
    /// axis, x^γ / Σ x^γ, in the log domain.
    ///
    /// The sharpening of Graves, Wayne & Danihelka 2014, equation 9. It has finite values and gradients for weights of 0 and any
    /// exponent.
    /// - Parameter exponent: γ [B, H].
    public func sharpened(_ exponent: Variable) -> Variable {
        guard shape.rank == 3, exponent.shape == shape.dropLast() else {
            nstmFatal(
                .other(op: "sharpened", "weights \(shape), exponents \(exponent.shape); needs [B, H, N] and [B, H]"),
                at: path(of: self, exponent))
        }
        requireSameType("sharpened", self, exponent)
        let sharpening = Sharpening(value, exponent.value), y = sharpening.forward()
        return record("sharpened", self, exponent, value: y, saving: (sharpening, y)) { g, saved, gradients in
            let d = saved.pointee.0.backward(saved.pointee.1, g)
            gradients.add(0, d.x)
            gradients.add(1, d.exponent)
        }
    }

    /// Rows of a memory [B, N, W] after a write of H heads: all of them erase, then all of them add.
    ///
    ///     M ← M ∘ retention ∘ Πₕ(1 − wₕ eₕᵀ) + Σₕ wₕ aₕᵀ
    ///
    /// Graves, Wayne & Danihelka 2014, equations 3 and 4.
    /// - Parameters:
    ///   - weights: w [B, H, N].
    ///   - erase: e [B, H, W].
    ///   - add: a [B, H, W].
    ///   - retention: factors of the rows before the write, [B, N]; nil: 1 (Csordás & Schmidhuber 2019, section 3.2).
    public func erasedAndAdded(weights: Variable, erase: Variable, add: Variable, retention: Variable? = nil) -> Variable {
        guard shape.rank == 3, weights.shape.rank == 3, weights.shape[0] == shape[0], weights.shape[2] == shape[1],
            erase.shape == [shape[0], weights.shape[1], shape[2]], add.shape == erase.shape,
            retention.map({ $0.shape == shape.dropLast() }) ?? true
        else {
            nstmFatal(
                .other(
                    op: "erasedAndAdded",
                    "rows \(shape), weights \(weights.shape), erase \(erase.shape), add \(add.shape), retention "
                        + "\(retention?.shape.description ?? "none"); needs [B, N, W], [B, H, N], [B, H, W] twice and [B, N]"),
                at: path(of: self, weights))
        }
        requireSameType("erasedAndAdded", self, weights, erase, add, retention)
        let write = MemoryWrite(
            value, weights: weights.value, erase: erase.value, add: add.value, retention: retention?.value)
        return record(
            "erasedAndAdded", [self, weights, erase, add] + (retention.map { [$0] } ?? []), write.forward(),
            .pullback { g, gradients in
                let d = write.backward(g)
                gradients.add(0, d.rows)
                gradients.add(1, d.weights)
                gradients.add(2, d.erase)
                gradients.add(3, d.add)
                if let retention = d.retention { gradients.add(4, retention) }
            })
    }

    /// Allocation weights [B, N] of the rows of a memory by their usages `self` [B, N].
    ///
    /// In ascending order of usage, a row gets (1 − uᵢ) times the usages of all rows before it, so that Σ a = 1 − Π u (Graves et
    /// al. 2016, "Hybrid computing using a neural network with dynamic external memory", equation 1 of the methods). Of rows with
    /// equal usage the first comes first. The order counts as constant in the backward pass.
    public func allocationWeights() -> Variable {
        guard shape.rank == 2 else {
            nstmFatal(.other(op: "allocationWeights", "usage \(shape), needs [B, N]"), at: path(of: self))
        }
        let allocation = UsageAllocation(value)
        return record("allocationWeights", self, value: allocation.weights, saving: allocation) { g, saved, gradients in
            gradients.add(0, saved.pointee.backward(g))
        }
    }

    /// Temporal links [B, N, N] of a memory after a write, from those before it: element (i, j) is the degree to which row i was
    /// written right after row j.
    ///
    ///     Lᵢⱼ ← (1 − wᵢ − wⱼ) Lᵢⱼ + wᵢ pⱼ;   Lᵢᵢ = 0
    ///
    /// Graves et al. 2016, section "Temporal memory linkage" of the methods.
    /// - Parameters:
    ///   - weights: write weights w [B, N].
    ///   - precedence: p [B, N] before the write, the degree to which each row was written last.
    public func temporalLinks(weights: Variable, precedence: Variable) -> Variable {
        guard shape.rank == 3, shape[1] == shape[2], weights.shape == shape.dropLast(), precedence.shape == weights.shape else {
            nstmFatal(
                .other(
                    op: "temporalLinks",
                    "links \(shape), weights \(weights.shape), precedence \(precedence.shape); needs [B, N, N], [B, N] and [B, N]"
                ),
                at: path(of: self, weights))
        }
        requireSameType("temporalLinks", self, weights, precedence)
        let links = TemporalLinks(value, weights: weights.value, precedence: precedence.value)
        return record("temporalLinks", self, weights, precedence, value: links.forward(), saving: links) { g, saved, gradients in
            let d = saved.pointee.backward(g)
            gradients.add(0, d.links)
            gradients.add(1, d.weights)
            gradients.add(2, d.precedence)
        }
    }
}
