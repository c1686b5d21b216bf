// NSTMOptim
