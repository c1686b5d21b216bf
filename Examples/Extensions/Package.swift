// swift-tools-version: 6.3
import PackageDescription

// A package of extensions of NSTM. Outside this repository write `.package(url: "…", from: "…")` instead of the path.
let nstm = Package.Dependency.package(name: "NSTM", path: "../..")
func product(_ name: String) -> Target.Dependency { .product(name: name, package: "NSTM") }

let package = Package(
    name: "Extensions",
    platforms: [.macOS(.v15)],
    dependencies: [nstm],
    targets: [
        .target(name: "Extensions", dependencies: [product("NSTM")]),
        .executableTarget(
            name: "extended-nstm", dependencies: ["Extensions", product("NSTMCommand")], path: "Program"),
        .testTarget(
            name: "ExtensionsTests",
            dependencies: ["Extensions", product("NSTM"), product("NSTMCommand"), product("NSTMTesting")]),
    ],
    swiftLanguageModes: [.v6]
)
