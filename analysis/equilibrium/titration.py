"""Titration of a solid with Li2O: which products form, how much Li2O each step takes, at which potential.

For solid + n Li2O the free energy of equilibrium g(n) is convex and piecewise linear in n, so

    mu_Li2O = dg/dn - G_Li2O(s)          J/mol Li2O

is a staircase that rises from step to step up to saturation, where further Li2O stays Li2O (or becomes Li2CO3 or
LiOH, if CO2 or H2O are open). Negative n is Li2O given off, down to what the phases in use can spare. The whole
staircase is one mixing line: t (solid - n0 Li2O) + (1 - t) Li2O holds n = (1 - t) / t - n0 per solid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.constants import R

from cosinter.analysis.equilibrium.line import MixingLine, make_line
from cosinter.analysis.equilibrium.lp import LinearProblem
from cosinter.analysis.equilibrium.simplex import minimise
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, reaction_uncertainty


@dataclass(frozen=True, eq=False)
class TitrationStep:
    """One plateau.

    Attributes
    ----------
    li2o_from, li2o_to : mol Li2O per mol solid; negative where it is given off
    mu_J_per_mol : potential of Li2O on the plateau relative to Li2O(s)
    uncertainty_J_per_mol : uncertainties of the phases through the reaction of the step, what they share cancelling,
        per mol Li2O
    products_from, products_to : {phase: mol per mol solid} at both ends; open gases released +, taken up -
    """

    li2o_from: float
    li2o_to: float
    mu_J_per_mol: float
    uncertainty_J_per_mol: float
    products_from: Mapping[str, float]
    products_to: Mapping[str, float]

    def reaction(self) -> dict[str, float]:
        """Change of every phase per mol Li2O taken up (Li2O itself left out)."""
        names = [*self.products_from, *(n for n in self.products_to if n not in self.products_from)]
        taken = self.li2o_to - self.li2o_from
        change = {n: (self.products_to.get(n, 0.0) - self.products_from.get(n, 0.0)) / taken for n in names}
        return {name: amount for name, amount in change.items() if abs(amount) > 1e-9}


@dataclass(frozen=True, eq=False)
class TitrationCurve:
    """The staircase of one solid at one temperature and atmosphere.

    Attributes
    ----------
    solid : what was titrated
    steps : plateaus in the order of the titration, potential ascending
    saturation_mu_J_per_mol : potential beyond the last step (0 where Li2O(s) itself is left over)
    temperature_K, pressures_bar : conditions
    warnings : phases used outside the range of their data
    """

    solid: Phase
    steps: tuple[TitrationStep, ...]
    saturation_mu_J_per_mol: float
    temperature_K: float
    pressures_bar: Mapping[str, float]
    warnings: tuple[str, ...]
    library: PhaseLibrary

    @property
    def capacity(self) -> float:
        """Li2O that the solid can take, mol per mol solid."""
        return self.steps[-1].li2o_to if self.steps else 0.0

    def saturated(self) -> TitrationCurve:
        """The staircase of a solid that takes up no Li2O: one step on which Li2O(s) gathers beside it, unchanged."""
        lithia = self.library.stable("Li2O", temperature_K=self.temperature_K)
        alone = {self.solid.name: 1.0}
        step = TitrationStep(0.0, 1.0, 0.0, 0.0, alone, {**alone, lithia.name: 1.0})
        return replace(self, steps=(step,), saturation_mu_J_per_mol=0.0)

    def plateau_mu(self, temperatures_K: ArrayLike) -> FloatArray:
        """Potential of the same steps at other temperatures and the same pressures, J/mol Li2O, [nT, steps].

        The products of each step are kept, also where another step would be stable at that temperature; the
        staircase may then not ascend.
        """
        temperature = np.atleast_1d(np.asarray(temperatures_K, dtype=np.float64))
        lithia = self.library.stable("Li2O", temperature_K=self.temperature_K).gibbs(temperature)
        phases = {phase.name: phase for phase in self.library.phases}
        gases = {self.library.gas(gas).name: p for gas, p in self.pressures_bar.items()}
        columns = []
        for step in self.steps:
            total = -lithia
            for name, amount in step.reaction().items():
                pressure = R * temperature * np.log(gases.get(name, 1.0))
                total = total + amount * (phases[name].gibbs(temperature) + pressure)
            columns.append(total)
        return np.stack(columns, axis=-1) if columns else np.zeros((temperature.size, 0))

    def to_dict(self) -> dict[str, Any]:
        """Give the staircase in kJ/mol Li2O and mol per mol solid."""
        return {
            "solid": self.solid.formula,
            "temperature_K": self.temperature_K,
            "atmosphere": dict(self.pressures_bar),
            "saturation_mu_kJ_per_mol": self.saturation_mu_J_per_mol * 1e-3,
            "warnings": list(self.warnings),
            "steps": [
                {
                    "li2o_from": step.li2o_from,
                    "li2o_to": step.li2o_to,
                    "mu_kJ_per_mol": step.mu_J_per_mol * 1e-3,
                    "uncertainty_kJ_per_mol": step.uncertainty_J_per_mol * 1e-3,
                    "products_from": dict(step.products_from),
                    "products_to": dict(step.products_to),
                }
                for step in self.steps
            ],
        }


def _spare(problem: LinearProblem, solid: FloatArray, lithia: FloatArray) -> float:
    """Largest amount of Li2O that can be taken from one mole of solid, mol: itself a linear program."""
    counts = np.column_stack([problem.counts, lithia])
    costs = np.append(np.zeros(len(problem.costs)), -1.0)
    free = np.append(problem.is_open, False)
    return float(-minimise(counts, costs, solid, free=free).value[0])


def _steps(line: MixingLine, spare: float) -> tuple[list[TitrationStep], FloatArray]:
    """Plateaus in the order of the titration, and the amounts at their ends, shape [points, phases]."""
    problem = line.problem
    solid, lithia = line.vectors
    poor = np.where(np.abs(rest := solid - spare * lithia) > 1e-9, rest, 0.0)
    path = problem.paths(lithia, poor)[0]
    inside = np.flatnonzero(path.positions > 0.0)[::-1]
    shares = path.positions[inside]
    uptake = (1.0 - shares) / shares - spare
    uptake[np.abs(uptake) < 1e-12] = 0.0
    amounts = path.dense(len(problem.costs))[inside] / shares[:, None]
    phases = problem.library.phases
    products = [MappingProxyType(problem.named(n)) for n in amounts]
    steps = []
    for i, (low, high) in enumerate(pairwise(uptake.tolist())):
        change = (amounts[i + 1] - amounts[i]) / (high - low)
        parts = [(float(change[j]), phases[j]) for j in np.flatnonzero(np.abs(change) > 1e-12)]
        potentials = path.duals[inside[i] - 1]
        steps.append(
            TitrationStep(
                li2o_from=low,
                li2o_to=high,
                mu_J_per_mol=float(potentials @ lithia) - line.gibbs[1],
                uncertainty_J_per_mol=reaction_uncertainty(
                    [*parts, (-1.0, line.second)], problem.temperature_K
                ),
                products_from=products[i],
                products_to=products[i + 1],
            )
        )
    return steps, amounts


def titration_curve(
    solid: str | Phase,
    *,
    library: PhaseLibrary,
    temperature_K: float,
    pressures_bar: Mapping[str, float],
    exclude: Iterable[str] = (),
    release: bool = False,
) -> TitrationCurve:
    """Titrate ``solid`` with Li2O at fixed temperature and open gases.

    Parameters
    ----------
    solid : formula, phase name, alias or Phase, for example ``latp``
    temperature_K, pressures_bar, exclude : see
        :func:`cosinter.analysis.equilibrium.interface.interface_reaction`
    release : start where the solid has given off all the Li2O it can, not at the solid itself

    Raises
    ------
    InputError, UnknownNameError, CompositionError, ConvergenceError
        See :func:`cosinter.analysis.equilibrium.interface.interface_reaction`.
    """
    line = make_line(
        solid,
        "Li2O",
        library=library,
        temperature_K=temperature_K,
        pressures_bar=pressures_bar,
        exclude=exclude,
    )
    problem = line.problem
    steps, amounts = _steps(line, _spare(problem, *line.vectors) if release else 0.0)
    saturated = float(problem.minima(line.vectors[1]).value[0])
    return TitrationCurve(
        solid=line.first,
        steps=tuple(steps),
        saturation_mu_J_per_mol=saturated - line.gibbs[1],
        temperature_K=float(temperature_K),
        pressures_bar=problem.pressures_bar,
        warnings=problem.warnings(np.max(np.abs(amounts), axis=0) > 1e-9),
        library=problem.library,
    )
