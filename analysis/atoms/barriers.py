"""Barriers of ion hops by the climbing-image nudged elastic band; every image is kept."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from cosinter.analysis.atoms.calculators import (
    calculator_errors,
    calculator_name,
    calculator_record,
    make_calculator,
    single_point,
    to_atoms,
    to_structure,
    uncertainty_of,
)
from cosinter.analysis.atoms.hop_results import Barrier as Barrier
from cosinter.analysis.atoms.hop_results import CellOf, HopPath, IntermediateMinimum, PathImage
from cosinter.analysis.atoms.hopping import hop_diffusivity as hop_diffusivity
from cosinter.analysis.atoms.relaxation import Relaxation, relax
from cosinter.data.exceptions import ConvergenceError, InputError
from cosinter.data.tables import load_table

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from cosinter.analysis.atoms.bands import BandStep, BandWatch, ClimbingBand

PMMCS_LEAST_LITHIUM = 0.9
"""Lithium per metal of a layered oxide below which the rigid-ion cell shrinks where the measured one grows
(data/potentials.yaml, accuracy of pmmcs)."""

_LEFT_SITE_A = 0.7
_LEFT_SITE_SHARE = 0.45


def hop_calculator(path: HopPath, name: str = "pmmcs", **options: Any) -> Any:
    """Make the calculator that suits a path; ``options`` go to its class.

    The rigid-ion potential spreads the charge of a vacancy over transition metals. A crystal without any
    (Li3PO4) gets the uniform background of the Ewald sum instead: with both ends equally charged it does not
    enter the barrier.

    Raises
    ------
    UnknownNameError, MissingEngineError, InputError
        As for :func:`cosinter.analysis.atoms.calculators.make_calculator`.
    """
    _check_potential(path, name.lower())
    if name.lower() == "pmmcs" and not _has_shift_metal(path.initial):
        options = {"compensation": "background", **options}
    return make_calculator(name, path.initial, **options)


def barrier(
    path: HopPath,
    calculator: Any,
    *,
    images: int | None = None,
    force_tolerance: float = 0.05,
    plain_tolerance: float = 0.15,
    endpoint_tolerance: float = 0.02,
    max_steps: int = 400,
    cell: CellOf | None = None,
    spring_eV_per_A2: float = 0.1,
    strict: bool = True,
    workers: int = 1,
    on_step: Callable[[BandStep], None] | None = None,
) -> Barrier:
    """Find the saddle of a hop by the climbing-image nudged elastic band.

    Both ends are relaxed; the first band leads over ``path.via`` or, without one, follows the image-dependent
    pair potential (Smidstrup et al. 2014, doi:10.1063/1.4878664). It is relaxed with improved tangents
    (Henkelman and Jónsson 2000,
    doi:10.1063/1.1323224) to ``plain_tolerance`` and then with climbing images (Henkelman et al. 2000,
    doi:10.1063/1.1329672) to ``force_tolerance``: every maximum of the band climbs. The barrier is that of the
    highest one; valleys between maxima are relaxed and reported.

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
    cell
        Whose relaxed cell the band lives in: ``start`` (relaxed with its vacancies), ``host`` (the undisturbed
        crystal, the dilute limit: a vacancy among few lithium ions changes the cell, and with it the
        barrier, by up to 0.04 eV), ``given`` (as it comes). If not given, ``host`` where the charge of the vacancy
        sits in a uniform background, whose stress means nothing, and ``start`` elsewhere.
    spring_eV_per_A2
        Spring constant along the band.
    strict
        Raise if the band does not converge, instead of saying ``converged=False``.
    workers
        Processes over which the images are spread (the result agrees within 1e-6 eV).
    on_step
        Called after every step of the band.

    Raises
    ------
    InputError
        Ends that do not belong together, options out of range, or a hop for which the calculator is wrong: pmmcs
        for a transition metal (with LiNiO2 at 0.94 Li it puts nickel on the tetrahedral site 1.2 eV below its own),
        and below 0.9 Li per metal.
    ConvergenceError
        An end or (``strict``) the band did not converge, the ion left one of its sites, or both ends relaxed into one.
    StructureError, EngineError
        As for :func:`cosinter.analysis.atoms.relaxation.relax`.
    """
    from cosinter.analysis.atoms.bands import BandWatch, ClimbingBand, lay_band, spread_over

    _check(path, images, force_tolerance, plain_tolerance)
    _check_potential(path, calculator_name(calculator))
    chosen = cell or _default_cell(path, calculator)
    start, end = _ends(path, calculator, endpoint_tolerance, chosen)
    count = _default_images(path.hop_length_A) if images is None else images
    first, last = to_atoms(start.structure), to_atoms(end.structure)
    chain = lay_band(first, last, count, mobile=path.mobile_index, bend_A=_bend(path, start), name=path.name)
    for atoms in (chain[0], chain[-1]):
        _freeze(atoms, calculator)
    with spread_over(workers, calculator) as evaluate, calculator_errors(calculator):
        band = ClimbingBand(chain, evaluate, spring=spring_eV_per_A2)
        watch = BandWatch(band, calculator, path.name, on_step)
        done = watch.run("plain", plain_tolerance, max_steps)
        if done:
            done = watch.run("climbing", force_tolerance, max_steps)
        if strict and not done:
            raise ConvergenceError(
                f"the band of {path.name} still has a residual of {watch.residual:.3g} eV/Å after {watch.count} "
                f"steps, asked {force_tolerance:g}; raise max_steps, take another number of images or loosen "
                "force_tolerance"
            )
        return _result(path, band, watch, done, cell=chosen, endpoint_tolerance=endpoint_tolerance)


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


def _check_potential(path: HopPath, calculator: str) -> None:
    """Refuse what the rigid-ion potential gets wrong."""
    if calculator != "pmmcs":
        return
    mobile = path.initial[path.mobile_index].specie.symbol
    lithium = getattr(path, "lithium_per_metal", None)
    if mobile in load_table("potentials")["pmmcs"]["shift_elements"]:
        raise InputError(
            f"the hop {path.name} moves {mobile}, and the fixed charges of the pmmcs potential pull a metal into vacant "
            "lithium sites where it costs energy; take chgnet"
        )
    if lithium is not None and lithium < PMMCS_LEAST_LITHIUM - 1e-6:
        raise InputError(
            f"{path.name} holds {lithium:.3g} Li per metal, and below {PMMCS_LEAST_LITHIUM:g} the pmmcs potential gives "
            "layered oxides the wrong cell and wrong barriers; keep more lithium or take chgnet"
        )


def _has_shift_metal(structure: Structure) -> bool:
    metals = load_table("potentials")["pmmcs"]["shift_elements"]
    return any(site.specie.symbol in metals for site in structure)


def _default_cell(path: HopPath, calculator: Any) -> CellOf:
    charged = calculator_name(calculator) == "pmmcs" and not _has_shift_metal(path.initial)
    return "host" if charged and getattr(path, "perfect", None) is not None else "start"


def _ends(path: HopPath, calculator: Any, tolerance: float, cell: CellOf) -> tuple[Relaxation, Relaxation]:
    """Relax both ends in one cell, and see that the mobile ion stayed on its sites."""
    if cell == "host":
        perfect = getattr(path, "perfect", None)
        if perfect is None:
            raise InputError(f"{path.name} does not say what its undisturbed crystal is; take cell='start'")
        model = _end(perfect, calculator, path, tolerance, True).structure
        start = _end(_in_cell_of(path.initial, model), calculator, path, tolerance, False)
    else:
        start = _end(path.initial, calculator, path, tolerance, cell == "start")
    end = _end(_in_cell_of(path.final, start.structure), calculator, path, tolerance, False)
    for word, intended, found in (("start", path.initial, start), ("end", path.final, end)):
        _check_stayed(path, intended, found.structure, word)
    return start, end


def _check_stayed(path: HopPath, intended: Structure, relaxed: Structure, word: str) -> None:
    """Raise if the mobile ion moved by nearly half the hop, beyond the drift of the whole crystal."""
    shifts = relaxed.frac_coords - intended.frac_coords
    shifts -= np.round(shifts)
    others = np.delete(shifts, path.mobile_index, axis=0)
    drift = np.median(others, axis=0) if len(others) else np.zeros(3)
    way = float(np.linalg.norm((shifts[path.mobile_index] - drift) @ relaxed.lattice.matrix))
    if way > max(_LEFT_SITE_A, _LEFT_SITE_SHARE * path.hop_length_A):
        raise ConvergenceError(
            f"the ion left the {word} of {path.name} on relaxation, by {way:.1f} Å: the site is not a minimum of this "
            "calculator; take a path over it"
        )


def _end(
    structure: Structure, calculator: Any, path: HopPath, tolerance: float, relax_cell: bool
) -> Relaxation:
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


def _bend(path: HopPath, start: Relaxation) -> Any:
    """Shift of the middle of the way towards ``path.via``, Å, shape (3,), or None."""
    if path.via is None:
        return None
    ends = (path.initial[path.mobile_index].frac_coords, path.final[path.mobile_index].frac_coords)
    return (np.asarray(path.via) - (ends[0] + ends[1]) / 2.0) @ start.structure.lattice.matrix


def _freeze(atoms: Any, calculator: Any) -> None:
    """Store energy and forces of an end, so that they are not computed again."""
    from ase.calculators.singlepoint import SinglePointCalculator

    energy, forces = single_point(atoms, calculator)
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)  # type: ignore[no-untyped-call]


def _result(
    path: HopPath,
    band: ClimbingBand,
    watch: BandWatch,
    converged: bool,
    *,
    cell: CellOf,
    endpoint_tolerance: float,
) -> Barrier:
    chain = band.images
    inner = band.get_forces().reshape(len(chain) - 2, -1, 3)
    energies = band.image_energies - band.image_energies[0]
    residuals = [chain[0].get_forces(), *inner, chain[-1].get_forces()]
    track = np.array([atoms.positions[path.mobile_index] for atoms in chain])
    distances = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(track, axis=0), axis=1))])
    top = int(np.argmax(energies))
    saddle = top if 0 < top < len(chain) - 1 else None
    curvature = None if saddle is None else band.curvature(saddle)
    peaks = band.climbers()
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
        climbing=bool(band.climb and band.climbers()),
        climbing_image=saddle,
        humps=tuple(peaks),
        minima=_minima(path, band, peaks, watch.calculator, endpoint_tolerance),
        curvature_eV_per_A2=curvature,
        converged=converged,
        max_force_eV_per_A=watch.residual,
        steps=watch.count,
        mobile_index=path.mobile_index,
        hop_length_A=float(path.hop_length_A),
        uncertainty_eV=uncertainty_of(watch.calculator, "barrier").value,
        cell=cell,
        note=_note(path, curvature),
        calculator=calculator_record(watch.calculator, path.initial),
    )


def _minima(
    path: HopPath, band: ClimbingBand, peaks: list[int], calculator: Any, tolerance: float
) -> tuple[IntermediateMinimum, ...]:
    """Relax the lowest image between each pair of neighbouring humps."""
    found = []
    ends = [band.images[index].positions[path.mobile_index] for index in (0, -1)]
    for left, right in pairwise(peaks):
        image = left + int(np.argmin(band.image_energies[left : right + 1]))
        relaxed = _end(to_structure(band.images[image]), calculator, path, tolerance, False)
        place = to_atoms(relaxed.structure).positions[path.mobile_index]
        from_start, from_end = (float(np.linalg.norm(place - end)) for end in ends)
        energy = relaxed.energy_eV - float(band.image_energies[0])
        found.append(IntermediateMinimum(image, energy, from_start, from_end, relaxed.structure))
    return tuple(found)


def _note(path: HopPath, curvature: float | None) -> str:
    """What was chosen, and what is odd about the result."""
    parts = [getattr(path, "note", "")]
    if curvature is None:
        parts.append("the energy has no maximum between the ends: the barrier is that of the higher end")
    elif curvature >= 0.0:
        parts.append(
            "the highest image is not a maximum along the band, which has a kink there: take more images"
        )
    return "; ".join(part for part in parts if part)
