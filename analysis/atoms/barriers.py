"""Barriers of ion hops by the climbing-image nudged elastic band; every image is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from cosinter.analysis.atoms.calculators import (
    AseAtoms,
    calculator_errors,
    calculator_record,
    check_finite,
    single_point,
    to_atoms,
    to_structure,
    uncertainty_of,
)
from cosinter.analysis.atoms.hopping import hop_diffusivity as hop_diffusivity
from cosinter.analysis.atoms.relaxation import Relaxation, relax
from cosinter.data.exceptions import ConvergenceError, InputError, StructureError

if TYPE_CHECKING:
    from pymatgen.core import Structure

_GRACE_STEPS = 20
_EXPLODED_EV_PER_A = 50.0
_SAME_PLACE_A = 0.3


class HopPath(Protocol):
    """What a path must offer; ``structures.migration.MigrationPath`` does."""

    @property
    def name(self) -> str:
        """Name of the hop."""

    @property
    def host(self) -> str:
        """Name of the crystal."""

    @property
    def initial(self) -> Structure:
        """Structure before the hop."""

    @property
    def final(self) -> Structure:
        """Structure after the hop, same order of sites."""

    @property
    def mobile_index(self) -> int:
        """Site index of the hopping ion."""

    @property
    def hop_length_A(self) -> float:  # noqa: N802
        """Length of the hop in Å."""

    @property
    def via(self) -> tuple[float, float, float] | None:
        """Fractional coordinates of a site on the way, or None."""


@dataclass(frozen=True)
class PathImage:
    """One image of the band. ``distance_A`` is the way of the hopping ion from the start, ``energy_eV`` is
    relative to the first image, ``max_force_eV_per_A`` is the residual of the band (true force at the ends)."""

    distance_A: float
    energy_eV: float
    max_force_eV_per_A: float
    structure: Structure


@dataclass(frozen=True)
class Barrier:
    """A minimum-energy path with all its images.

    ``uncertainty_eV`` is one standard deviation of the calculator, ``None`` if it was never measured.
    ``climbing_image`` is the index of the saddle, ``None`` if the band has no inner maximum.
    """

    host: str
    path: str
    barrier_eV: float
    reverse_barrier_eV: float
    images: tuple[PathImage, ...]
    climbing: bool
    climbing_image: int | None
    converged: bool
    max_force_eV_per_A: float
    steps: int
    hop_length_A: float
    uncertainty_eV: float | None
    cell: Literal["relaxed", "given"]
    calculator: dict[str, Any]

    @property
    def energy_difference_eV(self) -> float:  # noqa: N802
        """Energy of the end against the start, eV; zero for a symmetric hop."""
        return self.images[-1].energy_eV


@dataclass(frozen=True)
class BandStep:
    """What ``on_step`` is told: stage, step, highest energy over the start (eV), residual (eV/Å)."""

    stage: Literal["plain", "climbing"]
    number: int
    barrier_eV: float
    max_force_eV_per_A: float


def barrier(
    path: HopPath,
    calculator: Any,
    *,
    images: int | None = None,
    force_tolerance: float = 0.05,
    plain_tolerance: float = 0.15,
    endpoint_tolerance: float = 0.02,
    max_steps: int = 400,
    relax_cell: bool = True,
    spring_eV_per_A2: float = 0.1,
    strict: bool = True,
    on_step: Callable[[BandStep], None] | None = None,
) -> Barrier:
    """Find the saddle of a hop by the climbing-image nudged elastic band.

    Both ends are relaxed; the first band leads over ``path.via`` or, without one, follows the image-dependent
    pair potential (Smidstrup et al. 2014, doi:10.1063/1.4878664). It is relaxed with improved tangents
    (Henkelman and Jónsson 2000,
    doi:10.1063/1.1323224) to ``plain_tolerance`` and then with a climbing image (Henkelman et al. 2000,
    doi:10.1063/1.1329672) to ``force_tolerance``.

    Parameters
    ----------
    path
        Start and end with the same order of sites; the ends may differ in energy.
    images
        Images between the ends; one per 0.9 Å of hop, odd and at least 5, if not given.
    force_tolerance, plain_tolerance, endpoint_tolerance
        Residual forces, eV/Å.
    max_steps
        Steps allowed for each of the two stages.
    relax_cell
        Relax the cell once, with the start; the end and the band keep that cell. For the dilute limit relax
        the perfect host beforehand, build the path in it and say False: a vacancy among few lithium ions changes
        the cell, and with it the barrier, by up to 0.04 eV.
    spring_eV_per_A2
        Spring constant along the band.
    strict
        Raise if the band does not converge, instead of saying ``converged=False``.
    on_step
        Called after every step of the band.

    Raises
    ------
    InputError
        Ends that do not belong together, or options out of range.
    ConvergenceError
        An end or (``strict``) the band did not converge, or both ends relaxed into one.
    StructureError, EngineError
        As for :func:`cosinter.analysis.atoms.relaxation.relax`.
    """
    _check(path, images, force_tolerance, plain_tolerance)
    start = _end(path.initial, calculator, path, endpoint_tolerance, relax_cell)
    moved = _in_cell_of(path.final, start.structure)
    end = _end(moved, calculator, path, endpoint_tolerance, False)
    count = _default_images(path.hop_length_A) if images is None else images
    band = _lay_band(start, end, count, calculator, path=path, spring=spring_eV_per_A2)
    watch = _BandWatch(band, calculator, path.name, on_step)
    with calculator_errors(calculator):
        done = watch.run("plain", plain_tolerance, max_steps)
        if done:
            done = watch.run("climbing", force_tolerance, max_steps)
    if strict and not done:
        raise ConvergenceError(
            f"the band of {path.name} still has a residual of {watch.residual:.3g} eV/Å after {watch.count} "
            f"steps, asked {force_tolerance:g}; raise max_steps, take another number of images or loosen "
            "force_tolerance"
        )
    return _result(path, band, watch, done, relax_cell)


def _default_images(hop_length_A: float) -> int:
    return max(5, 2 * round(hop_length_A / 1.8) + 1)


def _check(path: HopPath, images: int | None, force_tolerance: float, plain_tolerance: float) -> None:
    if images is not None and images < 1:
        raise InputError(f"images is {images}, allowed is 1 or more")
    if not 0.0 < force_tolerance <= plain_tolerance:
        raise InputError(
            f"force_tolerance {force_tolerance:g} and plain_tolerance {plain_tolerance:g} eV/Å: the first must "
            "be positive and not above the second"
        )
    if [site.specie for site in path.initial] != [site.specie for site in path.final]:
        raise InputError(f"start and end of {path.name} do not hold the same ions in the same order")
    if not np.allclose(path.initial.lattice.matrix, path.final.lattice.matrix, atol=1e-6):
        raise InputError(f"start and end of {path.name} have different cells; give both the same")
    if not 0 <= path.mobile_index < len(path.initial):
        raise InputError(f"{path.name} has no site {path.mobile_index}; it has {len(path.initial)} sites")


def _end(
    structure: Structure, calculator: Any, path: HopPath, tolerance: float, relax_cell: bool
) -> Relaxation:
    """Relax one end of the path."""
    result = relax(structure, calculator, force_tolerance=tolerance, cell=relax_cell)
    if not result.converged:
        raise ConvergenceError(
            f"an end of {path.name} is not relaxed after {result.steps} steps (largest force "
            f"{result.max_force_eV_per_A:.3g} eV/Å); take a better start or loosen endpoint_tolerance"
        )
    return result


def _in_cell_of(structure: Structure, model: Structure) -> Structure:
    from pymatgen.core import Structure

    return Structure(
        model.lattice, [site.specie for site in structure], structure.frac_coords, coords_are_cartesian=False
    )


def _lay_band(
    start: Relaxation, end: Relaxation, images: int, calculator: Any, *, path: HopPath, spring: float
) -> Any:
    """Place the images; the ends carry stored energies so that they are not computed again."""
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.mep import NEB

    first, last = to_atoms(start.structure), to_atoms(end.structure)
    last.positions = first.positions + _displacements(first, last)
    way = float(np.linalg.norm((last.positions - first.positions)[path.mobile_index]))
    if way < _SAME_PLACE_A:
        raise ConvergenceError(
            f"start and end of {path.name} relaxed into one place ({way:.2f} Å apart); the site at one end is "
            "not a minimum of this calculator"
        )
    chain = [first, *(first.copy() for _ in range(images)), last]
    band: Any = NEB(chain, k=spring, method="improvedtangent", allow_shared_calculator=True)  # type: ignore[no-untyped-call]
    if path.via is None:
        band.interpolate(method="idpp", mic=False)
    else:
        band.interpolate(mic=False)
        _lead_over(chain, path)
    for atoms in chain[1:-1]:
        atoms.calc = calculator
    for atoms in (first, last):
        energy, forces = single_point(atoms, calculator)
        stored = SinglePointCalculator(atoms, energy=energy, forces=forces)  # type: ignore[no-untyped-call]
        atoms.calc = stored
    return band


def _lead_over(chain: list[AseAtoms], path: HopPath) -> None:
    """Bend the way of the mobile ion over ``path.via``: two straight legs, images evenly spaced on them."""
    ends = [atoms.positions[path.mobile_index].copy() for atoms in (chain[0], chain[-1])]
    first, last = (path.initial[path.mobile_index].frac_coords, path.final[path.mobile_index].frac_coords)
    bend = (np.asarray(path.via) - (first + last) / 2.0) @ chain[0].cell.array
    middle = (ends[0] + ends[1]) / 2.0 + bend
    track = np.array([ends[0], middle, ends[1]])
    marks = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(track, axis=0), axis=1))])
    for atoms, way in zip(chain, np.linspace(0.0, marks[-1], len(chain)), strict=True):
        atoms.positions[path.mobile_index] = [np.interp(way, marks, track[:, axis]) for axis in range(3)]


def _displacements(first: AseAtoms, last: AseAtoms) -> Any:
    """Way of every atom from start to end, shape [n, 3] in Å: as given, unless the path crosses the cell."""
    from ase.geometry import find_mic

    given = last.positions - first.positions
    nearest, lengths = find_mic(given, first.cell, pbc=True)  # type: ignore[no-untyped-call]
    short = np.linalg.norm(given, axis=1) <= lengths + _SAME_PLACE_A
    return np.where(short[:, None], given, nearest)


class _BandWatch:
    """Runs the two stages, looks at every step, and remembers how far the band is."""

    def __init__(
        self, band: Any, calculator: Any, name: str, on_step: Callable[[BandStep], None] | None
    ) -> None:
        self.band, self.calculator, self.name, self.on_step = band, calculator, name, on_step
        self.count = -1
        self.residual = math.inf
        self.stage: Literal["plain", "climbing"] = "plain"

    def run(self, stage: Literal["plain", "climbing"], tolerance: float, steps: int) -> bool:
        """Relax the band in one stage; True if its residual fell below ``tolerance`` (eV/Å)."""
        from ase.optimize import FIRE

        self.stage = stage
        self.band.climb = stage == "climbing"
        driver = FIRE(self.band, logfile=None)
        driver.attach(self, interval=1)
        return bool(driver.run(fmax=tolerance, steps=steps))

    def __call__(self) -> None:
        self.count += 1
        energies = np.asarray(self.band.energies)
        check_finite(self.calculator, float(energies.sum()), np.asarray(self.band.real_forces))
        self.residual = float(self.band.get_residual())
        if self.count > _GRACE_STEPS and self.residual > _EXPLODED_EV_PER_A:
            raise StructureError(
                f"the band of {self.name} has a residual of {self.residual:.3g} eV/Å after {self.count} steps: "
                "images overlap; take more images or another path"
            )
        if self.on_step is not None:
            height = float(energies.max() - energies[0])
            self.on_step(BandStep(self.stage, self.count, height, self.residual))


def _result(path: HopPath, band: Any, watch: _BandWatch, converged: bool, relax_cell: bool) -> Barrier:
    chain: list[AseAtoms] = band.images
    with calculator_errors(watch.calculator):
        inner = np.asarray(band.get_forces()).reshape(len(chain) - 2, -1, 3)
    energies = np.asarray(band.energies) - band.energies[0]
    residuals = [
        np.asarray(chain[0].get_forces()),
        *inner,
        np.asarray(chain[-1].get_forces()),
    ]
    track = np.array([atoms.positions[path.mobile_index] for atoms in chain])
    distances = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(track, axis=0), axis=1))])
    top = int(np.argmax(energies))
    return Barrier(
        host=path.host,
        path=path.name,
        barrier_eV=float(energies[top]),
        reverse_barrier_eV=float(energies[top] - energies[-1]),
        images=tuple(
            PathImage(
                float(distance),
                float(energy),
                float(np.linalg.norm(force, axis=1).max()),
                to_structure(atoms),
            )
            for distance, energy, force, atoms in zip(distances, energies, residuals, chain, strict=True)
        ),
        climbing=bool(band.climb),
        climbing_image=top if 0 < top < len(chain) - 1 else None,
        converged=converged,
        max_force_eV_per_A=watch.residual,
        steps=watch.count,
        hop_length_A=float(path.hop_length_A),
        uncertainty_eV=uncertainty_of(watch.calculator, "barrier").value,
        cell="relaxed" if relax_cell else "given",
        calculator=calculator_record(watch.calculator),
    )
