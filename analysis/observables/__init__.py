"""What an experiment would see: capacity, resistance, diffraction."""
