import Foundation
import NSTMAutograd
import NSTMData
import NSTMIO
import NSTMLayers
import NSTMModules
import NSTMOptim
import NSTMTensor

/// The training speed as an exponential mean over steps.
struct SpeedMeter {
    private var tokens = 0.0, seconds = 0.0, steps = 0.0
    mutating func add(tokens n: Int, seconds s: Double) {
        tokens = 0.98 * tokens + Double(n)
        seconds = 0.98 * seconds + s
        steps = 0.98 * steps + 1
    }
    var tokensPerSecond: Double { tokens / max(seconds, 1e-9) }
    var secondsPerStep: Double { seconds / max(steps, 1e-9) }
}
