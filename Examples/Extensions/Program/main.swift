// All commands of `nstm`, with the extensions of this package:
//
//     swift run -c release extended-nstm train Configurations/extensions.yaml
import Extensions
import NSTM
import NSTMCommand

var registries = Registries.standard
registries.registerExtensions()
NSTMCommand.main(registries)
