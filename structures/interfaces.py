"""Search for coherent interfaces of two crystals: over planes, common cells and terminations.

Candidates are ordered by

    score = atoms / max_atoms + strain / max_strain + polar slabs,

strain being the largest of the von Mises and the principal strains: the first two terms run from 0 to 1 within the
limits, so that half the allowed strain weighs as much as half the allowed size. A slab of Tasker's type III whose
dipole no whole number of ions removes in the common cell (a "polar slab") weighs 1. Small is good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from cosinter.data.exceptions import CosinterError, InputError, StructureError
from cosinter.structures.cuts import cuts, oriented, repeats_for
from cosinter.structures.geometry import Miller, check_miller, without_spglib_notice
from cosinter.structures.hosts import Host, host
from cosinter.structures.interface_models import InterfaceModel, Recipe, Side, build_model, slab_of
from cosinter.structures.matching import cells_of, lattice_matches, nearest_match

if TYPE_CHECKING:
    from pymatgen.core import Structure

LAYERED_PLANES: tuple[Miller, ...] = ((0, 0, 1), (1, 0, 4), (0, 1, 2))
NASICON_PLANES: tuple[Miller, ...] = ((0, 1, 2), (0, 0, 1), (1, 0, 4), (1, 1, 0))
LARGEST_INDEX = 2
PLANES_TRIED = 5
NEAREST_AREA_FACTOR = 1.5


@dataclass(frozen=True)
class PlanePair:
    """What came of one pair of planes: how many common cells within the limits, or why there is no model."""

    film_miller: Miller
    substrate_miller: Miller
    matches: int
    models: int
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON types."""
        return {
            "miller": [list(self.film_miller), list(self.substrate_miller)],
            "matches": self.matches,
            "models": self.models,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class InterfaceSearch:
    """Models that pass all checks, best score first, and what came of every pair of planes tried."""

    models: tuple[InterfaceModel, ...]
    scores: tuple[float, ...]
    pairs: tuple[PlanePair, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON types: rows of models with their scores, and the pairs of planes."""
        rows = [
            {**model.to_dict(), "score": score} for model, score in zip(self.models, self.scores, strict=True)
        ]
        return {"models": rows, "pairs": [pair.to_dict() for pair in self.pairs]}


@dataclass(frozen=True)
class _Limits:
    atoms: int
    area: float
    strain: float
    gap: float
    thickness: float
    seed: int


def search_interfaces(
    film: Structure | str,
    substrate: Structure | str,
    *,
    film_miller: Miller | None = None,
    substrate_miller: Miller | None = None,
    max_atoms: int = 400,
    max_area_A2: float = 200.0,
    max_strain_percent: float = 5.0,
    gap_A: float = 2.0,
    thickness_A: float = 6.0,
    max_models: int = 10,
    max_terminations: int = 3,
    seed: int = 0,
) -> InterfaceSearch:
    """Search planes, common cells and terminations; every model returned passes :meth:`InterfaceModel.checks`.

    Parameters
    ----------
    film, substrate
        Structures with oxidation states, tabulated names, or layered oxides' formulas (see
        :func:`cosinter.structures.hosts.host`). The film carries the strain.
    film_miller, substrate_miller
        Planes. By default the low-index ones: (001), (104), (012) of layered oxides, (012), (001), (104), (110) of
        NASICON, else the five with the widest spacing of lattice planes (Bravais, Friedel, Donnay and Harker).
    max_atoms, max_area_A2, max_strain_percent
        Limits of a model: ions, area of the common cell, strain (von Mises and principal).
    gap_A, thickness_A
        Distance between film and substrate on both sides, and least thickness of each (whole repeats).
    max_models, max_terminations
        How many models to return, and how many pairs of terminations of one common cell to build, those that
        are not polar, then those with the weakest bonds cut first.
    seed
        Decoration of mixed sites.

    Raises
    ------
    InputError
        No pair of planes has a common cell within the limits (the nearest is named).
    StructureError
        Common cells exist, but no model passes its checks.
    """
    limits = _Limits(max_atoms, max_area_A2, max_strain_percent, gap_A, thickness_A, seed)
    _check_limits(limits, max_models, max_terminations)
    pair = (host(film), host(substrate))
    planes = [
        [check_miller(given)] if given is not None else planes_of(base)
        for given, base in zip((film_miller, substrate_miller), pair, strict=True)
    ]
    both = [(a, b) for a in planes[0] for b in planes[1]]
    recipes = {millers: _recipes(pair, millers, limits) for millers in both}
    found = _built(recipes, limits, max_models, max_terminations)
    pairs = tuple(_account(pair, millers, recipes[millers], found, limits) for millers in both)
    if not found.models:
        raise _nothing(pair, pairs, recipes, found, limits)
    return InterfaceSearch(
        tuple(model for _, model in found.models), tuple(round(score, 4) for score, _ in found.models), pairs
    )


def coherent_interfaces(
    film: Structure | str,
    substrate: Structure | str,
    *,
    film_miller: Miller,
    substrate_miller: Miller,
    **options: Any,
) -> list[InterfaceModel]:
    """Build the interfaces of two given planes, best score first; options of :func:`search_interfaces`."""
    found = search_interfaces(
        film, substrate, film_miller=film_miller, substrate_miller=substrate_miller, **options
    )
    return list(found.models)


def planes_of(base: Host) -> list[Miller]:
    """List the planes of a host that are tried by default."""
    from pymatgen.core.surface import get_symmetrically_distinct_miller_indices

    if base.family in ("layered", "nasicon"):
        return list(LAYERED_PLANES if base.family == "layered" else NASICON_PLANES)
    plain = base.cell.copy()
    for name in list(plain.site_properties):
        plain.remove_site_property(name)
    with without_spglib_notice():
        found = get_symmetrically_distinct_miller_indices(plain, LARGEST_INDEX)
    listed = [check_miller((hkl[0], hkl[1], hkl[2])) for hkl in found]
    spacing = {hkl: float(oriented(base, hkl).cell.lattice.matrix[2, 2]) for hkl in listed}
    ranked = sorted(listed, key=lambda hkl: (-round(spacing[hkl], 6), sum(map(abs, hkl)), hkl))
    return ranked[:PLANES_TRIED]


def _check_limits(limits: _Limits, models: int, terminations: int) -> None:
    if limits.atoms < 1 or models < 1 or terminations < 1:
        raise InputError(
            f"max_atoms {limits.atoms}, max_models {models} and max_terminations {terminations} must be 1 or more"
        )
    for name, value, most in (
        ("max_area_A2", limits.area, 2000.0),
        ("max_strain_percent", limits.strain, 20.0),
        ("thickness_A", limits.thickness, 200.0),
    ):
        if not isfinite(value) or not 0.0 < value <= most:
            raise InputError(f"{name} is {value!r}, allowed is a number above 0 up to {most:g}")


def _plane(base: Host, miller: Miller) -> Any:
    return oriented(base, miller).cell.lattice.matrix[:2, :2]


def _recipes(pair: tuple[Host, Host], millers: tuple[Miller, Miller], limits: _Limits) -> list[Recipe]:
    """Recipes of all common cells of two planes, with the slabs' numbers of repeats."""
    vectors = [_plane(base, miller) for base, miller in zip(pair, millers, strict=True)]
    found = lattice_matches(*vectors, max_area_A2=limits.area, max_strain_percent=limits.strain)
    recipes = []
    for match in found:
        sides = [
            Side(base, miller, repeats_for(base, miller, limits.thickness, cells=cells_of(rows)))
            for base, miller, rows in zip(pair, millers, (match.film, match.substrate), strict=True)
        ]
        recipes.append(Recipe(sides[0], sides[1], match, gap_A=limits.gap, seed=limits.seed))
    return recipes


@dataclass
class _Found:
    """Models built so far with their scores, and per pair of planes what the others failed."""

    models: list[tuple[float, InterfaceModel]]
    failed: dict[tuple[Miller, Miller], set[str]]


def _built(
    recipes: dict[tuple[Miller, Miller], list[Recipe]], limits: _Limits, most: int, terminations: int
) -> _Found:
    """Build candidates in the order of their score until there are enough."""
    found = _Found([], {})
    ranks: dict[tuple[str, Miller, int, int], list[tuple[bool, float, float]]] = {}
    candidates: list[tuple[float, int, Recipe]] = []
    for recipe in (r for listed in recipes.values() for r in listed if r.atoms <= limits.atoms):
        for variant, polar in _ordered(recipe, ranks)[:terminations]:
            score = recipe.atoms / limits.atoms + recipe.match.largest_percent / limits.strain + polar
            candidates.append((score, len(candidates), variant))
    for score, _, recipe in sorted(candidates, key=lambda item: item[:2]):
        if len(found.models) >= most:
            break
        _try(recipe, score, limits, found)
    return found


def _try(recipe: Recipe, score: float, limits: _Limits, found: _Found) -> None:
    problems = found.failed.setdefault((recipe.film.miller, recipe.substrate.miller), set())
    try:
        model = build_model(recipe)
    except CosinterError as error:
        problems.add(str(error))
        return
    bad = [name for name, passed in model.checks().items() if not passed]
    if model.atoms > limits.atoms:
        bad.append(f"{model.atoms} atoms")
    if bad:
        problems.add(", ".join(bad))
    else:
        found.models.append((score, model))


def terminations_of(recipe: Recipe) -> list[Recipe]:
    """List the recipe with every pair of terminations: fewest polar slabs first, then the weakest bonds cut."""
    return [variant for variant, _ in _ordered(recipe, {})]


def _ordered(
    recipe: Recipe, ranks: dict[tuple[str, Miller, int, int], list[tuple[bool, float, float]]]
) -> list[tuple[Recipe, int]]:
    """Variants of a recipe with their numbers of polar slabs; ``ranks`` remembers what a slab's cuts are like."""
    listed = []
    for side, rows in ((recipe.film, recipe.match.film), (recipe.substrate, recipe.match.substrate)):
        key = (side.host.label, side.miller, side.layers, cells_of(rows))
        if key not in ranks:
            ranks[key] = _ranked(side, rows)
        listed.append(ranks[key])
    both = sorted(
        (a[0] + b[0], round(a[1] + b[1], 6), a[2] + b[2], i, j)
        for i, a in enumerate(listed[0])
        for j, b in enumerate(listed[1])
    )
    return [
        (replace(recipe, film=replace(recipe.film, cut=i), substrate=replace(recipe.substrate, cut=j)), polar)
        for polar, _, _, i, j in both
    ]


def _ranked(side: Side, rows: Any) -> list[tuple[bool, float, float]]:
    """Ranks of all terminations of one slab in the common cell."""
    number = len(cuts(side.host, side.miller, side.layers))
    return [slab_of(replace(side, cut=k), rows).rank for k in range(number)]


def _account(
    pair: tuple[Host, Host],
    millers: tuple[Miller, Miller],
    recipes: Sequence[Recipe],
    found: _Found,
    limits: _Limits,
) -> PlanePair:
    """Say what came of a pair of planes."""
    models = sum((m.film_miller, m.substrate_miller) == millers for _, m in found.models)
    if models:
        return PlanePair(*millers, len(recipes), models, "")
    if not recipes:
        return PlanePair(*millers, 0, 0, _nearest_text(pair, millers, limits))
    smallest = min(recipe.atoms for recipe in recipes)
    if smallest > limits.atoms:
        reason = f"the smallest interface has about {smallest} atoms, more than max_atoms {limits.atoms}"
    elif millers in found.failed:
        reason = "no model passed: " + "; ".join(sorted(found.failed[millers]))
    else:
        reason = "other planes have better scores"
    return PlanePair(*millers, len(recipes), 0, reason)


def _nearest_text(pair: tuple[Host, Host], millers: tuple[Miller, Miller], limits: _Limits) -> str:
    area = NEAREST_AREA_FACTOR * limits.area
    best = nearest_match(*(_plane(b, m) for b, m in zip(pair, millers, strict=True)), max_area_A2=area)
    if best is None:
        return f"no common cell up to {area:g} Å² within 30 % strain"
    return f"no common cell within the limits; the nearest has {best.area_A2:.1f} Å² and {best.largest_percent:.1f} % strain"


def _nothing(
    pair: tuple[Host, Host],
    pairs: Sequence[PlanePair],
    recipes: dict[tuple[Miller, Miller], list[Recipe]],
    found: _Found,
    limits: _Limits,
) -> InputError | StructureError:
    """One sentence for a search without result: nearest match, too many atoms, or failed checks."""
    names = f"{pair[0].label} and {pair[1].label}"
    sizes = [recipe.atoms for listed in recipes.values() for recipe in listed]
    if not sizes:
        nearest = min(pairs, key=lambda p: _strain_of(pair, p, limits))
        return InputError(
            f"{names} have {nearest.reason} ({nearest.film_miller} on {nearest.substrate_miller}): widen max_area_A2 or"
            " max_strain_percent to take it"
        )
    if min(sizes) > limits.atoms:
        return InputError(
            f"the smallest interface of {names} has about {min(sizes)} atoms, more than max_atoms {limits.atoms}; raise"
            " the limit or lower thickness_A"
        )
    reasons = sorted({text for texts in found.failed.values() for text in texts})
    return StructureError(
        f"no interface of {names} passes its checks ({'; '.join(reasons)}); try another gap_A"
    )


def _strain_of(pair: tuple[Host, Host], planes: PlanePair, limits: _Limits) -> float:
    millers = (planes.film_miller, planes.substrate_miller)
    vectors = [_plane(b, m) for b, m in zip(pair, millers, strict=True)]
    best = nearest_match(*vectors, max_area_A2=NEAREST_AREA_FACTOR * limits.area)
    return best.largest_percent if best else float("inf")
