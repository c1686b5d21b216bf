import Foundation
import Synchronization

/// Ctrl-C (SIGINT) and SIGTERM as a request to stop at the next step; a second one ends the process at once, as usual.
public enum Interrupt {
    private static let flag = Atomic<Bool>(false)

    /// Starts listening. Called by programs, not by the library.
    public static func install() {
        for signal in [SIGINT, SIGTERM] {
            var action = sigaction()
            #if os(Linux)
            action.__sigaction_handler.sa_handler = { _ in Interrupt.note() }
            #else
            action.__sigaction_u.__sa_handler = { _ in Interrupt.note() }
            #endif
            // One shot: the default action comes back with the first signal.
            action.sa_flags = Int32(bitPattern: UInt32(truncatingIfNeeded: SA_RESETHAND))
            sigaction(signal, &action, nil)
        }
    }
    private static func note() { flag.store(true, ordering: .relaxed) }
    public static var isRequested: Bool { flag.load(ordering: .relaxed) }
}
