"""Work of adhesion and interface energy of a coherent interface, after a scan of terminations and gaps.

All energies are of periodic cells with the same in-plane vectors (the substrate's), so the film's strain is the same
in all of them and cancels. With E the total energies and A the area of one interface (a cell has two):

    W     = (E_film_slab + E_substrate_slab - E_interface) / (2 A)       work of adhesion: cleaving both interfaces
    gamma = (E_interface - E_film_bulk - E_substrate_bulk) / (2 A)       interface energy against the two crystals

The slabs have the ions of the interface's two parts and vacuum; the bulks close each part on itself with the
crystal's own translation, so every energy difference is between cells of the same ions. Bulk cells are stretched
along the normal until their energy is least (parabola through relaxed energies). Both figures are means over the
cell's two interfaces, which differ where a slab's faces differ. Positive W means that the two stick together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import constants

from cosinter.analysis.atoms.abort_rules import INTERFACE_RULES
from cosinter.analysis.atoms.calculators import calculator_record, single_point, to_atoms
from cosinter.analysis.atoms.relaxation import relax
from cosinter.data.exceptions import CosinterError, EngineError, InputError
from cosinter.structures.cuts import wrapped_in_plane
from cosinter.structures.hosts import PART
from cosinter.structures.interface_models import InterfaceModel, build_model
from cosinter.structures.interfaces import terminations_of

if TYPE_CHECKING:
    from pymatgen.core import Structure

J_PER_M2_PER_EV_PER_A2 = constants.e / constants.angstrom**2
GAPS_A = (1.6, 2.0, 2.4, 3.0)
BULK_STRETCHES = (-0.03, 0.0, 0.03)
WIDEST_STRETCH = 0.08


@dataclass(frozen=True)
class ScanPoint:
    """One termination and gap: single-point energy (eV per cell) of the unrelaxed cell, or why there is none."""

    termination: tuple[str, str]
    polar: tuple[bool, bool]
    gap_A: float
    atoms: int
    energy_eV: float | None
    adhesion_unrelaxed_J_per_m2: float | None
    problem: str


@dataclass(frozen=True)
class Adhesion:
    """Adhesion of one interface.

    Attributes
    ----------
    film, substrate, film_miller, substrate_miller, termination, gap_A
        The variant chosen; ``gap_A`` is the gap it was built with.
    area_A2, atoms, strain_percent
        Of that variant.
    work_of_adhesion_J_per_m2, interface_energy_J_per_m2
        W and gamma of the module text, relaxed.
    energies_eV
        Totals per cell, all relaxed: "interface", "film_slab", "substrate_slab", "film_bulk", "substrate_bulk".
    bulk_stretch
        Relative change of the repeat along the normal at which the bulks' energies are least, film first.
    polar, dipole_eA
        Whether a slab has a dipole, film first: its slab energy, and with it W, then depends on thickness.
    converged
        Whether every relaxation reached the force tolerance.
    scan
        All terminations and gaps looked at.
    structure
        The relaxed interface.
    calculator
        Model, version and parameters.
    note
        Limits of the figures in words.
    """

    film: str
    substrate: str
    film_miller: tuple[int, int, int]
    substrate_miller: tuple[int, int, int]
    termination: tuple[str, str]
    gap_A: float
    area_A2: float
    atoms: int
    strain_percent: float
    work_of_adhesion_J_per_m2: float
    interface_energy_J_per_m2: float
    energies_eV: dict[str, float]
    bulk_stretch: tuple[float, float]
    polar: tuple[bool, bool]
    dipole_eA: tuple[float, float]
    converged: bool
    scan: tuple[ScanPoint, ...]
    structure: Structure
    calculator: dict[str, Any]
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as plain JSON types, without the structure."""
        names = [name for name in self.__dataclass_fields__ if name not in ("structure", "scan")]
        plain = {name: _plain(getattr(self, name)) for name in names}
        rows = [{k: _plain(v) for k, v in vars(point).items()} for point in self.scan]
        return {**plain, "scan": rows}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def adhesion(
    model: InterfaceModel,
    calculator: Any,
    *,
    gaps_A: Sequence[float] = GAPS_A,
    max_terminations: int = 4,
    finalists: int = 2,
    vacuum_A: float = 15.0,
    force_tolerance: float = 0.05,
    max_steps: int = 500,
    on_step: Callable[[str], None] | None = None,
) -> Adhesion:
    """Scan terminations and gaps by single points, relax the best, and give W and gamma.

    Parameters
    ----------
    model
        An interface of :func:`cosinter.structures.interfaces.search_interfaces`; its common cell is kept.
    calculator
        ASE calculator.
    gaps_A
        Distances between the outermost ions tried for every termination.
    max_terminations
        Pairs of terminations tried: fewest polar slabs first, then the weakest bonds cut.
    finalists
        Terminations that are relaxed, from every gap (least polar, then of least energy, first). The gap also sets
        the height of the cell, which stays; the relaxed cell of least energy is kept, and the termination of least
        gamma wins.
    vacuum_A
        Empty space beside a slab.
    force_tolerance, max_steps
        Of every relaxation of the ions (cells stay fixed), eV/Å.
    on_step
        Called with a line of text at every stage, for progress.

    Raises
    ------
    InputError
        No gap, or numbers below 1.
    EngineError
        No termination could be built, computed and relaxed; the reasons are named.

    Notes
    -----
    Rigid-ion potentials see a cleaved surface as ions without their neighbours: use W and gamma to compare
    geometries of one pair.
    """
    if not gaps_A or max_terminations < 1 or finalists < 1:
        raise InputError("give at least one gap, one termination and one finalist")
    say = on_step or (lambda _: None)
    scan: list[tuple[ScanPoint, InterfaceModel | None]] = []
    for recipe in terminations_of(model.recipe)[:max_terminations]:
        for gap in gaps_A:
            scan.append(_point(replace(recipe, gap_A=gap), calculator, vacuum_A))
            say(f"termination {scan[-1][0].termination}, gap {gap:g} Å: {scan[-1][0].energy_eV}")
    points = tuple(point for point, _ in scan)
    chosen, problems = _finalists(scan, finalists), [p.problem for p in points if p.problem]
    results = []
    for variants in chosen:
        try:
            results.append(_relaxed(variants, calculator, points, vacuum_A, force_tolerance, max_steps))
            say(f"relaxed {variants[0].termination}: gamma {results[-1].interface_energy_J_per_m2:.3f} J/m²")
        except CosinterError as error:
            problems.append(str(error))
    if not results:
        raise EngineError(
            f"no termination of {model.film} on {model.substrate} could be relaxed: {'; '.join(sorted(set(problems)))}"
        )
    return min(results, key=lambda r: r.interface_energy_J_per_m2)


