"""Harmonic phonons: vibrational free energy, entropy and heat capacity of a crystal."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.atoms.calculators import (
    OXIDATION_STATE,
    AseAtoms,
    calculator_errors,
    calculator_name,
    calculator_record,
    check_finite,
    to_atoms,
    uncertainty_of,
)
from cosinter.analysis.atoms.relaxation import relax
from cosinter.data.exceptions import InputError, StructureError, UnknownNameError

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]
ImaginaryPolicy = Literal["error", "warn", "drop"]

_REFUSED_SHARE_PERCENT = 5.0
_IMAGINARY_THZ = -0.05  # above this a negative frequency is rounding of an acoustic mode
_MESH_LENGTH_A = 40.0
_SYMPREC_A = 1.0e-3


@dataclass(frozen=True)
class Phonons:
    """Harmonic thermodynamics at fixed volume, per formula unit; all arrays have the shape [n_temperatures].

    ``free_energy_kJ_per_mol`` holds zero-point and thermal energy, not the static lattice energy.
    ``heat_capacity_J_per_mol_K`` is C_V, which stands in for C_p: the difference (alpha^2 V B T) is a few
    percent at 1000 K (:mod:`cosinter.analysis.atoms.quasiharmonic` has it). ``imaginary_percent`` of the modes are
    imaginary and left out of the sums, as ``imaginary_policy`` allowed.
    ``entropy_uncertainty_percent`` is ``None`` if the calculator was never compared with measurements.
    """

    formula: str
    formula_units: float
    temperatures_K: FloatArray
    free_energy_kJ_per_mol: FloatArray
    entropy_J_per_mol_K: FloatArray
    heat_capacity_J_per_mol_K: FloatArray
    imaginary_percent: float
    lowest_frequency_THz: float
    imaginary_policy: ImaginaryPolicy
    charges_used: bool
    supercell: tuple[int, int, int]
    displacements: int
    displacement_A: float
    mesh: tuple[int, int, int]
    entropy_uncertainty_percent: float | None
    calculator: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Give all fields as plain JSON types."""
        return plain_fields(self)


def plain_fields(result: Any) -> dict[str, Any]:
    """Fields of a result dataclass as JSON types: arrays and tuples become lists, all else stays."""
    values = {field.name: getattr(result, field.name) for field in fields(result)}
    return {
        name: value.tolist()
        if isinstance(value, np.ndarray)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in values.items()
    }


