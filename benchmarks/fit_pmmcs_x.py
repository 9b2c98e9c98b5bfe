"""Refit the project's own ions (Co3+, Ni3+, Mn3+, Mn4+) of the rigid-ion potential to their target crystals.

    python benchmarks/fit_pmmcs_x.py                 residuals of the shipped parameters
    python benchmarks/fit_pmmcs_x.py --refit Co3+    Nelder-Mead over D, a, r0 from the shipped values

C, the charge scale and every published row stay as they are. A crystal's misfit is
mean over a, b, c of (error / 0.5 %)^2 + (rms displacement of oxygen / 0.05 Å)^2.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import numpy as np
from pymatgen.core import Lattice, Structure

from cosinter.analysis.atoms.lammps_engine import Ion, RigidIonLammps, pmmcs_ions
from cosinter.analysis.atoms.relaxation import relax
from cosinter.data.exceptions import CosinterError
from cosinter.data.tables import load_table
from cosinter.structures.crystals import crystal

LATTICE_SCALE_PERCENT = 0.5
OXYGEN_SCALE_A = 0.05


@dataclass(frozen=True)
class Residual:
    crystal: str
    lattice_percent: tuple[float, float, float]
    oxygen_rms_A: float

    @property
    def misfit(self) -> float:
        lattice = np.mean(np.square(self.lattice_percent)) / LATTICE_SCALE_PERCENT**2
        return float(lattice + (self.oxygen_rms_A / OXYGEN_SCALE_A) ** 2)


def target(name: str) -> Structure:
    """The crystal a fit aims at: from the crystals table, or a cell given in the potentials table."""
    cell = load_table("potentials")["pmmcs"]["fit_cells"].get(name)
    if cell is None:
        return crystal(name).structure
    return Structure.from_spacegroup(
        cell["space_group"],
        Lattice.hexagonal(cell["a_A"], cell["c_A"]),
        cell["ions"],
        [[0, 0, 0], [0, 0, 0.5], [0, 0, cell["oxygen_z"]]],
    )


def residual(name: str, ions: dict[tuple[str, int], Ion]) -> Residual:
    """Relax a target fully and compare."""
    goal = target(name)
    calculator = RigidIonLammps(ions)
    try:
        result = relax(goal, calculator, force_tolerance=0.005, strict=True)
    finally:
        calculator.close()
    offset = result.structure.frac_coords - goal.frac_coords
    offset -= offset.mean(axis=0)
    oxygen = np.array([site.specie.symbol == "O" for site in goal])
    moved = goal.lattice.get_cartesian_coords(offset[oxygen])
    return Residual(name, result.lattice_change_percent, float(np.sqrt((moved**2).sum(axis=1).mean())))


def residuals(ion: Ion) -> list[Residual]:
    """Residuals of one ion over all its targets."""
    ions = {**pmmcs_ions(), (ion.element, ion.oxidation_state): ion}
    return [residual(name, ions) for name in load_table("potentials")["pmmcs"]["fit_targets"][ion.label]]


def refit(start: Ion, *, steps: int) -> Ion:
    """Nelder-Mead over (ln D, a, r0)."""
    from scipy.optimize import minimize

    def trial(x: np.ndarray) -> Ion:
        return replace(start, D=float(np.exp(x[0])), a=float(x[1]), r0=float(x[2]))

    def misfit(x: np.ndarray) -> float:
        try:
            return sum(one.misfit for one in residuals(trial(x)))
        except CosinterError:
            return 1.0e6  # such parameters do not hold the crystal together

    x0 = np.array([np.log(start.D), start.a, start.r0])
    simplex = x0 + np.vstack([np.zeros(3), np.diag([0.1, 0.05, 0.02])])
    options = {"maxfev": steps, "initial_simplex": simplex, "xatol": 1e-4, "fatol": 1e-3}
    return trial(minimize(misfit, x0, method="Nelder-Mead", options=options).x)


def report(ion: Ion) -> None:
    print(f"{ion.label}  D {ion.D:.6f} eV  a {ion.a:.6f} 1/Å  r0 {ion.r0:.6f} Å  C {ion.C:g} eV Å^12")
    for one in residuals(ion):
        a, b, c = one.lattice_percent
        print(
            f"  {one.crystal:10s} a {a:+.2f} %  b {b:+.2f} %  c {c:+.2f} %  "
            f"O rms {one.oxygen_rms_A:.3f} Å  misfit {one.misfit:.3f}"
        )


def main() -> None:
    own = {ion.label: ion for ion in pmmcs_ions().values() if ion.source == "cosinter_fit"}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--refit", choices=sorted(own), nargs="*", default=[])
    parser.add_argument("--steps", type=int, default=120)
    arguments = parser.parse_args()
    for label, ion in own.items():
        report(ion)
        if label in arguments.refit:
            print("refitted:")
            report(refit(ion, steps=arguments.steps))


if __name__ == "__main__":
    main()
