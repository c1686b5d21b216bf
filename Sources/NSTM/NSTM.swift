// NSTM
