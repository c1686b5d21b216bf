// swift-tools-version: 6.3
import PackageDescription

#if os(Linux)
    // The header is in the default include path, and the package manager would warn of a flag in Debian's kissfft-float.pc.
    let kissFFT: String? = nil
#else
    let kissFFT: String? = "kissfft-float"
#endif

/// Targets in dependency order, lowest first.
///
/// `Documentation/Architecture.md` describes their contents.
let package = Package(
    name: "NSTM",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "NSTM", targets: ["NSTM"]),
        .library(name: "NSTMCommand", targets: ["NSTMCommand"]),
        .library(name: "NSTMTesting", targets: ["NSTMTesting"]),
        .plugin(name: "NewStrategy", targets: ["NewStrategy"]),
        // The target is not called `nstm`: on a case-insensitive file system that folder would collide with `NSTM`.
        .executable(name: "nstm", targets: ["NSTMTool"]),
        .library(name: "AssociativePack", targets: ["AssociativePack"]),
        .library(name: "ReservoirPack", targets: ["ReservoirPack"]),
        .executable(name: "nstm-packs", targets: ["PackTool"]),
        .executable(name: "CopyTask", targets: ["CopyTask"]),
        .executable(name: "TinyShakespeare", targets: ["TinyShakespeare"]),
        .executable(name: "MNIST", targets: ["MNIST"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.7.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    ],
    targets: [
        .systemLibrary(
            name: "COpenBLAS", pkgConfig: "openblas",
            providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
        .systemLibrary(
            name: "CHDF5", pkgConfig: "hdf5",
            providers: [.apt(["libhdf5-dev"]), .brew(["hdf5"])]),
        .systemLibrary(
            name: "CKissFFT", pkgConfig: kissFFT,
            providers: [.apt(["libkissfft-dev"]), .brew(["kissfft"])]),
        // Every system has the header where compilers look; macOS has no package for it.
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        // SHA-256 on Linux; macOS has CommonCrypto.
        .systemLibrary(name: "CCrypto", providers: [.apt(["libssl-dev"])]),
        .target(name: "NSTMSystem", dependencies: [.target(name: "CCrypto", condition: .when(platforms: [.linux]))]),
        .target(name: "NSTMConfiguration"),
        .target(name: "CNSTMKernels", cSettings: [.headerSearchPath("Support")]),
        .target(name: "CNSTMFourier", dependencies: ["CKissFFT", "CNSTMKernels"]),
        .target(name: "NSTMTensor", dependencies: ["COpenBLAS", "CNSTMKernels", "CNSTMFourier"]),
        .target(name: "NSTMAutograd", dependencies: ["NSTMTensor"]),
        .target(name: "NSTMModules", dependencies: ["NSTMConfiguration", "NSTMAutograd"]),
        .target(name: "NSTMOptim", dependencies: ["NSTMConfiguration", "NSTMAutograd"]),
        .target(name: "NSTMMemory", dependencies: ["NSTMModules"]),
        .target(name: "NSTMLayers", dependencies: ["NSTMMemory"]),
        .target(name: "NSTMBaselines", dependencies: ["NSTMModules"]),
        .target(
            name: "NSTMData",
            dependencies: ["CZlib", "NSTMSystem", "NSTMConfiguration", "NSTMTensor"]),
        .target(
            name: "NSTMIO",
            dependencies: ["CHDF5", "NSTMSystem", "NSTMConfiguration", "NSTMTensor", "NSTMModules"]),
        .target(
            name: "NSTMTraining",
            dependencies: [
                "COpenBLAS", "CNSTMKernels", "NSTMSystem", "NSTMLayers", "NSTMBaselines", "NSTMOptim", "NSTMData", "NSTMIO",
            ]),
        .target(
            name: "NSTMCommand",
            dependencies: [
                "NSTM", "NSTMSystem", .product(name: "Yams", package: "Yams"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .target(
            name: "NSTM",
            dependencies: [
                "NSTMConfiguration", "NSTMTensor", "NSTMAutograd", "NSTMModules", "NSTMMemory", "NSTMOptim", "NSTMLayers",
                "NSTMBaselines",
                "NSTMData", "NSTMIO",
                "NSTMTraining",
            ]),
        .plugin(
            name: "NewStrategy",
            capability: .command(
                intent: .custom(verb: "new-strategy", description: "Writes a strategy, its conformance test and a configuration"),
                permissions: [.writeToPackageDirectory(reason: "to write the new files")])),
        .target(name: "NSTMTesting", dependencies: ["NSTMLayers", "NSTMMemory", "NSTMIO"]),
        .executableTarget(name: "NSTMTool", dependencies: ["NSTMCommand"]),
        .executableTarget(name: "CopyTask", dependencies: ["NSTM"], path: "Examples/CopyTask"),
        .executableTarget(name: "TinyShakespeare", dependencies: ["NSTM"], path: "Examples/TinyShakespeare"),
        .executableTarget(name: "MNIST", dependencies: ["NSTM"], path: "Examples/MNIST"),

        // Third-party strategies: they use the public API only.
        .target(name: "CAssociativePack", path: "Plugins/CAssociativePack"),
        .target(
            name: "AssociativePack", dependencies: ["NSTM", "CAssociativePack"], path: "Plugins/AssociativePack",
            packageAccess: false),
        .target(name: "ReservoirPack", dependencies: ["NSTM"], path: "Plugins/ReservoirPack", packageAccess: false),
        .executableTarget(
            name: "PackTool", dependencies: ["AssociativePack", "ReservoirPack", "NSTMCommand"], path: "Plugins/PackTool",
            packageAccess: false),

        // What the tests of several targets need.
        .target(name: "TestSupport", dependencies: ["NSTMModules"], path: "Tests/Support"),
        .testTarget(name: "PublicNamesTests", dependencies: ["NSTM", "NSTMTesting"]),
        .testTarget(name: "SystemTests", dependencies: ["NSTMSystem", "TestSupport"]),
        .testTarget(name: "ConfigurationTests", dependencies: ["NSTMConfiguration", "NSTMCommand"]),
        .testTarget(name: "TensorTests", dependencies: ["NSTMTensor", "CNSTMKernels", "COpenBLAS", "TestSupport"]),
        .testTarget(name: "AutogradTests", dependencies: ["NSTMAutograd", "TestSupport"], resources: [.copy("Golden")]),
        .testTarget(
            name: "ModulesTests", dependencies: ["NSTMModules", "NSTMOptim", "NSTMBaselines", "TestSupport"],
            resources: [.copy("Golden")]),
        .testTarget(
            name: "OptimTests", dependencies: ["NSTMOptim", "NSTMModules", "TestSupport"], resources: [.copy("Golden")]),
        .testTarget(name: "MemoryTests", dependencies: ["NSTMMemory", "NSTMTesting", "TestSupport"]),
        .testTarget(name: "LayersTests", dependencies: ["NSTMLayers", "NSTMOptim", "TestSupport"]),
        .testTarget(name: "ConformanceTests", dependencies: ["NSTMTesting", "AssociativePack", "ReservoirPack"]),
        .testTarget(
            name: "BaselinesTests", dependencies: ["NSTMBaselines", "NSTMIO", "NSTMTraining", "TestSupport"],
            resources: [.copy("Golden")]),
        .testTarget(name: "DataTests", dependencies: ["NSTMData", "CZlib", "TestSupport"]),
        .testTarget(name: "IOTests", dependencies: ["NSTMIO", "CHDF5", "TestSupport"], resources: [.copy("Golden")]),
        .testTarget(
            name: "TrainingTests", dependencies: ["NSTMTraining", "NSTMCommand", "NSTMTool", "TestSupport"],
            resources: [.copy("Golden")]),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
