// NSTMCommand
