import NSTMAutograd
import NSTMModules
import NSTMTensor
import Testing

@Suite struct ConvolutionModuleTests {
    @Test func parametersAndShapes() {
        let builder = ParameterBuilder(seed: 1)
        let one = Conv1d(builder.child("one"), in: 6, out: 64, kernel: 5, padding: .causal, dilation: 2, groups: 2)
        let two = Conv2d(builder.child("two"), in: 3, out: 50, kernel: [3, 4], stride: 2, padding: 1, bias: false)
        #expect(builder.store.all.map(\.path) == ["one.weight", "one.bias", "two.weight"])
        #expect(one.weight.value.shape == [64, 3, 5] && two.weight.value.shape == [50, 3, 3, 4])
        // U(±1/√fan_in) fills its range.
        for (parameter, inputs) in [(one.weight, 15), (one.bias!, 15), (two.weight, 36)] {
            let largest = parameter.value.doubles().map(abs).max()! * Double(inputs).squareRoot()
            #expect(largest <= 1 && largest > 0.9, "\(parameter.path): \(largest)")
        }
        let context = ForwardContext(.evaluate)
        #expect(one(Variable(.ones([2, 6, 11])), context).shape == [2, 64, 11])
        #expect(two(Variable(.ones([2, 3, 9, 10])), context).shape == [2, 50, 5, 5])
    }

    /// The module is the operation on its parameters, and gradients reach them.
    @Test func gradients() {
        let builder = ParameterBuilder(seed: 2, dtype: .float64)
        let layer = Conv2d(builder, in: 4, out: 6, kernel: 3, padding: 1, groups: 2)
        let x = Tensor.normal([2, 4, 5, 5], key: RandomKey(3), dtype: .float64)
        let context = ForwardContext(.train)
        let y = layer(context.input(x), context)
        let same = Variable(x).conv2d(
            Variable(layer.weight.value), bias: Variable(layer.bias!.value), padding: 1, groups: 2)
        #expect(y.value.doubles() == same.value.doubles())
        let gradients = y.squared().sum().backward()
        #expect(gradients.paths == ["weight", "bias"])
        let bias = zip(gradients["bias"]!.doubles(), y.value.sum(axes: [0, 2, 3]).affine(2).doubles())
        for (got, want) in bias { #expect(abs(got - want) < 1e-12) }
    }
}
