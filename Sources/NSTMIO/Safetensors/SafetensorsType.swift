import NSTMTensor

/// The supported element types of the safetensors format, by their names in it.
enum SafetensorsType: String, CaseIterable {
    case float64 = "F64"
    case float32 = "F32"
    /// IEEE 754 binary16.
    case float16 = "F16"
    /// The upper half of a float32.
    case bfloat16 = "BF16"
    case int32 = "I32"
    case uint8 = "U8"
    case bool = "BOOL"

    init(_ dtype: DType) {
        self =
            switch dtype {
            case .float64: .float64
            case .float32: .float32
            case .int32: .int32
            case .uint8: .uint8
            case .bool: .bool
            }
    }
    var byteCount: Int {
        switch self {
        case .float64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16: 2
        case .uint8, .bool: 1
        }
    }
}

extension SafetensorsType {
    /// Element type of the resulting tensor.
    var dtype: DType {
        switch self {
        case .float64: .float64
        case .float32, .float16, .bfloat16: .float32
        case .int32: .int32
        case .uint8: .uint8
        case .bool: .bool
        }
    }

    /// A tensor of a shape.
    /// - Parameter read: reads the elements into a buffer, in the representation of the file.
    func tensor(
        _ shape: Shape, _ read: (UnsafeMutableRawBufferPointer) throws(CheckpointError) -> Void
    ) throws(CheckpointError) -> Tensor {
        let out = Tensor(uninitialized: shape, dtype), count = shape.count
        // 16-bit elements are read into the second half of the memory and widened from the front, so that no element is
        // overwritten before it is converted.
        let start = count * (dtype.byteCount - byteCount)
        try read(UnsafeMutableRawBufferPointer(start: out.uninitializedPointer + start, count: count * byteCount))
        if self == .float16 || self == .bfloat16 {
            let isBrain = self == .bfloat16
            for i in 0..<count {
                let half = (out.uninitializedPointer + start).load(fromByteOffset: 2 * i, as: UInt16.self)
                let bits = isBrain ? UInt32(half) << 16 : SafetensorsType.widened(half)
                out.uninitializedPointer.storeBytes(of: bits, toByteOffset: 4 * i, as: UInt32.self)
            }
        }
        return out
    }

    /// The bits of the float32 with the value of a binary16.
    ///
    /// `Float16` does not exist on every platform.
    private static func widened(_ half: UInt16) -> UInt32 {
        let sign = UInt32(half & 0x8000) << 16, exponent = UInt32(half >> 10 & 0x1F), fraction = UInt32(half & 0x3FF)
        return switch exponent {
        case 0: sign | (Float(fraction) * 0x1p-24).bitPattern
        case 0x1F: sign | 0x7F80_0000 | fraction << 13
        default: sign | (exponent + 112) << 23 | fraction << 13
        }
    }
}
