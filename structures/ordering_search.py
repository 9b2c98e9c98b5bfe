"""Many ordered candidates of a disordered crystal, ranked by their periodic Coulomb energy.

A candidate is made by simulated annealing of the full Ewald energy with formal charges ("annealed"), or its
alloy sublattice is made quasi-random first and only the charges and the vacancies are annealed on it
("quasi-random"). The energy is that of point charges on the undistorted parent: it tells arrangements of
unlike charges apart, is blind to ions of equal charge (Ni3+ and Co3+), and knows neither relaxation nor the
Jahn-Teller effect. Where these decide, rank again with a calculator's ``energy``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cosinter.data.exceptions import CompositionError, EngineError, InputError, UnknownNameError
from cosinter.structures.ewald import ewald_matrix
from cosinter.structures.ordering import VACANCY, decorate
from cosinter.structures.ordering_model import (
    Arrangement,
    Method,
    OrderingModel,
    OrderingProblem,
    charge_of,
    element_of,
)
from cosinter.structures.quasirandom import PairCorrelations, pair_correlations

if TYPE_CHECKING:
    from pymatgen.core import Structure

METHODS: tuple[Method, ...] = ("annealed", "quasi-random")

BATCH = 128
"""Candidates annealed side by side; bounds the memory, changes no result."""

ATTEMPTS = 4
"""Seeds tried per candidate asked for, when arrangements repeat."""

SAME_ENERGY_eV = 1e-6


@dataclass(frozen=True)
class Candidate:
    """One ordered, neutral arrangement.

    ``electrostatic_energy_eV`` is the Ewald energy of the cell with formal charges; ``energy_eV`` what the
    calculator gave, or None; ``rank`` 1 is the lowest of the last of these. ``correlations`` are those of the
    alloy sublattice, None when it holds one element. Equal ``fingerprint`` means equal by a symmetry of the
    parent.
    """

    structure: Structure
    rank: int
    seed: int
    method: Method
    family: str
    electrostatic_energy_eV: float
    energy_eV: float | None
    correlations: PairCorrelations | None
    fingerprint: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; the structure as its formula and number of atoms."""
        correlations = self.correlations
        return {
            "rank": self.rank,
            "seed": self.seed,
            "method": self.method,
            "family": self.family,
            "formula": self.structure.composition.element_composition.formula,
            "atoms": len(self.structure),
            "electrostatic_energy_eV": self.electrostatic_energy_eV,
            "energy_eV": self.energy_eV,
            "sqs_error": correlations.error if correlations else None,
            "shell_distances_A": list(correlations.distances_A) if correlations else None,
            "warren_cowley": {k: list(v) for k, v in correlations.warren_cowley.items()}
            if correlations
            else None,
            "fingerprint": self.fingerprint,
        }


def rank_orderings(
    problems: OrderingProblem | Sequence[OrderingProblem],
    *,
    count: int = 100,
    seed: int = 0,
    method: Method = "annealed",
    shells: int = 4,
    keep: int | None = None,
    energy: Callable[[Structure], float] | None = None,
) -> tuple[Candidate, ...]:
    """Make up to ``count`` different arrangements of each problem and rank them by energy, lowest first.

    The electrostatic energy E = ½ Σ_ij q_i V_ij q_j, V of :func:`cosinter.structures.ewald.ewald_matrix`, ranks
    all; the ``keep`` lowest stay (all by default). With ``energy``, a function structure -> eV, those are
    evaluated and ranked again by it. Arrangements that a symmetry of the parent maps onto each other count
    once; fewer than ``count`` come back where fewer exist or are met in four times as many seeds. The same
    seed gives the same candidates. The lowest found need not be the ground state. For the best special
    quasi-random structure take the candidate with the smallest ``correlations.error``.

    Parameters
    ----------
    problems
        One problem (e.g. of ``layered_ordering`` or ``latp_ordering``), or several families of one composition
        on one parent cell, e.g. with and without staging.
    shells
        Shells of the alloy sublattice whose pair correlations count.

    Raises
    ------
    CompositionError
        The ions of a problem do not fill its sites or are not neutral.
    InputError
        No problems, problems of unlike parent or composition, a number below 1, or a seed below 0.
    UnknownNameError
        A method that does not exist.
    EngineError
        ``energy`` returned no finite number.
    """
    families = (problems,) if isinstance(problems, OrderingProblem) else tuple(problems)
    if seed < 0:
        raise InputError(f"seed {seed} must be at least 0")
    _check(families, count, keep, method)
    cell = families[0].cell
    potential = ewald_matrix(cell.lattice.matrix, cell.frac_coords)
    found: list[tuple[OrderingModel, Arrangement]] = []
    known: set[str] = set()
    for problem in families:
        model = OrderingModel.of(problem, potential, shells)
        enough = len(known) + count
        for arrangement in model.arrangements(ATTEMPTS * count, min(count, BATCH), seed, method):
            if arrangement.fingerprint not in known:
                known.add(arrangement.fingerprint)
                found.append((model, arrangement))
            if len(known) == enough:
                break
    found.sort(key=lambda pair: (round(pair[1].energy_eV / SAME_ENERGY_eV), pair[1].seed))
    candidates = [_candidate(*pair, rank, method) for rank, pair in enumerate(found[:keep], 1)]
    return tuple(candidates if energy is None else _ranked_by(energy, candidates))


