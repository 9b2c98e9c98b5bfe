"""Coherent interfaces between two crystals: lattice matching, checks after building, cathode decoration.

Lattices are matched with the algorithm of Zur and McGill (doi:10.1063/1.3330840) as built into pymatgen. Every
model is checked after it is built; nothing is trusted from the match alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError, StructureError
from cosinter.structures.crystals import read_formula, resolve
from cosinter.structures.geometry import angle, planar, plane_normal, translation_residual, von_mises
from cosinter.structures.layered import (
    METALS,
    layered_contents,
    layered_parent,
    nearest_numbers,
    oxidation_counts,
    vegard_lattice,
)
from cosinter.structures.matching import lattice_matches, without_spglib_notice

if TYPE_CHECKING:
    from pymatgen.core import Composition, Structure

FloatArray = NDArray[np.float64]
Miller = tuple[int, int, int]

RESIDUAL_LIMIT_A = 1e-3
ANGLE_LIMIT_DEG = 0.01
CONTACT_LIMIT_A = 1.4
STRAIN_LIMIT_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class InterfaceModel:
    """A periodic cell of film and substrate with two interfaces.

    Attributes
    ----------
    structure
        The cell; ``site_properties["interface_label"]`` is "film" or "substrate"; charge 0.
    film, substrate
        Formulas as built (NCM films state the whole-number composition reached).
    film_miller, substrate_miller
        Planes that meet.
    termination
        Labels of the two surfaces, film first.
    strain_percent
        Von Mises strain of the film; the substrate is unstrained.
    strain_residual_percent
        Difference between that strain recomputed from the cells and the value reported by the match.
    area_A2
        Area of one interface, Å².
    in_plane_residual_A
        Largest distance by which the in-plane vectors miss a translation of the film's or the substrate's crystal.
    normal_angle_deg
        Largest angle between the cell's normal and the normals of the two planes.
    min_distance_A
        Shortest distance between two ions.
    composition_ok
        Whether film and substrate each have their crystal's composition and the charge is 0.
    atoms
        Number of ions.
    """

    structure: Structure
    film: str
    substrate: str
    film_miller: Miller
    substrate_miller: Miller
    termination: tuple[str, str]
    strain_percent: float
    strain_residual_percent: float
    area_A2: float
    in_plane_residual_A: float
    normal_angle_deg: float
    min_distance_A: float
    composition_ok: bool
    atoms: int

    def checks(self) -> dict[str, bool]:
        """Say which guards the model passes."""
        return {
            "in_plane_residual": self.in_plane_residual_A < RESIDUAL_LIMIT_A,
            "normals_parallel": self.normal_angle_deg < ANGLE_LIMIT_DEG,
            "strain_as_reported": self.strain_residual_percent < STRAIN_LIMIT_DIFFERENCE,
            "composition": self.composition_ok,
            "contacts": self.min_distance_A >= CONTACT_LIMIT_A,
        }


def coherent_interfaces(
    film: Structure | str,
    substrate: Structure | str,
    *,
    film_miller: Miller,
    substrate_miller: Miller,
    max_atoms: int = 400,
    max_area_A2: float = 200.0,
    max_strain_percent: float = 5.0,
    max_length_tolerance: float = 0.05,
    max_angle_tolerance: float = 0.02,
    gap_A: float = 2.0,
    thickness_A: float | None = None,
    max_models: int = 10,
    seed: int = 0,
) -> list[InterfaceModel]:
    """Build coherent two-interface cells, fewest atoms first, then least strain.

    ``film`` and ``substrate`` are structures with oxidation states or names of
    :func:`cosinter.structures.named.build`. A layered oxide given by name is matched as its 12-atom cell with the
    Vegard lattice, and its metals are then set to the nearest whole numbers and spread (``seed``); the composition
    reached stands in ``InterfaceModel.film``. Slabs are one lattice repeat thick, or at least ``thickness_A``;
    film and substrate are ``gap_A`` apart on both sides. The film carries the strain.

    Every model returned passes all of :meth:`InterfaceModel.checks`. Building one pair takes seconds and is
    remembered within the process.

    Raises
    ------
    InputError
        No match within the limits (the nearest is named), or Miller indices 0 0 0.
    StructureError
        Matches exist but no model passes the checks.
    """
    for miller in (film_miller, substrate_miller):
        if not any(miller):
            raise InputError("Miller indices 0 0 0 name no plane; give three integers, not all zero")
    film_cell, contents = _film(film)
    substrate_cell = _named(substrate)
    limits = (max_area_A2, max_length_tolerance, max_angle_tolerance)
    found = lattice_matches(
        film_cell.to_json(), substrate_cell.to_json(), film_miller, substrate_miller, limits
    )
    pair = (film_cell, substrate_cell, film_miller, substrate_miller)
    within = [m for m in found if m["strain"] <= max_strain_percent]
    if not within:
        raise InputError(_no_match(*pair, max_area_A2, found))
    models = _passing(within, pair, gap_A, thickness_A, max_atoms, max_models)
    models = [_decorated(model, contents, seed) for model in models]
    return sorted(models, key=lambda m: (m.atoms, m.strain_percent, m.termination))


def _passing(
    matches: list[dict[str, Any]],
    context: tuple[Structure, Structure, Miller, Miller],
    gap: float,
    thickness: float | None,
    max_atoms: int,
    max_models: int,
) -> list[InterfaceModel]:
    """Collect the first models that pass their checks, or say why there is none."""
    models: list[InterfaceModel] = []
    sizes: list[int] = []
    failed: set[str] = set()
    for model in (m for match in matches for m in _models(match, context, gap, thickness, max_atoms)):
        sizes.append(model.atoms)
        failed |= {name for name, passed in model.checks().items() if not passed}
        if model.atoms <= max_atoms and all(model.checks().values()):
            models.append(model)
        if len(models) >= max_models:
            break
    if not models:
        raise _nothing_built(context[0], context[1], max_atoms, sizes, failed)
    return models


def _nothing_built(
    film: Structure, substrate: Structure, max_atoms: int, sizes: list[int], failed: set[str]
) -> InputError | StructureError:
    if sizes and min(sizes) > max_atoms:
        return InputError(
            f"the smallest interface of {_label(film)} and {_label(substrate)} has {min(sizes)} atoms, more than"
            f" max_atoms {max_atoms}; raise the limit"
        )
    return StructureError(
        f"no interface of {_label(film)} and {_label(substrate)} passes its checks"
        f" ({', '.join(sorted(failed)) or 'none could be built'}); try other planes or a wider gap"
    )


def _film(film: Structure | str) -> tuple[Structure, tuple[float, float, float] | None]:
    """The film's cell, and the metal contents to decorate it with when it is a layered oxide given by name."""
    from cosinter.data.exceptions import UnknownNameError
    from cosinter.structures.crystals import crystal

    if not isinstance(film, str):
        return film.copy(), None
    try:
        formula = crystal(resolve(film)).formula
    except UnknownNameError:
        formula = film
    try:
        composition = read_formula(formula)
    except InputError:
        return _named(film), None
    contents = layered_contents(composition)
    if contents is None or abs(contents[3] - 1.0) > 1e-3:
        return _named(film), None
    nickel, cobalt, manganese, _ = contents
    return layered_parent(vegard_lattice(nickel, cobalt, manganese)), (nickel, cobalt, manganese)


