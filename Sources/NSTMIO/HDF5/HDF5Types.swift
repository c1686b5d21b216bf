internal import CHDF5
import NSTMTensor

/// The element types a checkpoint stores, and their HDF5 types in the file (little-endian) and in memory.
struct HDF5Types: ~Copyable {
    /// Booleans as h5py writes them: an enumeration FALSE = 0, TRUE = 1 of one byte.
    private let boolean: HDF5Handle

    private init(boolean: consuming HDF5Handle) { self.boolean = boolean }

    static func make(_ path: String) throws(CheckpointError) -> HDF5Types {
        let boolean = try HDF5Handle(H5Tenum_create(nstm_H5T_STD_I8LE()), H5Tclose, "make the type of booleans", path)
        for (name, value) in [("FALSE", 0), ("TRUE", 1)] as [(String, Int8)] {
            var value = value
            try HDF5.check(H5Tenum_insert(boolean.id, name, &value), "make the type of booleans", path)
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

/// What the elements of a dataset are.
enum StoredType: Equatable {
    case tensor(DType)
    /// 64-bit integers, which tensors do not have.
    case integers

    static let all = DType.allCases.map(StoredType.tensor) + [.integers]

    var byteCount: Int {
        switch self {
        case .tensor(let dtype): dtype.byteCount
        case .integers: 8
        }
    }
}
