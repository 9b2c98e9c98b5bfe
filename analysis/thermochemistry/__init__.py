"""Gibbs energies of phases on one scale."""
