@_exported import TestSupport
import Testing

/// All tests of the data target; `--filter DataTests` runs them.
@Suite struct DataTests {}
