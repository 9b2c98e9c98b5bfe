"""Products as a reader wants them: the samples of one solution joined to one phase of mean composition.

Two compositions of a solution are one phase if G nowhere bulges above the chord between them: the mixture of both is
then no more stable than the solution at their mean. Where it does bulge (a miscibility gap) they stay two phases. A
stoichiometric phase of the library joins a solution whose end member it is, if both lie on one tangent plane.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase
from cosinter.analysis.thermochemistry.solution_models import Solution, SolutionSample, formula_of

#: A bulge or a mixture within this of the chord counts as flat, J per mole of atoms.
FLAT_J = 2.0
_SHOWN_DIGITS = 3
_INSIDE = np.asarray([0.25, 0.5, 0.75])


@dataclass(frozen=True, eq=False)
class _Cluster:
    """Some mole of a solution: amounts x of its end members per formula unit, and the phases it was joined from."""

    solution: Solution
    mol: float
    x: FloatArray
    phases: tuple[Phase, ...]

    def join(self, other: _Cluster) -> _Cluster:
        total = self.mol + other.mol
        mean = (self.mol * self.x + other.mol * other.x) / total
        return _Cluster(self.solution, total, mean, self.phases + other.phases)


def merge_products(products: Iterable[tuple[Phase, float]], temperature_K: float) -> list[dict[str, Any]]:
    """List products (phase, mol) as {"phase", "formula", "mol"}, samples of one solution joined.

    Condensed phases come first, largest first, then gases. A joined product is named after its solution ("rock
    salt", and "rock salt 2" beyond a miscibility gap); its formula is the mean composition to three digits, its
    amount counts formula units of the model. A single composition that was given a name, such as a reactant, keeps it.
    """
    listed = list(products)
    clusters, rest = _clusters(listed, temperature_K)
    shown: list[tuple[str, str, str, float]] = [(p.state, p.name, p.formula, mol) for p, mol in rest]
    for group in clusters.values():
        ordered = sorted(group, key=lambda cluster: tuple(-cluster.x))
        for number, cluster in enumerate(ordered, start=1):
            shown.append(_shown(cluster, number))
    shown.sort(key=lambda row: (row[0] == "g", -abs(row[3])))
    return [{"phase": name, "formula": formula, "mol": mol} for _, name, formula, mol in shown]


def _shown(cluster: _Cluster, number: int) -> tuple[str, str, str, float]:
    solution = cluster.solution
    counts = solution.composition(cluster.x[None, :])[0]
    atoms = float(counts.sum())
    only = cluster.phases[0]
    if len(cluster.phases) == 1 and not only.name.startswith(solution.name):
        return only.state, only.name, only.formula, cluster.mol * atoms / only.atoms
    formula = formula_of(dict(zip(solution.elements, counts.tolist(), strict=True)), digits=_SHOWN_DIGITS)
    name = solution.name if number == 1 else f"{solution.name} {number}"
    return solution.state, name, formula, cluster.mol


def _clusters(
    products: Sequence[tuple[Phase, float]], temperature_K: float
) -> tuple[dict[str, list[_Cluster]], list[tuple[Phase, float]]]:
    """Joined samples by solution, and the other products."""
    samples = [(p, mol) for p, mol in products if isinstance(p, SolutionSample) and mol > 0.0]
    models: dict[str, Solution] = {}
    for sample, _ in samples:
        known = models.get(sample.solution.name)
        if known is None or len(sample.solution.members) > len(known.members):
            models[sample.solution.name] = sample.solution
    clusters: dict[str, list[_Cluster]] = {name: [] for name in models}
    for sample, mol in samples:
        model = models[sample.solution.name]
        found = _Cluster(model, _units(sample, mol, model), _widened(sample, model), (sample,))
        _insert(clusters[model.name], found, temperature_K)
    rest: list[tuple[Phase, float]] = []
    for phase, mol in products:
        if isinstance(phase, SolutionSample) and mol > 0.0:
            continue
        if mol <= 0.0 or not _adopt(clusters, phase, mol, temperature_K):
            rest.append((phase, mol))
    return clusters, rest


def _widened(sample: SolutionSample, model: Solution) -> FloatArray:
    """Amounts of a sample in terms of the end members of ``model``."""
    amounts = {m.name: n for m, n in zip(sample.solution.members, sample.amounts, strict=True)}
    return np.asarray([amounts.get(member.name, 0.0) for member in model.members])


def _units(phase: Phase, mol: float, model: Solution) -> float:
    """Formula units of the model in ``mol`` of the phase."""
    x = _widened(phase, model) if isinstance(phase, SolutionSample) else _corner(phase, model)
    return mol * phase.atoms / float(model.composition(x[None, :]).sum())


def _corner(phase: Phase, model: Solution) -> FloatArray:
    return np.asarray([float(member.phase == phase.name) for member in model.members])


def _insert(group: list[_Cluster], new: _Cluster, temperature_K: float) -> None:
    """Join ``new`` with every cluster that is the same phase."""
    kept = []
    for old in group:
        if _same_phase(old, new, temperature_K):
            new = old.join(new)
        else:
            kept.append(old)
    group[:] = [*kept, new]


def _adopt(clusters: dict[str, list[_Cluster]], phase: Phase, mol: float, temperature_K: float) -> bool:
    """Join a stoichiometric phase with the solution it is an end member of; False if there is none."""
    best: tuple[float, list[_Cluster], int, _Cluster] | None = None
    for group in clusters.values():
        for i, cluster in enumerate(group):
            corner = _corner(phase, cluster.solution)
            if corner.sum() != 1.0:
                continue
            other = _Cluster(cluster.solution, _units(phase, mol, cluster.solution), corner, (phase,))
            off = abs(_mixing_energy(cluster, other, temperature_K))
            fits = off <= FLAT_J and _same_phase(cluster, other, temperature_K)
            if fits and (best is None or off < best[0]):
                best = off, group, i, other
    if best is None:
        return False
    _, group, i, other = best
    group[i] = group[i].join(other)
    return True


def _same_phase(first: _Cluster, second: _Cluster, temperature_K: float) -> bool:
    """True if G nowhere rises above the chord between two compositions by more than the tolerance."""
    solution = first.solution
    if solution.convex(temperature_K):
        return True
    x = np.outer(_INSIDE, second.x) + np.outer(1.0 - _INSIDE, first.x)
    ends = solution.gibbs(np.stack([first.x, second.x]), temperature_K)
    chord = _INSIDE * ends[1] + (1.0 - _INSIDE) * ends[0]
    atoms = solution.composition(x).sum(axis=1)
    return bool(np.all(solution.gibbs(x, temperature_K) - chord <= FLAT_J * atoms))


def _mixing_energy(first: _Cluster, second: _Cluster, temperature_K: float) -> float:
    """G of both joined minus G of both apart, J per mole of atoms."""
    solution, mean = first.solution, first.join(second)
    levels = solution.gibbs(np.stack([first.x, second.x, mean.x]), temperature_K)
    change = mean.mol * levels[2] - first.mol * levels[0] - second.mol * levels[1]
    return float(change / (mean.mol * solution.composition(mean.x[None, :]).sum()))
