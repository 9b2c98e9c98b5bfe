"""The commands of ``cosinter``."""
