"""Attempt frequencies of hops in harmonic transition-state theory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.analysis.atoms.calculators import calculator_errors, calculator_record, to_atoms
from cosinter.data.exceptions import InputError, StructureError

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from cosinter.analysis.atoms.hop_results import Barrier

FloatArray = NDArray[np.float64]
Extent = Literal["full", "partial"]

LOG10_UNCERTAINTY = {"full": 0.3, "partial": 0.6}
"""Decades. Full: a factor of two, assumed (harmonic modes, a potential fitted to lattices). Partial: what fixed
surroundings change. For the divacancy hop in LiCoO2 (190 atoms, pmmcs) radii of 2.5, 4, 5, 6 and 8 Å give 2.0, 4.5, 3.6, 2.0
and 0.90e12 Hz, all atoms 0.84e12 Hz: it converges only when nearly the whole cell moves."""


@dataclass(frozen=True)
class AttemptFrequency:
    """nu* of a hop. ``extent`` says whether all atoms moved (translations taken out) or those within ``radius_A`` of the
    hopping ion; ``imaginary_THz`` is the frequency of the one unstable mode of the saddle (positive number),
    ``lowest_THz`` those of the softest stable mode of start and saddle."""

    frequency_Hz: float
    log10_uncertainty: float
    extent: Extent
    radius_A: float | None
    atoms_moved: int
    imaginary_THz: float
    lowest_THz: tuple[float, float]
    calculator: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "frequency_Hz": self.frequency_Hz,
            "log10_uncertainty": self.log10_uncertainty,
            "extent": self.extent,
            "radius_A": self.radius_A,
            "atoms_moved": self.atoms_moved,
            "imaginary_THz": self.imaginary_THz,
            "lowest_THz": list(self.lowest_THz),
            "calculator": self.calculator,
        }


def attempt_frequency(
    hop: Barrier,
    calculator: Any,
    *,
    radius_A: float | None = None,
    displacement_A: float = 0.01,
    workers: int = 1,
) -> AttemptFrequency:
    """Vineyard's attempt frequency of a computed hop, from its first image and its highest saddle.

    All atoms are displaced unless ``radius_A`` is given: then those within it of the hopping ion, at the start or at
    the saddle, which is cheaper and less sure (``LOG10_UNCERTAINTY``). See :func:`vineyard_frequency`, which lists the errors.

    Raises
    ------
    InputError
        The band has no saddle between its ends.
    """
    if hop.climbing_image is None:
        raise InputError(
            f"the path {hop.path} has no saddle between its ends, so it has no attempt frequency"
        )
    minimum, saddle = hop.images[0].structure, hop.images[hop.climbing_image].structure
    atoms = None if radius_A is None else _near_hop((minimum, saddle), hop.mobile_index, radius_A)
    return vineyard_frequency(
        minimum,
        saddle,
        calculator,
        atoms=atoms,
        radius_A=radius_A,
        displacement_A=displacement_A,
        workers=workers,
    )


def vineyard_frequency(
    minimum: Structure,
    saddle: Structure,
    calculator: Any,
    *,
    atoms: Sequence[int] | None = None,
    radius_A: float | None = None,
    displacement_A: float = 0.01,
    workers: int = 1,
) -> AttemptFrequency:
    """Compute nu* = prod_i nu_i(minimum) / prod'_j nu_j(saddle), without the imaginary mode of the saddle.

    Vineyard, J. Phys. Chem. Solids 3 (1957) 121, doi:10.1016/0022-3697(57)90059-8. The frequencies are those of the
    mass-weighted Hessian by central differences of the forces. With all atoms the three translations are projected
    out; with some of them the others stay fixed, and there are none.

    Parameters
    ----------
    minimum, saddle
        Stationary structures with the same sites in the same order.
    atoms
        Indices of the atoms to displace; all if not given.
    radius_A
        Recorded in the result: how ``atoms`` was chosen.
    displacement_A
        Step of the differences, Å.
    workers
        Processes to spread the force evaluations over.

    Raises
    ------
    InputError
        Structures that do not belong together, indices or a step out of range.
    StructureError
        The minimum has an unstable mode, or the saddle has none or more than one.
    """
    _check(minimum, saddle, atoms, displacement_A)
    moved = list(range(len(minimum))) if atoms is None else sorted(set(atoms))
    squares = [
        _squared_frequencies(structure, calculator, moved, displacement_A, workers)
        for structure in (minimum, saddle)
    ]
    stable, above = squares
    formula = minimum.composition.reduced_formula
    if stable[0] <= 0.0:
        raise StructureError(
            f"the start of the hop in {formula} has an unstable mode ({_terahertz(stable[0]):.2f}i THz); it is no "
            "minimum: relax it further, or take a smaller radius if a soft mode of the host is to blame"
        )
    unstable = int(np.sum(above <= 0.0))
    if unstable != 1:
        raise StructureError(
            f"the saddle of the hop in {formula} has {unstable} unstable modes, a first-order saddle has one; "
            "converge the band further or take more images"
        )
    exponent = 0.5 * (np.log10(stable).sum() - np.log10(above[1:]).sum())
    unit = _terahertz(1.0) * 1e12
    extent: Extent = "full" if len(moved) == len(minimum) else "partial"
    return AttemptFrequency(
        frequency_Hz=float(unit * 10.0**exponent),
        log10_uncertainty=LOG10_UNCERTAINTY[extent],
        extent=extent,
        radius_A=radius_A,
        atoms_moved=len(moved),
        imaginary_THz=_terahertz(above[0]),
        lowest_THz=(_terahertz(stable[0]), _terahertz(above[1]) if len(above) > 1 else math.nan),
        calculator=calculator_record(calculator),
    )


def _terahertz(square: float) -> float:
    """Frequency (THz) of an eigenvalue in eV/(Å^2 u), without its sign."""
    from scipy.constants import angstrom, atomic_mass, electron_volt

    return math.sqrt(abs(square) * electron_volt / (angstrom**2 * atomic_mass)) / (2.0 * math.pi) / 1e12


def _near_hop(structures: Sequence[Structure], mobile: int, radius_A: float) -> list[int]:
    near = {mobile}
    for structure in structures:
        near |= {int(n.index) for n in structure.get_neighbors(structure[mobile], radius_A)}
    return sorted(near)


def _squared_frequencies(
    structure: Structure, calculator: Any, moved: list[int], step_A: float, workers: int
) -> FloatArray:
    """Ascending eigenvalues of the mass-weighted Hessian, eV/(Å^2 u); translations left out if all atoms move."""
    from cosinter.analysis.atoms.bands import spread_over

    atoms = to_atoms(structure)
    frames = []
    for index in moved:
        for axis in range(3):
            for sign in (1.0, -1.0):
                frame = atoms.copy()
                frame.positions[index, axis] += sign * step_A
                frames.append(frame)
    with spread_over(workers, calculator) as evaluate, calculator_errors(calculator):
        forces = np.array([force[moved].ravel() for _, force in evaluate(frames)])
    hessian = -(forces[0::2] - forces[1::2]) / (2.0 * step_A)
    roots = np.sqrt(np.repeat(atoms.get_masses()[moved], 3))
    dynamical = 0.5 * (hessian + hessian.T) / np.outer(roots, roots)
    if len(moved) < len(atoms):
        return np.asarray(np.linalg.eigvalsh(dynamical))
    return _without_translations(dynamical, roots)


def _without_translations(dynamical: FloatArray, roots: FloatArray) -> FloatArray:
    """Eigenvalues in the space orthogonal to the three translations, which are sqrt(m) along each axis."""
    shifts = np.zeros((len(roots), 3))
    for axis in range(3):
        shifts[axis::3, axis] = roots[axis::3]
    basis = np.linalg.qr(shifts, mode="complete")[0][:, 3:]
    return np.asarray(np.linalg.eigvalsh(basis.T @ dynamical @ basis))


def _check(minimum: Structure, saddle: Structure, atoms: Sequence[int] | None, step_A: float) -> None:
    if [site.specie for site in minimum] != [site.specie for site in saddle]:
        raise InputError("minimum and saddle do not hold the same ions in the same order")
    if not (math.isfinite(step_A) and 0.0 < step_A <= 0.1):
        raise InputError(f"displacement_A is {step_A!r}, allowed is more than 0 and at most 0.1 Å")
    if atoms is not None and (not atoms or not all(0 <= i < len(minimum) for i in atoms)):
        raise InputError(f"atoms must be one or more site indices of 0 to {len(minimum) - 1}")
