// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that measuring never becomes part of what others depend on.
let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "NSTM", path: "..")],
    targets: [
        .target(name: "CPeak"),
        .executableTarget(name: "nstm-bench", dependencies: ["CPeak", .product(name: "NSTM", package: "NSTM")]),
    ],
    swiftLanguageModes: [.v6]
)
