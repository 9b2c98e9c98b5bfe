"""Ordered, neutral representatives of disordered crystals.

The arrangement is a seeded simulated annealing of the screened point-charge energy

    E = 1/2 Σ_ij q_i q_j erfc(r_ij/λ)/r_ij,   λ = 4 Å, r_ij < 10 Å, periodic images included,

with formal charges (a vacancy has none). It spreads unlike charges, costs milliseconds, and is the same for
the same seed. It finds a low-energy arrangement, not the ground state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import CompositionError, InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from cosinter.structures.crystals import CrystalRecord

FloatArray = NDArray[np.float64]

SCREENING_A = 4.0
CUTOFF_A = 10.0
MAX_ATOMS = 500
OCCUPANCY_TOLERANCE = 0.1
VACANCY = ""


@dataclass(frozen=True)
class Sublattice:
    """Sites that share ions: ``sites`` indices and how many of each ion (``VACANCY`` included) they hold."""

    sites: tuple[int, ...]
    counts: Mapping[str, int]


def pair_matrix(matrix: FloatArray, fractional: FloatArray) -> FloatArray:
    """Tabulate Σ_images erfc(r/λ)/r in 1/Å.

    Parameters
    ----------
    matrix
        Lattice vectors as rows, Å, shape (3, 3).
    fractional
        Fractional coordinates, shape (n, 3).

    Returns
    -------
    Symmetric array of shape (n, n); the diagonal holds a site's own images.
    """
    from scipy.special import erfc

    heights = np.abs(np.linalg.det(matrix)) * np.linalg.norm(np.linalg.inv(matrix), axis=0) ** -1
    heights /= np.abs(np.linalg.det(matrix))
    reach = [ceil(CUTOFF_A / h) for h in heights]
    delta = fractional[:, None, :] - fractional[None, :, :]
    delta -= np.round(delta)
    total = np.zeros(delta.shape[:2])
    for shift in product(*(range(-n, n + 1) for n in reach)):
        r = np.linalg.norm((delta + np.array(shift)) @ matrix, axis=-1)
        near = (r > 1e-3) & (r < CUTOFF_A)
        total[near] += erfc(r[near] / SCREENING_A) / r[near]
    return np.asarray((total + total.T) / 2.0)


def arrange(
    structure: Structure, sublattices: Sequence[Sublattice], *, seed: int = 0, sweeps: int = 60
) -> dict[int, str]:
    """Choose an ion for every site of ``sublattices`` by simulated annealing of E (module text).

    Swaps two ions within a sublattice; other sites of ``structure`` are left out, which is exact when they
    see every arrangement the same on average (anions of one kind).

    Returns
    -------
    Site index -> ion (``VACANCY`` for an empty site).
    """
    from pymatgen.core import Species

    rng = np.random.default_rng(seed)
    sites = [i for sub in sublattices for i in sub.sites]
    ions: list[str] = []
    for sub in sublattices:
        pool = [ion for ion, n in sorted(sub.counts.items()) for _ in range(n)]
        ions += [pool[i] for i in rng.permutation(len(pool))]
    charge_of = {ion: float(Species.from_str(ion).oxi_state or 0.0) if ion else 0.0 for ion in {*ions}}
    groups, start = [], 0
    for sub in sublattices:
        groups.append(np.arange(start, start + len(sub.sites)))
        start += len(sub.sites)
    charges = np.array([charge_of[ion] for ion in ions])
    couplings = pair_matrix(structure.lattice.matrix, structure.frac_coords[sites])
    order = _anneal(couplings, charges, groups, rng, sweeps)
    return {site: ions[k] for site, k in zip(sites, order, strict=True)}


def _anneal(
    couplings: FloatArray, charges: FloatArray, groups: Sequence[Any], rng: np.random.Generator, sweeps: int
) -> NDArray[np.int64]:
    """Anneal by swaps within groups; returns the permutation of ions over sites, shape (n,)."""
    order = np.arange(len(charges))
    q = charges.copy()
    mobile = [g for g in groups if np.ptp(q[g]) > 1e-9] if len(charges) else []
    if not mobile:
        return order
    field = couplings @ q
    scale = float(np.ptp(q)) ** 2 * float(np.max(couplings, initial=0.0, where=couplings < 1.0))
    weights = np.array([len(g) for g in mobile], dtype=float)
    for temperature in scale * np.geomspace(0.3, 1e-3, sweeps):
        for _ in range(int(weights.sum())):
            group = (
                mobile[rng.choice(len(mobile), p=weights / weights.sum())] if len(mobile) > 1 else mobile[0]
            )
            i, j = group[rng.integers(len(group), size=2)]
            d = q[j] - q[i]
            if d == 0.0:
                continue
            change = d * (field[i] - field[j]) + 0.5 * d * d * (
                couplings[i, i] + couplings[j, j] - 2.0 * couplings[i, j]
            )
            if change < 0.0 or rng.random() < np.exp(-change / temperature):
                field += d * (couplings[:, i] - couplings[:, j])
                q[i], q[j] = q[j], q[i]
                order[i], order[j] = order[j], order[i]
    return order


def decorate(structure: Structure, ions: Mapping[int, str]) -> Structure:
    """Copy ``structure`` with the ions of :func:`arrange` in place and empty sites removed."""
    from pymatgen.core import Structure

    species, coordinates = [], []
    for index, site in enumerate(structure):
        ion = ions.get(index, site.species_string if site.is_ordered else VACANCY)
        if ion:
            species.append(ion)
            coordinates.append(site.frac_coords)
    result = Structure(structure.lattice, species, coordinates, properties=dict(structure.properties))
    return result.get_sorted_structure(
        key=lambda s: (s.specie.Z if s.specie.symbol != "Li" else 0, s.specie.oxi_state)
    )


def ordered(
    crystal: CrystalRecord | Structure,
    *,
    seed: int = 0,
    supercell: tuple[int, int, int] | None = None,
) -> Structure:
    """Make an ordered neutral cell with the exact composition of a disordered crystal.

    Without ``supercell`` the smallest repeat of the primitive or the conventional cell is taken in which
    whole numbers of ions come within 0.1 of each orbit's occupancies; with it, that repeat of the
    conventional cell. An ordered crystal comes back as it is (repeated if asked). The deviation of the
    occupancies is kept in ``properties["largest_occupancy_error"]``.

    Raises
    ------
    CompositionError
        No whole numbers of ions give the composition and charge 0; names the smallest cell that fits.
    InputError
        The supercell is not three positive integers.
    """
    structure = _structure_of(crystal)
    if supercell is not None:
        check_supercell(supercell)
    if structure.is_ordered:
        return structure * supercell if supercell else structure
    choice = _first_fit(structure, [("conventional", supercell)] if supercell else _candidates(structure))
    if choice is None:
        smallest = _first_fit(structure, _candidates(structure)) if supercell else None
        hint = (
            f"the smallest that fits has {len(smallest[0])} sites (leave out supercell)"
            if smallest
            else (f"none with up to {MAX_ATOMS} sites fits")
        )
        raise CompositionError(
            f"{structure.composition.reduced_formula} cannot be ordered in supercell {supercell or 'of any shape'}"
            f" with charge 0 and its exact composition; {hint}"
        )
    cell, sublattices, error = choice
    result = decorate(cell, arrange(cell, sublattices, seed=seed))
    result.properties = {
        **structure.properties,
        "ordering_seed": seed,
        "largest_occupancy_error": round(error, 4),
    }
    return result


def _structure_of(crystal: CrystalRecord | Structure) -> Structure:
    from pymatgen.core import Structure

    structure = crystal if isinstance(crystal, Structure) else crystal.structure
    return structure.copy()


def check_supercell(supercell: Sequence[int]) -> None:
    """Refuse a supercell that is not three positive integers with an InputError."""
    if len(supercell) != 3 or any(int(n) != n or n < 1 for n in supercell):
        raise InputError(f"supercell {supercell!r} must be three integers of at least 1, e.g. (2, 2, 1)")


def _candidates(structure: Structure) -> list[tuple[str, tuple[int, int, int]]]:
    """Repeats of the primitive and conventional cells, by number of sites, then most compact."""
    primitive = len(structure.get_primitive_structure())
    found = []
    for base, sites in (("primitive", primitive), ("conventional", len(structure))):
        for repeat in product(range(1, 11), repeat=3):
            total = sites * repeat[0] * repeat[1] * repeat[2]
            if total <= MAX_ATOMS:
                found.append((total, max(repeat) / min(repeat), base, repeat))
    found.sort(key=lambda item: (item[0], item[1], item[2], item[3]))
    return [(base, (r[0], r[1], r[2])) for _, _, base, r in found]


def _first_fit(
    structure: Structure, candidates: Sequence[tuple[str, tuple[int, int, int] | None]]
) -> tuple[Structure, list[Sublattice], float] | None:
    bases = {"conventional": structure, "primitive": structure.get_primitive_structure()}
    tried: set[tuple[str, int]] = set()
    for base, repeat in candidates:
        assert repeat is not None
        size = repeat[0] * repeat[1] * repeat[2]
        if (base, size) in tried:  # whether whole numbers fit depends on the size only
            continue
        tried.add((base, size))
        cell = bases[base] * repeat
        fit = _whole_numbers(cell, bases[base].composition.element_composition.as_dict(), size)
        if fit is not None:
            return cell, *fit
    return None


def _orbits(cell: Structure) -> list[tuple[tuple[int, ...], dict[str, float]]]:
    """Group disordered sites by their occupancies; vacancies made explicit."""
    groups: dict[tuple[tuple[str, float], ...], list[int]] = {}
    for index, site in enumerate(cell):
        if site.is_ordered:
            continue
        parts = {str(ion): float(x) for ion, x in site.species.items()}
        empty = 1.0 - sum(parts.values())
        if empty > 1e-6:
            parts[VACANCY] = empty
        groups.setdefault(tuple(sorted((k, round(v, 9)) for k, v in parts.items())), []).append(index)
    return [(tuple(sites), dict(key)) for key, sites in groups.items()]


def _whole_numbers(
    cell: Structure, composition: Mapping[str, float], size: int
) -> tuple[list[Sublattice], float] | None:
    """Choose whole numbers of ions per orbit with charge 0 and the exact composition, nearest to the occupancies."""
    target = {el: n * size for el, n in composition.items()}
    if any(abs(n - round(n)) > 0.02 for n in target.values()):
        return None
    fixed: Counter[str] = Counter(site.species_string for site in cell if site.is_ordered)
    orbits = _orbits(cell)
    best: tuple[float, list[dict[str, int]]] | None = None
    for counts in product(*(list(_roundings(parts, len(sites))) for sites, parts in orbits)):
        if not _is_balanced(sum((Counter(c) for c in counts), fixed), target):
            continue
        error = max(
            abs(orbit[ion] / len(sites) - x)
            for orbit, (sites, parts) in zip(counts, orbits, strict=True)
            for ion, x in parts.items()
        )
        if best is None or error < best[0] - 1e-12:
            best = (error, list(counts))
    if best is None or best[0] > OCCUPANCY_TOLERANCE:
        return None
    return [Sublattice(s, c) for (s, _), c in zip(orbits, best[1], strict=True)], best[0]


def _is_balanced(ions: Mapping[str, int], target: Mapping[str, float]) -> bool:
    """Whether the ions have charge 0 and the target's amounts of the elements."""
    from pymatgen.core import Species

    charge = 0.0
    amounts: dict[str, int] = {}
    for ion, number in ions.items():
        if ion != VACANCY:
            species = Species.from_str(ion)
            charge += number * float(species.oxi_state or 0.0)
            amounts[species.symbol] = amounts.get(species.symbol, 0) + number
    return abs(charge) < 1e-6 and all(amounts.get(el, 0) == round(n) for el, n in target.items())


def _roundings(parts: Mapping[str, float], sites: int) -> Iterator[dict[str, int]]:
    """Yield the whole-number fillings of ``sites`` sites, each ion rounded up or down."""
    ions = sorted(parts)
    ranges = [range(floor(parts[i] * sites + 1e-6), ceil(parts[i] * sites - 1e-6) + 1) for i in ions]
    for counts in product(*ranges):
        if sum(counts) == sites:
            yield dict(zip(ions, counts, strict=True))
