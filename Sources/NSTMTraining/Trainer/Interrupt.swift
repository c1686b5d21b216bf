import Foundation
import Synchronization

/// Ctrl-C (SIGINT), SIGTERM and a terminal that closes (SIGHUP) as a request to stop at the next step. A second SIGINT or SIGTERM
/// ends the process at once, as usual; a closing terminal often sends several SIGHUP, so further ones change nothing.
public enum Interrupt {
    private static let received = Atomic<Int32>(0)

    /// Starts listening. Called by programs, not by the library.
    public static func install() {
        // A parent may have handed down a mask that blocks them.
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
            // One shot: the default action comes back with the first signal.
            let once = signal == SIGHUP ? 0 : UInt32(truncatingIfNeeded: SA_RESETHAND)
            action.sa_flags = Int32(bitPattern: once | UInt32(truncatingIfNeeded: SA_RESTART))
            sigaction(signal, &action, nil)
        }
        pthread_sigmask(SIG_UNBLOCK, &wanted, nil)
    }
    /// `nohup` starts programs that way, which are to outlive the terminal.
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
    /// The signal that came, or nil.
    public static var signal: Int32? {
        let signal = received.load(ordering: .relaxed)
        return signal == 0 ? nil : signal
    }
    public static var isRequested: Bool { signal != nil }
}
