"""Turn a table of formation free energies into a record of data/thermochemistry.yaml.

Reads the JSON tables {formula: {T in K: dGf in eV per formula}} that ship with the package reaction-network
(``rxn_network/data/freed/compounds.json.gz`` and ``.../nist/compounds.json.gz``) and fits H298, S298 and
Cp = a + b T (+ c T^-2) by least squares to

    dGf(T) = H(T) - T S(T) - sum_elements n_i mu_i(T),

with the elements of the library. Give ``--limit`` where the table changes a reference state (phosphorus at 552 K in
FREED) or the phase. Prints H298 in kJ/mol, S298 in J/mol/K, the Cp coefficients and the largest residual.

Usage: python benchmarks/fit_free_energy_table.py compounds.json.gz TiAl2O5 --limit 1300
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
from scipy.constants import N_A, e

from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import PhaseLibrary, load_library

REFERENCE = 298.15
DIATOMIC = {"O": "O2", "H": "H2"}


def element_potential(library: PhaseLibrary, element: str, temperature: FloatArray) -> FloatArray:
    """G of one mole of atoms of ``element`` in its reference state, J/mol."""
    if element in DIATOMIC:
        return 0.5 * library.gas(DIATOMIC[element]).gibbs(temperature)
    return library.phase(element).gibbs(temperature)


def basis(temperature: FloatArray, terms: int) -> FloatArray:
    """Columns of G(T) for the unknowns H298, S298, a, b (, c) of Cp = a + b T + c T^-2; shape [T, 2 + terms]."""
    t, t0 = temperature, REFERENCE
    cp = [
        (t - t0) - t * np.log(t / t0),
        (t**2 - t0**2) / 2.0 - t * (t - t0),
        (1.0 / t0 - 1.0 / t) - t * (t0**-2 - t**-2) / 2.0,
    ]
    return np.stack([np.ones_like(t), -t, *cp[:terms]], axis=1)


def main() -> None:
    """Fit one compound and print its record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("formula")
    parser.add_argument("--limit", type=float, default=1300.0, help="highest temperature used, K")
    parser.add_argument("--terms", type=int, default=2, choices=(1, 2, 3), help="terms of Cp")
    options = parser.parse_args()
    with gzip.open(options.table, "rt", encoding="utf-8") as stream:
        row = json.load(stream)[options.formula]
    points = sorted((float(t), value) for t, value in row.items() if float(t) <= options.limit)
    temperature = np.asarray([t for t, _ in points])
    library = load_library()
    total = np.asarray([value for _, value in points]) * e * N_A
    for element, count in parse_formula(options.formula).items():
        total = total + count * element_potential(library, element, temperature)
    columns = basis(temperature, options.terms)
    scale = np.abs(columns).max(axis=0)
    answer = np.linalg.lstsq(columns / scale, total, rcond=None)[0] / scale
    residual = total - columns @ answer
    print(f"{options.formula} {temperature[0]:g} to {temperature[-1]:g} K, {len(temperature)} points")
    print(
        f"H298: {answer[0] * 1e-3:.2f}   S298: {answer[1]:.2f}   Cp: {[float(f'{v:.6g}') for v in answer[2:]]}"
    )
    print(f"largest residual {np.abs(residual).max() * 1e-3:.3f} kJ/mol")


if __name__ == "__main__":
    main()
