import Foundation
import PackagePlugin

/// `swift package new-strategy --kind update-rule --name MyRule`: writes a strategy that compiles, its conformance test and a
/// configuration that trains it.
@main struct NewStrategy: CommandPlugin {
    static let usage = """
        usage: swift package --allow-writing-to-package-directory new-strategy --kind KIND --name NAME [--target TARGET] [--tests TARGET]
          --kind     \(Kind.allCases.map(\.rawValue).joined(separator: ", "))
          --name     the name of the type, such as MyRule; configurations will call it my-rule
          --target   where the type goes; by default the first library, else program, that depends on NSTM
          --tests    where the test goes; by default the first test target that depends on NSTMTesting
        """

    func performCommand(context: PluginContext, arguments: [String]) throws {
        if arguments.contains("--help") || arguments.contains("-h") {
            print(NewStrategy.usage)
            return
        }
        var extractor = ArgumentExtractor(arguments)
        let kinds = extractor.extractOption(named: "kind"), names = extractor.extractOption(named: "name")
        let targets = extractor.extractOption(named: "target"), tests = extractor.extractOption(named: "tests")
        var issues = Issues()
        issues.list += extractor.remainingArguments.map { "'\($0)' is not an option" }

        let kind = issues.one(kinds, "--kind", or: nil).flatMap { text -> Kind? in
            if let kind = Kind(rawValue: text) { return kind }
            issues.list.append(
                "--kind '\(text)' is none of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
            return nil
        }
        let name = issues.one(names, "--name", or: nil).flatMap { text -> String? in
            if isTypeName(text) { return text }
            issues.list.append(
                "--name '\(text)' is no name for a type: a capital letter, then letters and digits, such as MyRule")
            return nil
        }
        let home = Home(context.package)
        let target = home.target(issues.one(targets, "--target", or: ""), &issues)
        let test = home.tests(issues.one(tests, "--tests", or: ""), &issues)

        var files: [(path: URL, text: String)] = []
        if let kind, let name {
            let template = Template(kind: kind, name: name, home: home, target: target?.name ?? "")
            if let target { files.append((target.directoryURL.appending(path: "\(name).swift"), template.source)) }
            if let test { files.append((test.directoryURL.appending(path: "\(name)Tests.swift"), template.test)) }
            files.append(
                (
                    context.package.directoryURL.appending(path: "Configurations/\(template.label).yaml"),
                    template.configuration
                ))
            for (file, _) in files where FileManager.default.fileExists(atPath: file.path) {
                issues.list.append("\(home.relative(file)) exists")
            }
        }
        guard issues.list.isEmpty, let kind, let name, let target else { throw issues }
        try write(files)
        print("wrote \(files.map { home.relative($0.path) }.joined(separator: ", "))")
        print(Template(kind: kind, name: name, home: home, target: target.name).next)
    }

    /// All files or none.
    private func write(_ files: [(path: URL, text: String)]) throws {
        var written: [URL] = []
        do {
            for (file, text) in files {
                try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: file, options: .withoutOverwriting)
                written.append(file)
            }
        } catch {
            for file in written { try? FileManager.default.removeItem(at: file) }
            throw error
        }
    }
    private func isTypeName(_ text: String) -> Bool {
        text.first.map { $0.isASCII && $0.isUppercase } == true && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) }
    }
}

/// Everything that is wrong with the arguments, in one message.
struct Issues: Error, CustomStringConvertible {
    var list: [String] = []
    var description: String {
        (list.count == 1 ? list[0] : "\(list.count) issues:" + list.map { "\n  - \($0)" }.joined()) + "\n" + NewStrategy.usage
    }
    /// The value of an option that may be given once; without a default it has to be.
    mutating func one(_ values: [String], _ option: String, or fallback: String?) -> String? {
        if values.count > 1 { list.append("\(option) is given \(values.count) times") }
        if values.isEmpty && fallback == nil { list.append("\(option) is missing") }
        return values.first ?? fallback
    }
}

/// The package that gets the strategy: this framework itself, or one that depends on it.
struct Home {
    private let package: Package
    /// Whether it is the framework's own repository.
    let isFramework: Bool

    init(_ package: Package) {
        self.package = package
        isFramework = package.targets.contains { $0.name == "NSTMLayers" }
    }
    private var sources: [any SourceModuleTarget] { package.targets.compactMap { $0 as? any SourceModuleTarget } }

    func target(_ name: String?, _ issues: inout Issues) -> (any SourceModuleTarget)? {
        let all = sources.filter { $0.kind != .test && $0.kind != .snippet && uses($0, "NSTM") }
        guard let name, !name.isEmpty else {
            if isFramework { return sources.first { $0.name == "NSTMLayers" } }
            let first = all.first { $0.kind == .generic } ?? all.first
            if first == nil {
                issues.list.append("no target of this package depends on the product NSTM; add one to Package.swift")
            }
            return first
        }
        guard let target = sources.first(where: { $0.name == name && $0.kind != .test }) else {
            issues.list.append("--target '\(name)' is none of \(all.map(\.name).joined(separator: ", "))")
            return nil
        }
        return target
    }
    func tests(_ name: String?, _ issues: inout Issues) -> (any SourceModuleTarget)? {
        let all = sources.filter { $0.kind == .test && uses($0, "NSTMTesting") }
        guard let name, !name.isEmpty else {
            if all.isEmpty {
                issues.list.append("no test target of this package depends on the product NSTMTesting; add one to Package.swift")
            }
            return all.first
        }
        guard let target = all.first(where: { $0.name == name }) else {
            issues.list.append(
                "--tests '\(name)' is no test target that depends on NSTMTesting; there are: "
                    + (all.isEmpty ? "none" : all.map(\.name).joined(separator: ", ")))
            return nil
        }
        return target
    }
    private func uses(_ target: any SourceModuleTarget, _ name: String) -> Bool {
        target.dependencies.contains {
            switch $0 {
            case .target(let t): t.name == name
            case .product(let p): p.name == name
            @unknown default: false
            }
        }
    }
    func relative(_ file: URL) -> String {
        let root = package.directoryURL.path
        return file.path.hasPrefix(root + "/") ? String(file.path.dropFirst(root.count + 1)) : file.path
    }
}
