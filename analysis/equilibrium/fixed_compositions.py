"""Solutions as fixed compositions, for programs that share their columns between many conditions.

A lattice of at most :data:`SAMPLES` compositions each, and what refined lines at up to :data:`REFINED` of the
conditions need. At such a condition the free energy lies 0.01 meV/atom above the refined one on average and 0.06 at
most (NCM811 and LATP, 973 K), or 0.05 and 0.14 (NMC532 and LiAl5O8, 1100 K; with the lattice alone 5.5 and 8.3);
between them, over 25 to 1200 °C, at the strongest ratio up to 0.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cosinter.analysis.equilibrium.lp import LinearProblem
from cosinter.analysis.equilibrium.refine import refine_line
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.solution_models import Solution, SolutionSample

#: Compositions on the lattice of each solution.
SAMPLES = 100
#: Conditions at which the line is refined to find further compositions.
REFINED = 3
#: Compositions are apart if the amount of some end member differs by more than this.
APART = 0.02


def solution_samples(
    solutions: Sequence[Solution],
    problem: LinearProblem,
    ends: Sequence[FloatArray],
    temperatures_K: FloatArray,
    pressures_bar: Mapping[str, FloatArray],
) -> list[SolutionSample]:
    """Fixed compositions of ``solutions`` for a line between ``ends``: a lattice, and what the best estimate needs.

    The line is refined at up to :data:`REFINED` of the conditions, spread evenly. Its stable samples join the lattice
    unless one closer than :data:`APART` is there already: nearly equal columns only cost time.
    """
    known: dict[str, FloatArray] = {}
    refined, middle = None, float(np.median(temperatures_K))
    lanes = np.unique((np.arange(REFINED) + 0.5) * len(temperatures_K) // REFINED).astype(int)
    for lane in lanes:
        pressures = {gas: float(pressure[lane]) for gas, pressure in pressures_bar.items()}
        nominal = replace(
            problem,
            temperature_K=float(temperatures_K[lane]),
            pressures_bar=pressures,
            costs=problem.costs_at(temperatures_K[lane], pressures)[0],
        )
        refined = refine_line(nominal, solutions, ends[0], ends[1], start=refined)
        for name, x in refined.samples.items():
            known[name] = np.concatenate([known[name], x]) if name in known else x
    found: dict[str, SolutionSample] = {}
    for solution in solutions:
        kept = solution.available(problem.elements, problem.library)
        if len(kept) < 2:
            continue
        part = solution.part(kept)
        wanted = known.get(solution.name, np.zeros((0, len(solution.members))))[:, kept]
        for sample in part.phases(thinned(part.sample(SAMPLES), wanted)):
            # of one composition reached in several ways, the best
            other = found.get(sample.name, sample)
            found[sample.name] = min(sample, other, key=lambda phase: float(phase.gibbs(middle)))
    return [sample for name, sample in found.items() if name not in problem.library]


def thinned(lattice: FloatArray, wanted: FloatArray) -> FloatArray:
    """The ``lattice`` [n, members] and those of ``wanted`` that lie apart from it and from each other."""
    rows = list(lattice)
    for x in wanted:
        if not rows or float(np.abs(np.asarray(rows) - x).max(axis=1).min()) > APART:
            rows.append(x)
    return np.asarray(rows).reshape(-1, lattice.shape[1])


def with_samples(problem: LinearProblem, samples: Sequence[SolutionSample]) -> LinearProblem:
    """The program with one more column per sample."""
    counts = [[sample.composition.get(element, 0.0) for sample in samples] for element in problem.elements]
    return replace(
        problem,
        library=problem.library.with_phases(*samples),
        counts=np.concatenate([problem.counts, np.reshape(counts, (len(problem.elements), -1))], axis=1),
        costs=np.concatenate([problem.costs, [float(s.gibbs(problem.temperature_K)) for s in samples]]),
        is_open=np.concatenate([problem.is_open, np.zeros(len(samples), dtype=np.bool_)]),
    )
