"""The static energy of one named crystal, relaxed with any calculator.

Totals of a calculator's own scale: to become enthalpies they go through reactions with measured phases
(:mod:`cosinter.analysis.thermochemistry.anchoring`), never through corrections of elements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cosinter.analysis.atoms.relaxation import Step, relax
from cosinter.data.exceptions import DataError, InputError
from cosinter.structures.fingerprint import structure_sha256

if TYPE_CHECKING:
    from pymatgen.core import Structure


PHOSPHATE_BOND_A = 1.95


@dataclass(frozen=True)
class CrystalEnergy:
    """One relaxed crystal; energies in eV on the calculator's own scale, plain JSON types.

    ``formula`` is what was computed: the tabulated formula, or the reduced formula of the cell where an ordered
    representative of a disordered crystal differs from it. ``ions`` counts the formal ions of that formula, ``bridges``
    its oxygens between two phosphorus atoms (after relaxation). ``structure_sha256`` names the cell before the rattle.
    """

    crystal: str
    formula: str
    atoms: int
    formula_units: float
    ions: dict[str, float]
    bridges: float
    energy_eV_per_atom: float
    volume_A3_per_atom: float
    volume_change_percent: float
    lattice_change_percent: tuple[float, float, float]
    max_force_eV_per_A: float
    max_stress_eV_per_A3: float
    steps: int
    converged: bool
    settings: dict[str, float]
    structure_sha256: str
    calculator: dict[str, Any]
    structure: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Give all fields as plain JSON types."""
        return asdict(self) | {"lattice_change_percent": list(self.lattice_change_percent)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CrystalEnergy:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        DataError
            A field is missing or unknown.
        """
        try:
            a, b, c = values["lattice_change_percent"]
            return cls(**{**values, "lattice_change_percent": (float(a), float(b), float(c))})
        except (TypeError, KeyError, ValueError) as error:
            raise DataError(f"the record of a crystal's energy is damaged ({error})") from error


def starting_cell(name: str, *, seed: int = 0) -> Structure:
    """Build the smallest ordered cell of the crystal ``name`` (disordered ones as ordered representatives).

    Raises
    ------
    UnknownNameError
        No crystal of that name.
    """
    from cosinter.structures.named import build

    structure = build(name, seed=seed)
    smallest = structure.get_primitive_structure()
    return smallest if len(smallest) < len(structure) else structure


def crystal_energy(
    name: str,
    calculator: Any,
    *,
    seed: int = 0,
    force_tolerance: float = 0.05,
    stress_tolerance: float = 2.0e-3,
    max_steps: int = 150,
    rattle_A: float = 0.01,
    on_step: Callable[[Step], None] | None = None,
) -> CrystalEnergy:
    """Relax the crystal ``name``, atoms and cell, and return its energy.

    The atoms are moved off their places by ``rattle_A`` (normal, per coordinate, Å, seeded) first: a perfect crystal
    feels no force towards a distortion that would lower its energy (Jahn-Teller in LiNiO2 and LiMnO2). At the default
    tolerances (eV/Å, eV/Å^3) the energy is within about 1 meV/atom of the minimum; what the caps leave is in
    ``max_force_eV_per_A`` and ``converged``.

    Raises
    ------
    UnknownNameError
        No crystal of that name.
    InputError
        A setting out of range.
    StructureError, EngineError
        The crystal fell apart, or the calculator failed.

    Example
    -------
    >>> from cosinter.analysis.atoms.calculators import make_calculator
    >>> crystal_energy("Li2O", make_calculator("pmmcs")).converged
    True
    """
    if not 0.0 <= rattle_A <= 0.2:
        raise InputError(f"rattle_A is {rattle_A!r}, allowed is 0 to 0.2 Å")
    start = starting_cell(name, seed=seed)
    rattled = start.copy()
    shifts = np.random.default_rng(seed).normal(scale=rattle_A, size=(len(start), 3))
    for index, shift in enumerate(shifts):
        rattled.translate_sites([index], shift, frac_coords=False, to_unit_cell=False)
    result = relax(
        rattled,
        calculator,
        force_tolerance=force_tolerance,
        stress_tolerance=stress_tolerance,
        max_steps=max_steps,
        on_step=on_step,
    )
    formula, units = _formula(name, result.structure)
    ions = Counter(str(site.specie) for site in result.structure)
    return CrystalEnergy(
        crystal=name,
        formula=formula,
        atoms=len(start),
        formula_units=units,
        ions={ion: number / units for ion, number in sorted(ions.items())},
        bridges=phosphate_bridges(result.structure) / units,
        energy_eV_per_atom=result.energy_eV_per_atom,
        volume_A3_per_atom=float(result.structure.volume) / len(start),
        volume_change_percent=result.volume_change_percent,
        lattice_change_percent=result.lattice_change_percent,
        max_force_eV_per_A=result.max_force_eV_per_A,
        max_stress_eV_per_A3=float(result.max_stress_eV_per_A3 or 0.0),
        steps=result.steps,
        converged=result.converged,
        settings={
            "seed": seed,
            "force_tolerance_eV_per_A": force_tolerance,
            "stress_tolerance_eV_per_A3": stress_tolerance,
            "max_steps": max_steps,
            "rattle_A": rattle_A,
        },
        structure_sha256=structure_sha256(start),
        calculator=result.calculator,
        structure=result.structure.as_dict(),
    )


def phosphate_bridges(structure: Structure) -> int:
    """Count the oxygens bonded to two phosphorus atoms (P-O below 1.95 Å; bonds are 1.48 to 1.62 Å)."""
    if not {"P", "O"} <= {element.symbol for element in structure.composition.element_composition}:
        return 0
    return sum(
        sum(near.specie.symbol == "P" for near in structure.get_neighbors(site, PHOSPHATE_BOND_A)) > 1
        for site in structure
        if site.specie.symbol == "O"
    )


def _formula(name: str, structure: Structure) -> tuple[str, float]:
    """Formula that was computed, and how many of it the cell holds."""
    from cosinter.structures.crystals import crystal, read_formula

    cell = structure.composition.element_composition
    tabulated = crystal(name).formula
    wanted = read_formula(tabulated)
    if cell.fractional_composition.almost_equals(wanted.fractional_composition, rtol=1e-6, atol=1e-6):
        return tabulated, float(cell.num_atoms / wanted.num_atoms)
    reduced, units = cell.get_reduced_formula_and_factor()
    return str(reduced), float(units)


def crystal_entropy(name: str, calculator: Any, *, seed: int = 0) -> dict[str, Any]:
    """Compute the harmonic S298 and heat capacities of the crystal ``name``, per mole of its formula.

    Without a rattle and relaxed to 1e-3 eV/Å (:func:`cosinter.analysis.atoms.phonons.phonon_free_energy`); heat capacities
    (at constant volume) at 298.15, 700 and 1000 K, J/mol/K.

    Raises
    ------
    UnknownNameError
        No crystal of that name.
    StructureError, EngineError, ConvergenceError
        No minimum was found, more than 5 % of the modes are imaginary, or the calculator failed.
    """
    from cosinter.analysis.atoms.phonons import phonon_free_energy

    start = starting_cell(name, seed=seed)
    temperatures = [298.15, 700.0, 1000.0]
    found = phonon_free_energy(start, calculator, temperatures_K=temperatures, imaginary="drop")
    formula, units = _formula(name, start)
    factor = start.composition.get_reduced_formula_and_factor()[1] / units
    return {
        "crystal": name,
        "formula": formula,
        "S298_J_per_mol_K": float(found.entropy_J_per_mol_K[0]) * factor,
        "temperature_K": temperatures,
        "heat_capacity_J_per_mol_K": [float(value) * factor for value in found.heat_capacity_J_per_mol_K],
        "imaginary_percent": found.imaginary_percent,
        "lowest_frequency_THz": found.lowest_frequency_THz,
        "calculator": found.calculator,
    }
