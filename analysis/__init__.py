"""Numbers: energies, equilibria, kinetics, the continuum model, observables and exports."""