def _named(structure: Structure | str) -> Structure:
    from cosinter.structures.named import build

    return build(structure) if isinstance(structure, str) else structure.copy()


def _label(structure: Structure) -> str:
    return str(structure.composition.element_composition.reduced_formula)


def _no_match(
    film: Structure,
    substrate: Structure,
    film_miller: Miller,
    substrate_miller: Miller,
    area: float,
    found: list[dict[str, Any]],
) -> str:
    pair = f"{_label(film)} {film_miller} and {_label(substrate)} {substrate_miller}"
    if not found:
        wide = lattice_matches(
            film.to_json(), substrate.to_json(), film_miller, substrate_miller, (1.5 * area, 0.15, 0.08)
        )
        found = wide
    if not found:
        return f"{pair} have no common cell up to {1.5 * area:g} Å² within 15 % of length; try other planes"
    best = min(found, key=lambda m: (round(m["strain"], 2), m["area"]))
    return (
        f"{pair} have no common cell within the limits; the nearest has {best['area']:.1f} Å² and"
        f" {best['strain']:.1f} % strain: widen max_area_A2, max_strain_percent and the tolerances to take it"
    )


def _models(
    match: dict[str, Any],
    context: tuple[Structure, Structure, Miller, Miller],
    gap: float,
    thickness: float | None,
    max_atoms: int,
) -> Iterator[InterfaceModel]:
    """Build and measure one model per termination of a match."""
    from pymatgen.core import Structure

    builder = match["builder"]
    every = builder.zsl_matches
    layers = thickness is None
    size: dict[str, Any] = {"in_layers": layers}
    size["film_thickness"] = size["substrate_thickness"] = 1 if layers else thickness
    for termination in builder.terminations:
        builder.zsl_matches = [match["match"]]
        try:
            with without_spglib_notice():
                built = list(builder.get_interfaces(termination, gap=gap, vacuum_over_film=gap, **size))
        except (ValueError, IndexError, ArithmeticError, np.linalg.LinAlgError):
            continue  # this pair of surfaces has another periodicity than the match
        finally:
            builder.zsl_matches = every
        for interface in built:
            plain = Structure.from_sites(list(interface))
            model = _measure(plain, interface.interface_properties, match["match"], context, termination)
            yield model
            if model.atoms > max_atoms:  # every termination of a match has as many
                return


