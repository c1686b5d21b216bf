// NSTMBaselines
