// swift-tools-version: 6.3
import PackageDescription

// A researcher's own package: it depends on NSTM and makes `nstm` with a rule of its own. In a package outside this repository
// write `.package(url: "…", from: "…")` instead of the path.
let package = Package(
    name: "CustomRule",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "NSTM", path: "../..")],
    targets: [
        .executableTarget(
            name: "custom-nstm",
            dependencies: [.product(name: "NSTM", package: "NSTM"), .product(name: "NSTMCommand", package: "NSTM")],
            path: "Sources/CustomRule")
    ],
    swiftLanguageModes: [.v6]
)
