import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMModules
import NSTMTensor

/// The states of a layer: their identities, learned initial values, mask of active states, and learned L0 gates.
public final class StateManager {
    /// Number of states N, active or not.
    public var count: Int { mask.value.count }
    /// Number of heads of the readouts.
    public let heads: Int
    /// Learned initial keys, [N, D].
    public let initialKeys: Parameter
    /// Learned initial values, [N, D].
    public let initialValues: Parameter
    /// 1 for active states, 0 for the others: [N], saved with the model, not learned.
    public let mask: Parameter
    /// Identity of the state at each index, [N]: integers that are never reused.
    ///
    /// Saved with the model, not learned.
    public let identityNumbers: Parameter
    /// Number of identities used so far, [1].
    public let nextIdentity: Parameter
    /// Log-odds of the hard-concrete L0 gates (Louizos et al., 2018), [N]; nil without gates.
    public let gateLogits: Parameter?
    /// Weight λ of the expected number of open gates in the loss.
    public let l0Penalty: Double

    /// - Parameters:
    ///   - l0Penalty: λ ≥ 0; nil for no L0 gates.
    public init(_ parameters: ParameterBuilder, width: Int, states: Int, heads: Int, l0Penalty: Double? = nil) {
        self.heads = heads
        initialKeys = parameters("initialKeys", [states, width], .normal(standardDeviation: 1), decays: false, stateAxis: 0)
        initialValues = parameters(
            "initialValues", [states, width], .normal(standardDeviation: 0.02), decays: false, stateAxis: 0)
        mask = parameters("mask", [states], .ones, trainable: false, stateAxis: 0)
        let numbers = Initializer.spaced(0, Double(states - 1))
        identityNumbers = parameters("identities", [states], numbers, trainable: false, stateAxis: 0)
        nextIdentity = parameters("nextIdentity", [1], .constant(Double(states)), trainable: false)
        gateLogits = l0Penalty == nil ? nil : parameters("gateLogits", [states], .constant(3), stateAxis: 0)
        self.l0Penalty = l0Penalty ?? 0
    }

    /// Whether each state is active.
    ///
    /// Setting it activates and deactivates states.
    ///
    /// At least one must remain active.
    public var active: [Bool] {
        get { mask.value.doubles().map { $0 > 0 } }
        set {
            guard newValue.count == count, newValue.contains(true) else {
                nstmFatal(
                    .other(
                        op: "active",
                        "\(newValue.filter { $0 }.count) of \(newValue.count) states active; needs \(count) flags and one active")
                )
            }
            mask.value = Tensor(newValue.map { $0 ? 1.0 : 0.0 }, [count]).cast(to: mask.value.dtype)
        }
    }
    /// Issues with new values of the mask and the identities, which are tables rather than numbers.
    /// - Parameter value: the new value of a parameter, of the same shape.
    package func issues(of value: (Parameter) -> Tensor) -> [String] {
        var issues: [String] = []
        let flags = value(mask).doubles(), numbers = value(identityNumbers).doubles(), given = value(nextIdentity).doubles()
        if !flags.allSatisfy({ $0 == 0 || $0 == 1 }) { issues.append("\(mask.path): a flag is neither 0 nor 1") }
        if !flags.contains(1) { issues.append("\(mask.path): no state is active") }
        let most = Double(StoredRange.identities.upperBound)
        func isWhole(_ x: Double) -> Bool { x >= 0 && x <= most && x == x.rounded() }
        if !numbers.allSatisfy(isWhole) {
            issues.append("\(identityNumbers.path): an identity is no whole number in \(StoredRange.identities)")
        } else if Set(numbers).count != numbers.count {
            issues.append("\(identityNumbers.path): two states have the same identity")
        }
        if !given.allSatisfy(isWhole) || given[0] <= numbers.max() ?? 0 {
            issues.append("\(nextIdentity.path): \(given[0]) is no whole number above all identities")
        }
        return issues
    }
    /// Activates a new state at an index without an active state.
    /// - Returns: its identity.
    func allocate(at index: Int) -> Int {
        giveIdentities(to: index..<index + 1)
        active[index] = true
        return identities[index]
    }
    /// Assigns new identities to the states at these indices.
    func giveIdentities(to range: Range<Int>) {
        var numbers = identities, given = Int(nextIdentity.value.item())
        for n in range {
            numbers[n] = given
            given += 1
        }
        identityNumbers.value = Tensor(numbers.map { Double($0) }, [count]).cast(to: mask.value.dtype)
        nextIdentity.value = Tensor([Double(given)]).cast(to: mask.value.dtype)
    }
    /// Indices of the active states, ascending.
    var activeIndices: [Int] {
        let active = active
        return active.indices.filter { active[$0] }
    }
    /// Identity of the state at each index.
    public var identities: [Int] { identityNumbers.value.doubles().map { Int($0) } }
    /// The L0 gates in evaluation, in 0 … 1 (all 1 without gates).
    public var l0Gates: [Double] {
        guard let gateLogits else { return Array(repeating: 1, count: count) }
        return gateLogits.value.doubles().map { max(0, min(1, HardConcrete.stretched(1 / (1 + exp(-$0))))) }
    }