def isolated(
    model: InterfaceModel, part: Literal["film", "substrate"], *, vacuum_A: float = 15.0
) -> Structure:
    """Take one slab out of an interface, as strained there, with ``vacuum_A`` of empty space."""
    return _closed(model, part, None, vacuum_A)


def bulk_of(model: InterfaceModel, part: Literal["film", "substrate"], *, stretch: float = 0.0) -> Structure:
    """Close one slab of an interface on itself: its crystal, in the interface's in-plane cell.

    ``stretch`` is the relative change of all heights, vector along the normal included.
    """
    step = np.array(model.film_step if part == "film" else model.substrate_step)
    return _closed(model, part, step, 0.0, stretch)


def _closed(model: InterfaceModel, part: str, step: Any, vacuum: float, stretch: float = 0.0) -> Structure:
    from pymatgen.core import Lattice, Structure

    sites = [site for site in model.structure if site.properties[PART] == part]
    places = np.array([site.coords for site in sites])
    places[:, 2] -= places[:, 2].min()
    matrix = model.structure.lattice.matrix.copy()
    matrix[2] = [0.0, 0.0, float(places[:, 2].max()) + vacuum] if step is None else step
    factors = np.array([1.0, 1.0, 1.0 + stretch])
    closed = Structure(
        Lattice(matrix * factors),
        [site.species for site in sites],
        places * factors,
        coords_are_cartesian=True,
    )
    return wrapped_in_plane(closed) if step is None else Structure.from_sites(list(closed), to_unit_cell=True)


def _point(recipe: Any, calculator: Any, vacuum: float) -> tuple[ScanPoint, InterfaceModel | None]:
    """Build one variant and take single-point energies of it and of its two slabs."""
    try:
        model = build_model(recipe)
        failed = [name for name, passed in model.checks().items() if not passed]
        energies = [
            single_point(to_atoms(s), calculator)[0]
            for s in (model.structure, *(isolated(model, k, vacuum_A=vacuum) for k in ("film", "substrate")))
        ]
    except CosinterError as error:
        return ScanPoint(("", ""), (False, False), recipe.gap_A, 0, None, None, str(error)), None
    work = _per_area(energies[1] + energies[2] - energies[0], model.area_A2)
    problem = f"fails {', '.join(failed)}" if failed else ""
    point = ScanPoint(model.termination, model.polar, recipe.gap_A, model.atoms, energies[0], work, problem)
    return point, None if failed else model


def _finalists(
    scan: Sequence[tuple[ScanPoint, InterfaceModel | None]], number: int
) -> list[list[InterfaceModel]]:
    """The gaps of every termination, terminations in the order of polar cuts and least energy.

    All variants of a recipe hold the same ions, so their energies may be compared.
    """
    groups: dict[tuple[int, int], list[tuple[float, InterfaceModel]]] = {}
    for point, model in scan:
        if model is not None and point.energy_eV is not None:
            key = (model.recipe.film.cut, model.recipe.substrate.cut)
            groups.setdefault(key, []).append((point.energy_eV, model))
    ranked = sorted(groups.values(), key=lambda g: (g[0][1].polar_cuts, min(energy for energy, _ in g)))
    return [[model for _, model in group] for group in ranked[:number]]