def phonon_free_energy(
    structure: Structure,
    calculator: Any,
    *,
    supercell: tuple[int, int, int] | None = None,
    temperatures_K: Sequence[float] | FloatArray,
    displacement_A: float = 0.01,
    relax_tolerance: float | None = 1.0e-3,
    imaginary: ImaginaryPolicy = "warn",
) -> Phonons:
    """Compute F(T), S(T) and C_V(T) from finite displacements (phonopy: Togo 2023, doi:10.7566/JPSJ.92.012001).

    For the rigid-ion potential the long-range dipole term is exact and free: the Born charge of an ion is its
    charge times the unit matrix and the high-frequency permittivity is one.

    Parameters
    ----------
    structure
        Ordered crystal, in any cell.
    supercell
        Repeats of that cell along its three axes; enough for 9 Å in each direction if not given.
    temperatures_K
        Temperatures, 0 or above, K.
    displacement_A
        Finite displacement, Å.
    relax_tolerance
        Relax to this force (eV/Å) first; ``None`` if the structure already is relaxed.
    imaginary
        What to do with imaginary modes: ``error``, ``warn`` (and leave them out) or ``drop`` in silence.

    Raises
    ------
    InputError
        Options out of range, a structure that is not neutral.
    StructureError
        More than 5 % of the modes are imaginary, or any is with ``imaginary="error"``.
    EngineError
        The calculator failed.
    """
    temperatures = np.asarray(temperatures_K, dtype=np.float64)
    repeats = _default_supercell(structure) if supercell is None else supercell
    _check(temperatures, repeats, displacement_A, imaginary)
    if relax_tolerance is not None:
        structure = relax(structure, calculator, force_tolerance=relax_tolerance, strict=True).structure
    atoms = to_atoms(structure)
    with calculator_errors(calculator):
        lattice = _phonopy(atoms, repeats)
        displacements = _displace(lattice, atoms, calculator, displacement_A)
        charges_used = _add_charges(lattice, atoms, calculator)
        lattice.run_mesh(_MESH_LENGTH_A, is_gamma_center=True)
        lattice.run_thermal_properties(temperatures=temperatures, exclude_gamma_acoustic=True)
    share, lowest = _imaginary_share(lattice)
    _apply_policy(structure.composition.reduced_formula, share, lowest, imaginary)
    units = structure.composition.get_reduced_formula_and_factor()[1] * len(lattice.primitive) / len(atoms)
    thermal = lattice.thermal_properties
    return Phonons(
        formula=structure.composition.reduced_formula,
        formula_units=float(units),
        temperatures_K=temperatures,
        free_energy_kJ_per_mol=np.asarray(thermal.free_energy) / units,
        entropy_J_per_mol_K=np.asarray(thermal.entropy) / units,
        heat_capacity_J_per_mol_K=np.asarray(thermal.heat_capacity) / units,
        imaginary_percent=share,
        lowest_frequency_THz=lowest,
        imaginary_policy=imaginary,
        charges_used=charges_used,
        supercell=repeats,
        displacements=displacements,
        displacement_A=displacement_A,
        mesh=_mesh_numbers(lattice),
        entropy_uncertainty_percent=uncertainty_of(calculator, "entropy").value,
        calculator=calculator_record(calculator, structure),
    )


def _check(
    temperatures: FloatArray, supercell: tuple[int, int, int], displacement_A: float, imaginary: str
) -> None:
    if temperatures.ndim != 1 or temperatures.size == 0 or not np.all(temperatures >= 0.0):
        raise InputError("temperatures_K must be a list of temperatures in K, each 0 or above")
    if not np.isfinite(temperatures).all():
        raise InputError("temperatures_K must be finite")
    if len(supercell) != 3 or any(repeat < 1 for repeat in supercell):
        raise InputError(f"supercell is {supercell!r}, allowed are three whole numbers, each 1 or more")
    if not 0.0 < displacement_A <= 0.1:
        raise InputError(f"displacement_A is {displacement_A!r}, allowed is above 0 and at most 0.1 Å")
    if imaginary not in ("error", "warn", "drop"):
        raise UnknownNameError("policy for imaginary modes", imaginary, ("error", "warn", "drop"))


def _default_supercell(structure: Structure) -> tuple[int, int, int]:
    """Repeats that make the cell at least 9 Å thick along each axis."""
    a, b, c = (
        max(1, math.ceil(9.0 * length / (2.0 * math.pi)))
        for length in structure.lattice.reciprocal_lattice.abc
    )
    return a, b, c


def _phonopy(atoms: AseAtoms, supercell: tuple[int, int, int]) -> Any:
    """Set up phonopy; ions of one element with different charge get different symbols (Ni, Ni1)."""
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms
    from phonopy.structure.cells import guess_primitive_matrix

    states = atoms.arrays.get(OXIDATION_STATE, np.zeros(len(atoms)))
    kinds: dict[str, list[float]] = {}
    symbols = []
    for symbol, state in zip(atoms.get_chemical_symbols(), states, strict=True):
        known = kinds.setdefault(symbol, [])
        if state not in known:
            known.append(state)
        number = known.index(state)
        symbols.append(f"{symbol}{number}" if number else symbol)
    cell = PhonopyAtoms(symbols=symbols, cell=atoms.cell.array, scaled_positions=atoms.get_scaled_positions())
    primitive = guess_primitive_matrix(cell, symprec=_SYMPREC_A, distinguish_symbol_index=True)
    with warnings.catch_warnings():
        # a supercell of lower symmetry costs displacements, not accuracy
        warnings.filterwarnings("ignore", ".*Point group symmetries of supercell", UserWarning)
        return Phonopy(
            cell,
            supercell_matrix=np.diag(supercell),
            primitive_matrix=primitive,
            symprec=_SYMPREC_A,
            distinguish_symbol_index=True,
            log_level=0,
        )


