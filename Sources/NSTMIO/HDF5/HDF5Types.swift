internal import CHDF5
import NSTMTensor

/// The HDF5 types of the element types of a checkpoint, in the file (little-endian) and in memory.
struct HDF5Types: ~Copyable {
    /// The type of booleans, as written by h5py: an enumeration of one byte with FALSE = 0 and TRUE = 1.
    private let boolean: HDF5Handle

    private init(boolean: consuming HDF5Handle) { self.boolean = boolean }

    static func make(_ path: String) throws(CheckpointError) -> HDF5Types {
        let boolean = try HDF5Handle(H5Tenum_create(nstm_H5T_STD_I8LE()), H5Tclose, "create the type of booleans", path)
        for (name, value) in [("FALSE", 0), ("TRUE", 1)] as [(String, Int8)] {
            var value = value
            try HDF5.check(H5Tenum_insert(boolean.id, name, &value), "create the type of booleans", path)
        }
        return HDF5Types(boolean: boolean)
    }

    func file(_ type: StoredType) -> hid_t {
        switch type {
        case .tensor(.float32): nstm_H5T_IEEE_F32LE()
        case .tensor(.float64): nstm_H5T_IEEE_F64LE()
        case .tensor(.int32): nstm_H5T_STD_I32LE()
        case .tensor(.uint8): nstm_H5T_STD_U8LE()
        case .tensor(.bool): boolean.id
        case .integers: nstm_H5T_STD_I64LE()
        }
    }
    func memory(_ type: StoredType) -> hid_t {
        switch type {
        case .tensor(.float32): nstm_H5T_NATIVE_FLOAT()
        case .tensor(.float64): nstm_H5T_NATIVE_DOUBLE()
        case .tensor(.int32): nstm_H5T_NATIVE_INT32()
        case .tensor(.uint8): nstm_H5T_NATIVE_UINT8()
        case .tensor(.bool): boolean.id
        case .integers: nstm_H5T_NATIVE_INT64()
        }
    }
}

/// The element type of a dataset.
enum StoredType: Equatable {
    case tensor(DType)
    /// 64-bit integers, which are not an element type of tensors.
    case integers

    static let all = DType.allCases.map(StoredType.tensor) + [.integers]

    var byteCount: Int {
        switch self {
        case .tensor(let dtype): dtype.byteCount
        case .integers: 8
        }
    }
}