def _per_area(energy_eV: float, area_A2: float) -> float:
    """Energy of two interfaces per area of one, J/m²."""
    return float(energy_eV / (2.0 * area_A2) * J_PER_M2_PER_EV_PER_A2)


def _relaxed(
    variants: list[InterfaceModel],
    calculator: Any,
    scan: tuple[ScanPoint, ...],
    vacuum: float,
    force_tolerance: float,
    max_steps: int,
) -> Adhesion:
    def settle(structure: Structure) -> Any:
        return relax(
            structure,
            calculator,
            cell=False,
            rules=INTERFACE_RULES,
            soft_steps=100,
            force_tolerance=force_tolerance,
            max_steps=max_steps,
        )

    model, whole = _deepest(variants, settle)
    slabs = {part: settle(isolated(model, part, vacuum_A=vacuum)) for part in ("film", "substrate")}
    bulks = {part: _softest(model, part, settle) for part in ("film", "substrate")}
    energies = {"interface": whole.energy_eV}
    energies |= {f"{part}_slab": run.energy_eV for part, run in slabs.items()}
    energies |= {f"{part}_bulk": energy for part, (energy, _, _) in bulks.items()}
    runs = [whole, *slabs.values()]
    return Adhesion(
        film=model.film,
        substrate=model.substrate,
        film_miller=model.film_miller,
        substrate_miller=model.substrate_miller,
        termination=model.termination,
        gap_A=model.recipe.gap_A,
        area_A2=model.area_A2,
        atoms=model.atoms,
        strain_percent=model.strain_percent,
        work_of_adhesion_J_per_m2=_per_area(
            energies["film_slab"] + energies["substrate_slab"] - energies["interface"], model.area_A2
        ),
        interface_energy_J_per_m2=_per_area(
            energies["interface"] - energies["film_bulk"] - energies["substrate_bulk"], model.area_A2
        ),
        energies_eV=energies,
        bulk_stretch=(bulks["film"][1], bulks["substrate"][1]),
        polar=model.polar,
        dipole_eA=model.dipole_eA,
        converged=all(run.converged for run in runs) and all(done for _, _, done in bulks.values()),
        scan=scan,
        structure=whole.structure,
        calculator=calculator_record(calculator),
        note=_note(model, [v.recipe.gap_A for v in variants]),
    )


def _deepest(
    variants: list[InterfaceModel], settle: Callable[[Structure], Any]
) -> tuple[InterfaceModel, Any]:
    """Relax one termination from each of its gaps, which is the cell's height too; the least energy and its model."""
    runs, problems = [], []
    for variant in variants:
        try:
            runs.append((variant, settle(variant.structure)))
        except CosinterError as error:
            problems.append(str(error))
    if not runs:
        raise EngineError(
            f"termination {variants[0].termination} could not be relaxed: {'; '.join(sorted(set(problems)))}"
        )
    return min(runs, key=lambda item: item[1].energy_eV)


def _note(model: InterfaceModel, gaps: list[float]) -> str:
    parts = [name for name, polar in zip(("film", "substrate"), model.polar, strict=True) if polar]
    text = (
        "mean of the cell's two interfaces; in-plane cell of the substrate, film strained alike in every term"
    )
    if len(gaps) > 1 and model.recipe.gap_A in (min(gaps), max(gaps)):
        text += f"; least at the end of the gaps tried, {model.recipe.gap_A:g} Å: a cell of another height may lie lower"
    if parts:
        text += f"; the {' and the '.join(parts)} slab is polar: its energy, and with it the figures, depend on thickness"
    return text


def _softest(
    model: InterfaceModel, part: Literal["film", "substrate"], settle: Callable[[Structure], Any]
) -> tuple[float, float, bool]:
    """Least energy (eV) of a bulk over its length along the normal, the stretch there, and whether all runs settled."""
    stretches = list(BULK_STRETCHES)
    runs = [settle(bulk_of(model, part, stretch=s)) for s in stretches]
    for _ in range(3):
        curve = np.polyfit(stretches, [run.energy_eV for run in runs], 2)
        least = (
            -curve[1] / (2.0 * curve[0])
            if curve[0] > 0
            else stretches[int(np.argmin([r.energy_eV for r in runs]))]
        )
        least = float(np.clip(least, -WIDEST_STRETCH, WIDEST_STRETCH))
        if min(abs(least - s) for s in stretches) < 2e-3:
            break
        stretches.append(least)
        runs.append(settle(bulk_of(model, part, stretch=least)))
        nearest = np.argsort(np.abs(np.array(stretches) - least))[:3]
        stretches, runs = [stretches[i] for i in nearest], [runs[i] for i in nearest]
    best = int(np.argmin([run.energy_eV for run in runs]))
    return float(runs[best].energy_eV), stretches[best], all(run.converged for run in runs)
