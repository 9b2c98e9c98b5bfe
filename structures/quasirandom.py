"""Pair correlations of an alloy sublattice, and special quasi-random arrangements of it.

A special quasi-random structure has, in a small cell, the pair correlations of the random alloy in the
nearest shells (Zunger, Wei, Ferreira, Bernard 1990, doi:10.1103/PhysRevLett.65.353).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosinter.data.exceptions import InputError, StructureError

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SHELL_TOLERANCE_A = 0.01
"""Distances closer than this are one shell; in the crystals here the shells of one sublattice are 0.02 Å apart or more."""

LARGEST_CUTOFF_A = 40.0


@dataclass(frozen=True)
class Shells:
    """Neighbour shells of one sublattice.

    ``distances_A`` holds the radius of each shell, ``counts`` how many images of site j lie in the shell of
    site i, shape (shells, n, n).
    """

    distances_A: tuple[float, ...]
    counts: FloatArray


@dataclass(frozen=True)
class PairCorrelations:
    """Warren-Cowley parameters α_ab = 1 - p_ab/(x_a x_b) of each shell, 0 in the random alloy.

    ``warren_cowley`` maps "A-B" to one value per shell of ``distances_A``. ``error`` is the mean over shells of
    Σ_ab |p_ab - x_a x_b|, with p_ab the fraction of the shell's ordered pairs that are a-b: 0 for the random
    alloy, at most 2.
    """

    distances_A: tuple[float, ...]
    warren_cowley: Mapping[str, tuple[float, ...]]
    error: float


def neighbour_shells(structure: Structure, sites: Sequence[int], *, shells: int = 4) -> Shells:
    """Find the nearest ``shells`` shells among ``sites`` of a structure, periodic images included.

    Raises
    ------
    InputError
        Fewer than one shell asked.
    StructureError
        The sites do not have that many shells within 40 Å.
    """
    if shells < 1:
        raise InputError(f"shells = {shells} must be at least 1")
    from pymatgen.core import Structure

    part = Structure(structure.lattice, ["X"] * len(sites), structure.frac_coords[list(sites)])
    cutoff = 6.0
    while cutoff <= LARGEST_CUTOFF_A:
        centres, others, _, distances = part.get_neighbor_list(cutoff)
        order = np.argsort(distances)
        steps = np.diff(distances[order], prepend=-1.0) > SHELL_TOLERANCE_A
        number = np.cumsum(steps) - 1
        # the last shell found may be cut off by the sphere: one more is asked for than is used
        if len(number) and number[-1] >= shells:
            counts = np.zeros((shells, len(sites), len(sites)))
            kept = order[number < shells]
            np.add.at(counts, (number[number < shells], centres[kept], others[kept]), 1.0)
            radii = tuple(float(r) for r in distances[order][steps][:shells])
            return Shells(radii, counts)
        cutoff *= 1.3
    raise StructureError(
        f"the {len(sites)} sites have fewer than {shells} shells within {LARGEST_CUTOFF_A} Å"
    )


def pair_correlations(shells: Shells, elements: Sequence[str]) -> PairCorrelations:
    """Measure the pair correlations of an arrangement; ``elements`` names the atom of each site, shape (n,)."""
    names = sorted({*elements})
    labels = np.array([names.index(e) for e in elements])
    occupied = np.eye(len(names))[labels]
    content = occupied.mean(axis=0)
    random = np.outer(content, content)
    pairs = occupied.T @ shells.counts @ occupied / shells.counts.sum(axis=(1, 2))[:, None, None]
    alpha = 1.0 - pairs / random
    return PairCorrelations(
        distances_A=shells.distances_A,
        warren_cowley={
            f"{a}-{b}": tuple(float(x) for x in alpha[:, i, j])
            for i, a in enumerate(names)
            for j, b in enumerate(names)
            if i <= j
        },
        error=float(np.abs(pairs - random).sum(axis=(1, 2)).mean()),
    )


def quasi_random(shells: Shells, labels: IntArray, *, seeds: Sequence[int], sweeps: int = 100) -> IntArray:
    """Swap the atoms of many arrangements until their pair correlations approach the random alloy's.

    Simulated annealing by swaps of D = mean over shells of Σ_ab |p_ab - x_a x_b|, all arrangements at once;
    the best arrangement met is returned.

    Parameters
    ----------
    shells
        Neighbours of the n sites.
    labels
        Start: whole-number species of each site, the same composition in each row, shape (candidates, n).
    seeds
        One per row; a row depends on its own seed only.
    sweeps
        Swaps tried per site.

    Returns
    -------
    Arrangements, shape (candidates, n).
    """
    state = _Correlated.of(shells, labels)
    rows, n = state.labels.shape
    steps = sweeps * n
    draws = [np.random.default_rng((seed, 1)) for seed in seeds]
    sites = np.stack([rng.integers(n, size=(2, steps)) for rng in draws])
    chances = np.stack([rng.random(steps) for rng in draws])
    error = state.distance(state.pairs)
    best, lowest = state.labels.copy(), error.copy()
    start = float(state.distance(state.pairs).mean()) + 1e-12
    row = np.arange(rows)
    for step, temperature in enumerate(start * np.geomspace(0.1, 1e-4, steps)):
        i, j = sites[:, 0, step], sites[:, 1, step]
        pairs = state.swapped(row, i, j)
        trial = state.distance(pairs)
        chance = np.exp(np.minimum((error - trial) / temperature, 0.0))
        taken = np.flatnonzero((state.labels[row, i] != state.labels[row, j]) & (chances[:, step] < chance))
        if not len(taken):
            continue
        state.swap(taken, i[taken], j[taken], pairs[taken])
        error[taken] = trial[taken]
        better = taken[error[taken] < lowest[taken] - 1e-12]
        best[better], lowest[better] = state.labels[better], error[better]
    return best


@dataclass
class _Correlated:
    """Arrangements with their running pair counts.

    ``counts`` (shells, n, n); ``labels`` (rows, n); ``field`` (rows, shells, n, species) counts the neighbours of
    each species; ``pairs`` (rows, shells, species, species) counts ordered pairs.
    """

    counts: FloatArray
    labels: IntArray
    field: FloatArray
    pairs: FloatArray
    target: FloatArray

    @classmethod
    def of(cls, shells: Shells, labels: IntArray) -> _Correlated:
        occupied = np.eye(int(labels.max()) + 1)[labels]
        field = np.einsum("sij,bjk->bsik", shells.counts, occupied)
        content = occupied[0].mean(axis=0)
        total = shells.counts.sum(axis=(1, 2))
        return cls(
            shells.counts,
            labels.copy(),
            field,
            np.einsum("bik,bsil->bskl", occupied, field),
            total[:, None, None] * np.outer(content, content),
        )

    def distance(self, pairs: FloatArray) -> FloatArray:
        """D of each row."""
        total = self.target.sum(axis=(1, 2))
        return np.asarray((np.abs(pairs - self.target).sum(axis=(2, 3)) / total).mean(axis=1))

    def _change(self, row: IntArray, i: IntArray, j: IntArray) -> FloatArray:
        """What site i gains by the swap with j: +1 for the species of j, -1 for its own, shape (rows, species)."""
        unit = np.eye(self.target.shape[-1])
        return np.asarray(unit[self.labels[row, j]] - unit[self.labels[row, i]])

    def swapped(self, row: IntArray, i: IntArray, j: IntArray) -> FloatArray:
        """Pair counts after the swap of sites i and j in each row."""
        change = self._change(row, i, j)
        slope = self.field[row, :, i] - self.field[row, :, j]
        curve = (self.counts[:, i, i] + self.counts[:, j, j] - 2.0 * self.counts[:, i, j]).T
        cross = slope[:, :, :, None] * change[:, None, None, :]
        square = change[:, :, None] * change[:, None, :]
        return np.asarray(
            self.pairs[row] + cross + cross.swapaxes(2, 3) + curve[:, :, None, None] * square[:, None]
        )

    def swap(self, row: IntArray, i: IntArray, j: IntArray, pairs: FloatArray) -> None:
        """Carry out the swap of sites i and j in the given rows."""
        change = self._change(row, i, j)
        difference = (self.counts[:, i] - self.counts[:, j]).swapaxes(0, 1)
        self.field[row] += difference[:, :, :, None] * change[:, None, None, :]
        self.pairs[row] = pairs
        self.labels[row, i], self.labels[row, j] = self.labels[row, j], self.labels[row, i]