def _measure(
    structure: Structure,
    reported: dict[str, Any],
    match: Any,
    context: tuple[Structure, Structure, Miller, Miller],
    termination: tuple[str, str],
) -> InterfaceModel:
    film, substrate, film_miller, substrate_miller = context
    film_vectors = np.asarray(match.film_sl_vectors, dtype=float)
    substrate_vectors = np.asarray(match.substrate_sl_vectors, dtype=float)
    cell = structure.lattice.matrix
    strain = 100.0 * von_mises(film_vectors, planar(cell[:2]))
    residual = max(
        float(np.max(np.abs(planar(cell[:2]) - planar(substrate_vectors)))),
        *(translation_residual(film, v) for v in film_vectors),
        *(translation_residual(substrate, v) for v in substrate_vectors),
    )
    tilt = max(
        angle(np.cross(*film_vectors), plane_normal(film, film_miller)),
        angle(np.cross(*substrate_vectors), plane_normal(substrate, substrate_miller)),
    )
    distances = structure.distance_matrix + 1e3 * np.eye(len(structure))
    return InterfaceModel(
        structure=structure,
        film=_label(film),
        substrate=_label(substrate),
        film_miller=film_miller,
        substrate_miller=substrate_miller,
        termination=(str(termination[0]), str(termination[1])),
        strain_percent=strain,
        strain_residual_percent=abs(strain - 100.0 * float(reported["von_mises_strain"])),
        area_A2=float(np.linalg.norm(np.cross(cell[0], cell[1]))),
        in_plane_residual_A=residual,
        normal_angle_deg=tilt,
        min_distance_A=float(distances.min()),
        composition_ok=_compositions_hold(structure, film, substrate),
        atoms=len(structure),
    )


def _part(structure: Structure, label: str) -> Composition:
    from pymatgen.core import Composition

    ions = [site.species for site in structure if site.properties["interface_label"] == label]
    return sum(ions, Composition({})).element_composition


def _compositions_hold(structure: Structure, film: Structure, substrate: Structure) -> bool:
    parts = [_part(structure, "film"), _part(structure, "substrate")]
    crystals = [film.composition.element_composition, substrate.composition.element_composition]
    same = all(
        p.num_atoms > 0 and p.fractional_composition.almost_equals(c.fractional_composition)
        for p, c in zip(parts, crystals, strict=True)
    )
    charge = sum(float(site.specie.oxi_state or 0.0) for site in structure)
    whole = sum(p.num_atoms for p in parts) == len(structure)
    return bool(same and whole and abs(charge) < 1e-6)


def _decorated(
    model: InterfaceModel, contents: tuple[float, float, float] | None, seed: int
) -> InterfaceModel:
    """Set the film's metals to the nearest whole numbers of Ni, Co, Mn, neutral, spread over the film."""
    from cosinter.structures.ordering import Sublattice, arrange

    if contents is None:
        return model
    sites = tuple(
        i
        for i, site in enumerate(model.structure)
        if site.properties["interface_label"] == "film" and site.specie.symbol == "Ni"
    )
    numbers = nearest_numbers(contents, len(sites))
    ions = arrange(model.structure, [Sublattice(sites, oxidation_counts(numbers, len(sites)))], seed=seed)
    structure = model.structure.copy()
    for index, ion in ions.items():
        structure.replace(index, ion, properties=dict(structure[index].properties))
    shares = "".join(f"{m}{n / len(sites):.3g}" for m, n in zip(METALS, numbers, strict=True) if n)
    return replace(model, structure=structure, film=f"Li{shares}O2")
