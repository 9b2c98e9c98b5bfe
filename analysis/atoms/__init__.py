"""Atoms: calculators, relaxation, barriers, phonons."""
