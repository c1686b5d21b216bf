internal import CHDF5

extension CheckpointFile {
    /// The version of libhdf5 at run time, such as `1.14.3`.
    public static var libraryVersion: String {
        var major: UInt32 = 0, minor: UInt32 = 0, release: UInt32 = 0
        let status = try? HDF5.locked { H5get_libversion(&major, &minor, &release) }
        return (status ?? -1) < 0 ? "unknown" : "\(major).\(minor).\(release)"
    }
}
