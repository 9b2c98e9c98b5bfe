"""Equilibria by linear programming: mixing lines, titration curves, chemical potentials."""
