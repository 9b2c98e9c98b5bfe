"""The swap annealing behind :mod:`cosinter.structures.ordering_search`: a parent's sites as arrays, many seeds at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosinter.structures.ordering import VACANCY, Sublattice
from cosinter.structures.quasirandom import Shells, neighbour_shells, quasi_random

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Method = Literal["annealed", "quasi-random"]

SWEEPS = 100
HIGHEST, LOWEST = 0.3, 3e-4
"""First and last temperature, as a share of the median energy change of a swap in a random arrangement."""

SAMPLES = 20_000
"""Swaps looked at for that median; enough for one vacancy among a thousand sites."""

FINGERPRINT_STEP_V = 1e-4


@dataclass(frozen=True)
class OrderingProblem:
    """Sites of a parent crystal and the ions to be put on them.

    ``cell`` holds every site, those that may stay empty included; the sites of no sublattice keep their ion.
    ``sublattices[alloy]`` is the one whose pair correlations are reported and made quasi-random. ``family``
    names the kind of arrangement; ``properties`` go to the structures.
    """

    cell: Structure
    sublattices: tuple[Sublattice, ...]
    alloy: int = 0
    family: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)


def charge_of(ion: str) -> float:
    """Formal charge of an ion such as "Ni2+" in e; 0 for a vacancy."""
    from pymatgen.core import Species

    return float(Species.from_str(ion).oxi_state or 0.0) if ion else 0.0


def element_of(ion: str) -> str:
    """Element of an ion such as "Ni2+"; a vacancy stays one."""
    from pymatgen.core import Species

    return str(Species.from_str(ion).symbol) if ion else VACANCY


@dataclass(frozen=True)
class Arrangement:
    """One arrangement: a label of ``OrderingModel.ions`` per site, its Ewald energy, and what it is known by."""

    labels: IntArray
    seed: int
    energy_eV: float
    fingerprint: str


@dataclass(frozen=True)
class OrderingModel:
    """A problem as arrays over the n sites of its sublattices, sublattice after sublattice.

    ``start`` and ``size`` give each site's sublattice as a range, ``pool`` the labels to be spread (an index into
    ``ions``), ``couplings`` V among the sites, ``outer`` the potential of the other sites, ``rest_eV`` their energy.
    """

    problem: OrderingProblem
    sites: tuple[int, ...]
    ions: tuple[str, ...]
    charges: FloatArray
    elements: IntArray
    pool: IntArray
    start: IntArray
    size: IntArray
    couplings: FloatArray
    outer: FloatArray
    rest_eV: float
    alloy: slice
    shells: Shells | None

    @classmethod
    def of(cls, problem: OrderingProblem, potential: FloatArray, shells: int) -> OrderingModel:
        """Read the arrays out of a problem; ``potential`` is the Ewald matrix of all sites of its cell."""
        subs = problem.sublattices
        sites = tuple(i for sub in subs for i in sub.sites)
        ions = tuple(sorted({ion for sub in subs for ion in sub.counts}))
        symbols = [element_of(ion) for ion in ions]
        pool = [ions.index(ion) for sub in subs for ion, n in sorted(sub.counts.items()) for _ in range(n)]
        sizes = [len(sub.sites) for sub in subs]
        starts = np.cumsum([0, *sizes])
        fixed = np.array(
            [0.0 if i in {*sites} else charge_of(s.species_string) for i, s in enumerate(problem.cell)]
        )
        alloy = slice(int(starts[problem.alloy]), int(starts[problem.alloy + 1]))
        mixed = len({symbols[k] for k in pool[alloy]}) > 1
        return cls(
            problem=problem,
            sites=sites,
            ions=ions,
            charges=np.array([charge_of(ion) for ion in ions]),
            elements=np.array([sorted({*symbols}).index(s) for s in symbols]),
            pool=np.array(pool),
            start=np.repeat(starts[:-1], sizes),
            size=np.repeat(sizes, sizes),
            couplings=potential[np.ix_(sites, sites)],
            outer=potential[list(sites)] @ fixed,
            rest_eV=float(fixed @ potential @ fixed) / 2.0,
            alloy=alloy,
            shells=neighbour_shells(problem.cell, sites[alloy], shells=shells) if mixed else None,
        )

    def arrangements(self, count: int, batch: int, seed: int, method: Method) -> Iterator[Arrangement]:
        """Yield the arrangements of ``count`` seeds from ``seed`` on, ``batch`` at a time."""
        for first in range(seed, seed + count, batch):
            seeds = range(first, min(first + batch, seed + count))
            labels = self._spread(seeds)
            kinds = np.broadcast_to(self.start, labels.shape)
            if method == "quasi-random" and self.shells is not None:
                labels = self._quasi_random(labels, seeds)
                kinds = kinds.copy()
                kinds[:, self.alloy] = -1 - self.elements[labels[:, self.alloy]]
            labels = self._annealed(labels, kinds, seeds)
            for row, number, value in zip(labels, seeds, self._energies(labels), strict=True):
                yield Arrangement(row, number, float(value), self.fingerprint(row))

    def _spread(self, seeds: Sequence[int]) -> IntArray:
        """Random labels, shape (seeds, n)."""
        rows = []
        for seed in seeds:
            rng = np.random.default_rng((seed, 0))
            keys = rng.random(len(self.pool))
            rows.append(self.pool[np.lexsort((keys, self.start))])
        return np.array(rows)

    def _quasi_random(self, labels: IntArray, seeds: Sequence[int]) -> IntArray:
        """Give the alloy sublattice quasi-random elements; ions of one element are taken in random order."""
        assert self.shells is not None
        result, part = labels.copy(), labels[:, self.alloy]
        present, compact = np.unique(self.elements[part], return_inverse=True)
        wanted = quasi_random(self.shells, compact.reshape(part.shape), seeds=seeds)
        for row, elements in zip(range(len(labels)), present[wanted], strict=True):
            for element in present:
                ions = part[row][self.elements[part[row]] == element]
                result[row, self.alloy.start + np.flatnonzero(elements == element)] = ions
        return result

    def _energies(self, labels: IntArray) -> FloatArray:
        """Ewald energy of the whole cell, eV, shape (rows,)."""
        q = self.charges[labels]
        return np.asarray(0.5 * np.einsum("bi,bi->b", q @ self.couplings, q) + q @ self.outer + self.rest_eV)

    def fingerprint(self, labels: IntArray) -> str:
        """Hash the sorted list of (ion, potential of the fixed sites there, potentials of each kind of ion there)."""
        occupied = np.eye(len(self.ions))[labels]
        felt = np.column_stack([self.outer, self.couplings @ occupied])
        steps = np.round(felt / FINGERPRINT_STEP_V).astype(np.int64)
        rows = sorted((self.ions[label], *map(int, step)) for label, step in zip(labels, steps, strict=True))
        return sha256(repr(rows).encode()).hexdigest()[:16]

    def _annealed(self, labels: IntArray, kinds: IntArray, seeds: Sequence[int]) -> IntArray:
        """Anneal the energy by swaps of sites of one kind, all rows at once; shapes (rows, n)."""
        q, labels = self.charges[labels], labels.copy()
        moving = np.flatnonzero([np.ptp(self.charges[self.pool[a : a + n]]) > 0.0 for a, n in self._ranges()])
        if not len(moving):
            return labels
        steps = SWEEPS * len(moving)
        first, second, chances = self._proposals(moving, steps, seeds)
        field = q @ self.couplings + self.outer
        row = np.arange(len(labels))
        for step, temperature in enumerate(self._scale(moving) * np.geomspace(HIGHEST, LOWEST, steps)):
            i, j = first[:, step], second[:, step]
            d = q[row, j] - q[row, i]
            change = d * (field[row, i] - field[row, j]) + 0.5 * d * d * self._stiffness(i, j)
            chance = np.exp(np.minimum(-change / temperature, 0.0))
            allowed = (d != 0.0) & (kinds[row, i] == kinds[row, j])
            taken = np.flatnonzero(allowed & (chances[:, step] < chance))
            if len(taken):
                i, j = i[taken], j[taken]
                field[taken] += d[taken, None] * (self.couplings[i] - self.couplings[j])
                for array in (q, labels):
                    array[taken, i], array[taken, j] = array[taken, j], array[taken, i]
        return labels

    def _stiffness(self, i: IntArray, j: IntArray) -> FloatArray:
        """V_ii + V_jj - 2 V_ij: moving the charge d from j to i changes E by d (φ_i - φ_j) + ½ d² of this."""
        own = np.diag(self.couplings)
        return np.asarray(own[i] + own[j] - 2.0 * self.couplings[i, j])

    def _ranges(self) -> list[tuple[int, int]]:
        return [(int(a), int(n)) for a, n in zip(self.start, self.size, strict=True)]

    def _proposals(
        self, moving: IntArray, steps: int, seeds: Sequence[int]
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """Pairs of sites of one sublattice and a random number for each step, shapes (seeds, steps)."""
        draws = [np.random.default_rng((seed, 2)) for seed in seeds]
        i = np.stack([rng.choice(moving, size=steps) for rng in draws])
        u = np.stack([rng.random((2, steps)) for rng in draws])
        j = self.start[i] + (u[:, 0] * self.size[i]).astype(np.int64)
        return i, j, u[:, 1]

    def _scale(self, moving: IntArray) -> float:
        """Median size of the energy change of a swap in a random arrangement, eV."""
        i, j, _ = (a[0] for a in self._proposals(moving, SAMPLES, [0]))
        q = self.charges[self._spread([0])[0]]
        d, force = q[j] - q[i], self.couplings @ q + self.outer
        change = d * (force[i] - force[j]) + 0.5 * d * d * self._stiffness(i, j)
        return float(np.median(np.abs(change[d != 0.0])))
