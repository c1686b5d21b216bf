import Foundation
import Synchronization

/// Ctrl-C (SIGINT) and SIGTERM as a request to stop at the next step; a second one ends the process at once, as usual.
public enum Interrupt {
    private static let received = Atomic<Int32>(0)

    /// Starts listening. Called by programs, not by the library.
    public static func install() {
        // A parent may have handed down a mask that blocks them.
        var wanted = sigset_t()
        sigemptyset(&wanted)
        for signal in [SIGINT, SIGTERM] {
            sigaddset(&wanted, signal)
            var action = sigaction()
            #if os(Linux)
                action.__sigaction_handler.sa_handler = { Interrupt.note($0) }
            #else
                action.__sigaction_u.__sa_handler = { Interrupt.note($0) }
            #endif
            // One shot: the default action comes back with the first signal.
            action.sa_flags = Int32(bitPattern: UInt32(truncatingIfNeeded: SA_RESETHAND))
            sigaction(signal, &action, nil)
        }
        pthread_sigmask(SIG_UNBLOCK, &wanted, nil)
    }
    private static func note(_ signal: Int32) { received.store(signal, ordering: .relaxed) }
    /// The signal that came, or nil.
    public static var signal: Int32? {
        let signal = received.load(ordering: .relaxed)
        return signal == 0 ? nil : signal
    }
    public static var isRequested: Bool { signal != nil }
}
