// NSTMData
