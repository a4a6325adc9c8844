"""What every room stands on: configs, files, devices, interruption, randomness, resources."""