    /// The activity of the states in a pass.
    ///
    /// In training the L0 gates are drawn, shared by the batch, and their penalty is added to the losses of the context.
    public func activity(batch: Int, _ context: ForwardContext) -> StateActivity {
        var gate: Variable?
        if let gateLogits {
            let logits = context[gateLogits]
            gate = HardConcrete.gate(logits, identities: identities, context)
            // Once per pass, however many segments it has.
            let name = context.path.isEmpty ? "keep" : context.path + ".keep"
            if context.isTraining && l0Penalty > 0 && !context.auxiliaryLosses.contains(where: { $0.name == name }) {
                context.addLoss("keep", HardConcrete.expectedOpen(logits).sum() * l0Penalty)
            }
        }
        if !mask.value.isPositive {
            let m = context.constant(mask.value)
            gate = gate.map { $0 * m } ?? m
        }
        guard let gate else { return StateActivity(identities: identityNumbers.value, heads: heads) }
        // A state whose gate is drawn closed is inactive in this pass.
        let open = gate.value.doubles().map { $0 > 0 ? 1.0 : 0.0 }
        return StateActivity(
            readBias: HardConcrete.logarithm(gate).broadcast(to: [batch, count]),
            mask: open.contains(0) ? Tensor(open, [count]).cast(to: gate.dtype) : nil,
            identities: identityNumbers.value, heads: heads)
    }
    /// The states before the first token.
    public func initialState(batch: Int, _ activity: StateActivity, _ context: ForwardContext) -> StateBank {
        let target: Shape = [batch, count, initialKeys.value.shape[1]]
        return StateBank(
            keys: context[initialKeys].broadcast(to: target), values: context[initialValues].broadcast(to: target),
            activity: activity)
    }
}

extension Tensor {
    /// Whether all elements are above 0.
    fileprivate var isPositive: Bool {
        dtype == .float64
            ? withElements(of: Double.self) { $0.allSatisfy { $0 > 0 } }
            : withElements(of: Float.self) { $0.allSatisfy { $0 > 0 } }
    }
}

/// The hard-concrete distribution of Louizos, Welling & Kingma, "Learning sparse neural networks through L0 regularization",
/// 2018: z = clip(1.2 s − 0.1, 0, 1), s = σ((ln u − ln(1 − u) + logits)/β), β = 2/3; it is exactly 0 or 1 with finite
/// probability.
package enum HardConcrete {
    package static let beta = 2.0 / 3.0
    static let low = -0.1, high = 1.1
    static func stretched(_ s: Double) -> Double { low + (high - low) * s }

    /// Gates drawn at random in training; their median in evaluation.
    /// - Parameter identities: the number by which each gate is drawn; nil: its index.
    package static func gate(_ logits: Variable, identities: [Int]? = nil, _ context: ForwardContext) -> Variable {
        var s = logits
        if context.isTraining {
            let key = context.random("keep gate")
            let noise = (identities ?? Array(0..<logits.shape.count)).map { i -> Double in
                let u = min(max(key.uniform(i), 1e-6), 1 - 1e-6)
                return log(u) - log(1 - u)
            }
            s = (logits + context.constant(Tensor(noise, logits.shape).cast(to: logits.dtype))) / beta
        }
        return s.sigmoid().affine(high - low, low).clamped(min: 0, max: 1)
    }
    /// P(z ≠ 0) = σ(logits − β ln(0.1/1.1)).
    package static func expectedOpen(_ logits: Variable) -> Variable { (logits - beta * log(-low / high)).sigmoid() }

    /// log z, −∞ at 0, where no gradient flows back.
    static func logarithm(_ gate: Variable) -> Variable {
        let z = gate.value
        let y = Tensor(z.doubles().map { $0 > 0 ? log($0) : -.infinity }, z.shape).cast(to: z.dtype)
        // The −∞ are a mask, so that the check for non-finite values accepts them.
        let mask = Variable(Tensor(z.doubles().map { $0 > 0 ? 0 : -Double.infinity }, z.shape).cast(to: z.dtype))
        return record(
            "log activity", [gate, mask], y,
            .pullback { g, to in
                to.add(0, Tensor(zip(g.doubles(), z.doubles()).map { $1 > 0 ? $0 / $1 : 0 }, z.shape).cast(to: z.dtype))
            })
    }
}
