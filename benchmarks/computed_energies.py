"""Errors of computed energies, measured: prints what ``data/computed_energies.yaml`` holds.

Formation enthalpies: the Materials Project energies and the measured enthalpies that ship with pymatgen (the data that
MP2020 was fitted to, polyanions excluded from that fit), corrected by MP2020. Descriptor: measured G(T) of the phase
library with the cell volumes of ``data/crystals.yaml``.

    python -m benchmarks.computed_energies
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from importlib.resources import files

import numpy as np

from cosinter.analysis.thermochemistry import descriptor
from cosinter.analysis.thermochemistry.computed_errors import error_table, group_of
from cosinter.analysis.thermochemistry.corrections import apply_mp2020
from cosinter.analysis.thermochemistry.entries import FloatArray, formation_energies, read_entries
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.library import load_library

#: Cations of this project and their nearest neighbours; compounds of other cations say little about ours.
CATIONS = {"Li", "Na", "K", "Rb", "Cs", "Mg", "Ca", "Sr", "Ba", "Be", "Al", "Mn", "Fe", "Co", "Ni", "Ti"}
OXIDE_CATIONS = {"Li", "Na", "K", "Mg", "Ca", "Al", "Mn", "Co", "Ni"}
#: Molecular solids: their enthalpies say nothing about salts.
MOLECULAR = {"H3PO4", "P2O5"}
TEMPERATURES_K = np.asarray([298.15, 600.0, 900.0, 1000.0, 1300.0])


def _shipped(name: str) -> object:
    for package in ("pymatgen.analysis.compatibility", "pymatgen.entries"):
        path = files(package).joinpath(name)
        if path.is_file():
            return json.loads(gzip.decompress(path.read_bytes()))
    raise SystemExit(f"this pymatgen does not ship {name}")


def _fractions(composition: dict[str, float]) -> tuple[tuple[str, float], ...]:
    total = sum(composition.values())
    return tuple(sorted((element, round(n / total, 9)) for element, n in composition.items()))


def formation_errors() -> dict[str, list[float]]:
    """Calculated minus measured enthalpy: eV per counted atom by group, eV/atom for ``oxides``."""
    measured = {}
    for row in _shipped("exp_compounds.json.gz"):
        atoms = parse_formula(row["formula"])
        measured.setdefault(_fractions(atoms), row["exp energy"] / sum(atoms.values()))
    entries, _ = apply_mp2020(read_entries(_shipped("calc_compounds.json.gz")))
    errors: dict[str, list[float]] = defaultdict(list)
    for entry, energy in zip(entries, formation_energies(entries), strict=True):
        composition = dict(entry.composition)
        known = measured.get(_fractions(composition))
        cations = set(composition) - {"O", "P", "C", "H"}
        if known is None or "O" not in composition or not cations or not cations <= CATIONS:
            continue
        group, difference = group_of(composition), float(energy) - known
        if group is not None:
            errors[group].append(difference * entry.atoms / composition[error_table().groups[group].element])
        elif cations == set(composition) - {"O"} and cations <= OXIDE_CATIONS:
            errors["oxides"].append(difference)
    return errors


def descriptor_errors() -> tuple[list[str], FloatArray]:
    """Names [N] and errors of dH_f + G_delta(T) in eV/atom [N, 5] of the library's measured solids; nan outside."""
    from scipy.constants import N_A, elementary_charge

    from cosinter.structures.crystals import formula_volume

    names, rows = [], []
    for phase in load_library().phases:
        measured = phase.thermal_source == phase.energy_source == "measured"
        if phase.state != "s" or len(phase.composition) < 2 or not measured:
            continue
        volume = formula_volume(phase.formula)
        if volume is None:
            continue
        elements = sorted(phase.composition)
        masses = descriptor.reduced_masses(
            np.asarray([[phase.composition[element] for element in elements]]), elements
        )
        slope = descriptor.gibbs_slopes([volume / phase.atoms], masses)
        scale = phase.atoms * N_A * elementary_charge
        estimate = descriptor.gibbs_increments(slope, TEMPERATURES_K)[:, 0] + phase.enthalpy(298.15) / scale
        error = estimate - phase.gibbs(TEMPERATURES_K) / scale
        error[phase.range_K[1] + 1.0 < TEMPERATURES_K] = np.nan
        names.append(phase.name)
        rows.append(error)
    return names, np.asarray(rows)


def thermal_summary(errors: FloatArray) -> tuple[float, float]:
    """Rms error at 298.15 K, and the growth u of rms[e(T) - e(298)] = u (T - 298.15), least squares; eV/atom, eV/atom/K."""
    grown = errors[:, 1:] - errors[:, :1]
    spans = np.broadcast_to(TEMPERATURES_K[1:] - TEMPERATURES_K[0], grown.shape)
    valid = np.isfinite(grown)
    return (
        float(np.sqrt(np.mean(errors[:, 0] ** 2))),
        float(np.sqrt(np.sum(grown[valid] ** 2) / np.sum(spans[valid] ** 2))),
    )


def main() -> None:
    for group, values in formation_errors().items():
        print(
            f"{group:12s} {len(values):3d} compounds: mean {np.mean(values):+.3f} eV, "
            f"standard deviation {np.std(values, ddof=1):.3f} eV, mean error {np.mean(np.abs(values)):.3f} eV"
        )
    names, errors = descriptor_errors()
    for temperature, column in zip(TEMPERATURES_K, errors.T, strict=True):
        column = 1e3 * column[np.isfinite(column)]
        print(
            f"descriptor at {temperature:6.0f} K, {len(column)} measured solids: mean {column.mean():+.0f}, "
            f"mean error {np.abs(column).mean():.0f}, rms {np.sqrt(np.mean(column**2)):.0f} meV/atom"
        )
    start, growth = thermal_summary(errors)
    worst = int(np.nanargmax(np.abs(errors[:, 3])))
    print(
        f"rms {1e3 * start:.1f} meV/atom at 298 K, growing {1e6 * growth:.1f} µeV/atom/K; worst at 1000 K {names[worst]}"
    )


if __name__ == "__main__":
    main()