def _check(families: Sequence[OrderingProblem], count: int, keep: int | None, method: str) -> None:
    if method not in METHODS:
        raise UnknownNameError("ordering method", method, METHODS)
    if count < 1 or (keep is not None and keep < 1):
        raise InputError(f"count {count} and keep {keep} must be at least 1")
    if not families:
        raise InputError("no ordering problem given; make one with layered_ordering or latp_ordering")
    for problem in families:
        _check_filling(problem)
        first = families[0]
        same = len(problem.cell) == len(first.cell) and np.allclose(
            np.vstack([problem.cell.lattice.matrix, problem.cell.frac_coords]),
            np.vstack([first.cell.lattice.matrix, first.cell.frac_coords]),
            atol=1e-8,
        )
        if not same or _elements(problem) != _elements(first):
            raise InputError(
                f"family '{problem.family}' ({_elements(problem)}) has another parent cell or composition than"
                f" '{first.family}' ({_elements(first)}), so their energies cannot be ranked together"
            )


def _ions(problem: OrderingProblem) -> dict[str, int]:
    """Ions of the whole cell with their numbers."""
    moving = {i for sub in problem.sublattices for i in sub.sites}
    total: dict[str, int] = {}
    for i, site in enumerate(problem.cell):
        if i not in moving:
            total[site.species_string] = total.get(site.species_string, 0) + 1
    for sub in problem.sublattices:
        for ion, n in sub.counts.items():
            total[ion] = total.get(ion, 0) + n
    total.pop(VACANCY, None)
    return {ion: n for ion, n in total.items() if n}


def _elements(problem: OrderingProblem) -> dict[str, int]:
    from pymatgen.core import Species

    total: dict[str, int] = {}
    for ion, n in _ions(problem).items():
        symbol = Species.from_str(ion).symbol
        total[symbol] = total.get(symbol, 0) + n
    return dict(sorted(total.items()))


def _check_filling(problem: OrderingProblem) -> None:
    for sub in problem.sublattices:
        if sum(sub.counts.values()) != len(sub.sites) or min(sub.counts.values()) < 0:
            raise CompositionError(
                f"{dict(sub.counts)} do not fill the {len(sub.sites)} sites of their sublattice; vacancies count as ''"
            )
    charge = sum(n * charge_of(ion) for ion, n in _ions(problem).items())
    if abs(charge) > 1e-6:
        raise CompositionError(f"the ions {_ions(problem)} have the charge {charge:+g}, it must be 0")


def _ranked_by(energy: Callable[[Structure], float], candidates: Sequence[Candidate]) -> list[Candidate]:
    measured = []
    for candidate in candidates:
        copy = candidate.structure.copy()
        copy.properties = dict(copy.properties)  # pymatgen's copy shares them
        value = float(energy(copy))
        if not np.isfinite(value):
            raise EngineError(
                f"the energy function gave {value} for the candidate of seed {candidate.seed}"
                f" ({candidate.structure.composition.reduced_formula}); it must be a finite number in eV"
            )
        measured.append(replace(candidate, energy_eV=value))
    measured.sort(key=lambda c: (c.energy_eV, c.rank))
    return [replace(candidate, rank=rank) for rank, candidate in enumerate(measured, 1)]


def _candidate(model: OrderingModel, arrangement: Arrangement, rank: int, method: Method) -> Candidate:
    problem = model.problem
    ions = [model.ions[label] for label in arrangement.labels]
    structure = decorate(problem.cell, dict(zip(model.sites, ions, strict=True)))
    structure.properties = {
        **problem.properties,
        "ordering_seed": arrangement.seed,
        "ordering_method": method,
        "ordering_family": problem.family,
    }
    correlations = None
    if model.shells is not None:
        correlations = pair_correlations(model.shells, [element_of(ion) for ion in ions[model.alloy]])
    return Candidate(
        structure=structure,
        rank=rank,
        seed=arrangement.seed,
        method=method,
        family=problem.family,
        electrostatic_energy_eV=arrangement.energy_eV,
        energy_eV=None,
        correlations=correlations,
        fingerprint=arrangement.fingerprint,
    )