def _cell_index(lattice: Any) -> Any:
    """Index in the given cell of every atom of the supercell, shape [n_supercell]."""
    to_cell = lattice.supercell.u2u_map
    return np.array([to_cell[index] for index in lattice.supercell.s2u_map])


def _displace(lattice: Any, atoms: AseAtoms, calculator: Any, displacement_A: float) -> int:
    """Collect the forces of all displaced supercells with one calculator instance; return their number."""
    from ase import Atoms

    lattice.generate_displacements(distance=displacement_A)
    perfect = lattice.supercell
    index = _cell_index(lattice)
    crystal: AseAtoms = Atoms(
        np.asarray(atoms.get_chemical_symbols())[index],
        positions=perfect.positions,
        cell=perfect.cell,
        pbc=True,
    )
    if OXIDATION_STATE in atoms.arrays:
        crystal.set_array(OXIDATION_STATE, atoms.arrays[OXIDATION_STATE][index])
    crystal.calc = calculator
    forces = []
    for displaced in lattice.supercells_with_displacements:
        crystal.positions = displaced.positions
        force = np.array(crystal.get_forces())
        check_finite(calculator, 0.0, force)
        forces.append(force - force.mean(axis=0))
    lattice.forces = forces
    lattice.produce_force_constants()
    lattice.symmetrize_force_constants()
    return len(forces)


def _add_charges(lattice: Any, atoms: AseAtoms, calculator: Any) -> bool:
    """Give phonopy the Born charges of a rigid-ion potential; False for any other calculator."""
    from scipy.constants import elementary_charge, epsilon_0

    if calculator_name(calculator) != "pmmcs":
        return False
    if abs(float(atoms.arrays[OXIDATION_STATE].sum())) > 1.0e-8:
        raise InputError(f"{atoms.get_chemical_formula()} is not neutral; phonons need a balanced crystal")
    charges = calculator.charges(atoms)[_cell_index(lattice)][lattice.primitive.p2s_map]
    lattice.nac_params = {
        "born": charges[:, None, None] * np.eye(3),
        "dielectric": np.eye(3),
        "factor": elementary_charge / (4.0 * math.pi * epsilon_0) * 1.0e10,
    }
    return True


def _imaginary_share(lattice: Any) -> tuple[float, float]:
    """Share of imaginary modes in the mesh (percent) and lowest frequency (THz, imaginary as negative)."""
    mesh = lattice.mesh
    weights = np.asarray(mesh.weights, dtype=np.float64)
    frequencies = np.asarray(mesh.frequencies)
    below = (frequencies < _IMAGINARY_THZ).sum(axis=1)
    share = 100.0 * float(weights @ below) / (float(weights.sum()) * frequencies.shape[1])
    return share, float(frequencies.min())


def _mesh_numbers(lattice: Any) -> tuple[int, int, int]:
    a, b, c = (int(number) for number in lattice.mesh.mesh_numbers)
    return a, b, c


def _apply_policy(formula: str, share: float, lowest: float, policy: ImaginaryPolicy) -> None:
    if share == 0.0:
        return
    text = f"{share:.2f} % of the phonon modes of {formula} are imaginary (lowest {lowest:.2f} THz)"
    if share > _REFUSED_SHARE_PERCENT:
        raise StructureError(
            f"{text}, allowed are {_REFUSED_SHARE_PERCENT:g} %: this is not a minimum; relax it in a larger "
            "cell or take another calculator"
        )
    if policy == "error":
        raise StructureError(f"{text}; relax more tightly, take a larger supercell, or allow it by 'drop'")
    if policy == "warn":
        warnings.warn(f"{text}; they are left out of the sums", stacklevel=3)
