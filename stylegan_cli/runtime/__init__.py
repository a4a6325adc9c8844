"""The machine below: devices, interruption, randomness, installed resources, timing."""
