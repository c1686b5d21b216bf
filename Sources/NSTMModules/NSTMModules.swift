// NSTMModules
