import Foundation
import Synchronization

/// Handling of Ctrl-C (SIGINT), SIGTERM and a closing terminal (SIGHUP) as a request to stop after the current step.
///
/// A second SIGINT or SIGTERM terminates the process immediately; further SIGHUP are ignored, because a closing terminal often
/// sends several.
public enum Interrupt {
    private static let received = Atomic<Int32>(0)

    /// Installs the signal handlers.
    ///
    /// Called by programs, not by the library.
    public static func install() {
        // The signals may be blocked by a mask that was inherited from the parent process.
        var wanted = sigset_t()
        sigemptyset(&wanted)
        for signal in [SIGINT, SIGTERM, SIGHUP] where !(signal == SIGHUP && isIgnored(signal)) {
            sigaddset(&wanted, signal)
            var action = sigaction()
            #if os(Linux)
                action.__sigaction_handler.sa_handler = { Interrupt.note($0) }
            #else
                action.__sigaction_u.__sa_handler = { Interrupt.note($0) }
            #endif
            // The first signal restores the default action.
            let once = signal == SIGHUP ? 0 : UInt32(truncatingIfNeeded: SA_RESETHAND)
            action.sa_flags = Int32(bitPattern: once | UInt32(truncatingIfNeeded: SA_RESTART))
            sigaction(signal, &action, nil)
        }
        pthread_sigmask(SIG_UNBLOCK, &wanted, nil)
    }
    /// Whether a signal is ignored, as SIGHUP is in programs started with `nohup`.
    private static func isIgnored(_ signal: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(signal, nil, &action) == 0 else { return false }
        #if os(Linux)
            let handler = action.__sigaction_handler.sa_handler
        #else
            let handler = action.__sigaction_u.__sa_handler
        #endif
        return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }
    private static func note(_ signal: Int32) { received.store(signal, ordering: .relaxed) }
    /// The last received signal; nil without one.
    public static var signal: Int32? {
        let signal = received.load(ordering: .relaxed)
        return signal == 0 ? nil : signal
    }
    /// Whether a signal was received.
    public static var isRequested: Bool { signal != nil }
}
