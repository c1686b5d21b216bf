// NSTMLayers
