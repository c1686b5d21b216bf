// NSTMAutograd
