// NSTMTraining
