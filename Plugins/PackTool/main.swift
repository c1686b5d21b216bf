// `nstm` with the strategies of the packs in this folder:
//
//     swift run -c release nstm-packs train Configurations/copy-nstm.yaml \
//         --set model.update.type=erase-add --set model.router.type=least-used
import AssociativePack
import NSTM
import NSTMCommand
import ReservoirPack

var registries = Registries.standard
registries.strategies.registerAssociativePack()
registries.strategies.registerReservoirPack()
NSTMCommand.main(registries)
