import NSTM

/// Seconds of a 3 × 3 convolution forward and backward: batch × channels × size (both sides of the plane).
func planes(_ batch: Int, _ channels: Int, _ size: Int) -> Double {
    let x = random([batch, channels, size, size], "x"), g = random([batch, channels, size, size], "g")
    let weight = random([channels, channels, 3, 3], "weight"), bias = random([channels], "bias")
    return median {
        let context = ForwardContext(.train)
        let inputs = [context.input(x), context.input(weight), context.input(bias)]
        _ = inputs[0].conv2d(inputs[1], bias: inputs[2], padding: 1).gradients(of: inputs, seed: g)
    }
}

/// Seconds of a convolution as long as the sequence, forward and backward: batch × time × channels.
func longConvolution(_ batch: Int, _ time: Int, _ channels: Int) -> Double {
    let x = random([batch, time, channels], "x"), filter = random([time, channels], "filter")
    let g = random([batch, time, channels], "g")
    return median {
        let context = ForwardContext(.train)
        let inputs = [context.input(x), context.input(filter)]
        _ = inputs[0].longConvolution(inputs[1]).gradients(of: inputs, seed: g)
    }
}

/// The rows of this file, or nil for others: "conv2d 64x64x32", "longconv 4x4096x256".
func convolution(_ name: String, _ sizes: [Int]) -> Double? {
    switch name {
    case "conv2d": planes(sizes[0], sizes[1], sizes[2])
    case "longconv": longConvolution(sizes[0], sizes[1], sizes[2])
    default: nil
    }
}
