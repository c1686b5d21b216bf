import NSTMAutograd
import NSTMTensor

/// Convolution along a sequence, [B, C, T] → [B, O, T']; see `Variable.conv1d`.
///
/// Weight and bias are initialized as in PyTorch: U(±1/√fan_in) with fan_in = C/groups · kernel (Kaiming uniform with a = √5,
/// He et al., 2015).
public final class Conv1d {
    /// [O, C/groups, kernel].
    public let weight: Parameter
    /// [O]; nil without one.
    public let bias: Parameter?
    /// Step between output positions.
    public let stride: Int
    /// Zeros before and after the sequence.
    public let padding: Variable.SequencePadding
    /// Distance between taps.
    public let dilation: Int
    /// Number of groups of channels that are convolved separately.
    public let groups: Int

    public init(
        _ parameters: ParameterBuilder, in inputs: Int, out outputs: Int, kernel: Int, stride: Int = 1,
        padding: Variable.SequencePadding = 0,
        dilation: Int = 1, groups: Int = 1, bias: Bool = true, initializer: Initializer? = nil
    ) {
        (weight, self.bias) = convolutionParameters(
            parameters, [outputs, channels(inputs, groups, parameters), kernel], bias: bias, initializer)
        (self.stride, self.padding, self.dilation, self.groups) = (stride, padding, dilation, groups)
    }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable {
        x.conv1d(
            context[weight], bias: bias.map { context[$0] }, stride: stride, padding: padding, dilation: dilation, groups: groups)
    }
}

/// Convolution over planes, [B, C, H, W] → [B, O, H', W']; see `Variable.conv2d`.
///
/// Initialized as `Conv1d`.
public final class Conv2d {
    /// [O, C/groups, rows, columns].
    public let weight: Parameter
    /// [O]; nil without one.
    public let bias: Parameter?
    /// Steps between output positions.
    public let stride: Variable.PlaneSize
    /// Rows and columns of zeros on each side.
    public let padding: Variable.PlaneSize
    /// Distances between taps.
    public let dilation: Variable.PlaneSize
    /// Number of groups of channels that are convolved separately.
    public let groups: Int

    public init(
        _ parameters: ParameterBuilder, in inputs: Int, out outputs: Int, kernel: Variable.PlaneSize,
        stride: Variable.PlaneSize = 1,
        padding: Variable.PlaneSize = 0, dilation: Variable.PlaneSize = 1, groups: Int = 1, bias: Bool = true,
        initializer: Initializer? = nil
    ) {
        (weight, self.bias) = convolutionParameters(
            parameters, [outputs, channels(inputs, groups, parameters), kernel.rows, kernel.columns], bias: bias, initializer)
        (self.stride, self.padding, self.dilation, self.groups) = (stride, padding, dilation, groups)
    }
    public func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable {
        x.conv2d(
            context[weight], bias: bias.map { context[$0] }, stride: stride, padding: padding, dilation: dilation, groups: groups)
    }
}

/// Number of input channels of one group.
private func channels(_ inputs: Int, _ groups: Int, _ parameters: ParameterBuilder) -> Int {
    guard groups >= 1, inputs % groups == 0 else {
        nstmFatal(.other(op: "convolution", "\(inputs) channels are not divisible into \(groups) groups"), at: parameters.path)
    }
    return inputs / groups
}

private func convolutionParameters(
    _ parameters: ParameterBuilder, _ shape: Shape, bias: Bool, _ initializer: Initializer?
) -> (weight: Parameter, bias: Parameter?) {
    let uniform = Initializer.uniform(bound: 1 / Double(max(1, shape.count / max(1, shape[0]))).squareRoot())
    return (
        parameters("weight", shape, initializer ?? uniform), bias ? parameters("bias", [shape[0]], uniform) : nil
    )
}
