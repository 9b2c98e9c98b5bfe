"""Potential diagrams: what a solid is, at which chemical potentials (predominance or Kellogg diagrams).

Two species - elements, oxides such as Li2O, or gases - stand at given potentials mu_1, mu_2 and may be taken up or
given off freely; further gases are open at fixed pressures; everything else stays as in the solid. Then

    F(mu_1, mu_2) = min sum_j G_j n_j - mu_1 n_1 - mu_2 n_2

over all phases and the amounts taken up is concave and piecewise linear: each cell is one assemblage, and its slopes
are the amounts of the two species in it. With one element left over (Co under mu_Li and mu_O) the cells are the single
phases of a chemical potential diagram; with several left over (Ti and P of an electrolyte) they are assemblages, which
a hull of entries does not give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.constants import R

from cosinter.analysis.equilibrium.components import (
    Component,
    atom_matrix,
    check_independent,
    combination,
    find_component,
    reference_gibbs,
)
from cosinter.analysis.equilibrium.envelope import Envelope, Polytope, upper_envelope
from cosinter.analysis.equilibrium.lp import AMOUNT_TOLERANCE, LinearProblem, make_problem
from cosinter.analysis.equilibrium.simplex import UnboundedError, minimise
from cosinter.analysis.thermochemistry.formulas import parse_formula, proportionality
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary
from cosinter.data.exceptions import InputError

#: Planes that rise less than this are one field, J per mole of solid.
RESOLUTION_J = 1e-3
#: Lowest potential shown where nothing else is asked for, J/mol of species.
DEEPEST_J = -400e3


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis: potentials in J/mol of ``species`` relative to its stable pure form (gas at 1 bar).

    ``gas`` is the formula of the gas that the species stands for (O2 for O), None for a species with a condensed form,
    and ``molecules`` the moles of that gas per mole of species.
    """

    species: str
    reference_J: float
    low_J: float
    high_J: float
    gas: str | None = None
    molecules: float = 0.0

    def log10_pressure(self, mu: FloatArray, temperature_K: float) -> FloatArray:
        """log10 of the pressure in bar at which :attr:`gas` gives the species the relative potential ``mu``."""
        return np.asarray(mu / (self.molecules * R * temperature_K * np.log(10.0)), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Field:
    """A cell: one assemblage.

    Attributes
    ----------
    corners : potentials of the two species at the corners, in order around it, J/mol relative, shape [n, 2]
    phases : {phase: mol per mol of the solid} without open gases
    taken_up : mol of the two species per mol of the solid as given, shape [2]
    """

    corners: FloatArray
    phases: Mapping[str, float]
    taken_up: FloatArray


@dataclass(frozen=True, eq=False)
class PotentialDiagram:
    """All fields at one temperature.

    Attributes
    ----------
    solid : composition that keeps its other elements
    axes : the two species
    fields : cells that fill the range up to the limits
    limits : {phase: potentials [n, 2] along which the phase forms of the two species and open gases alone}
    warnings : phases used outside the range of their data
    """

    solid: Component
    axes: tuple[Axis, Axis]
    temperature_K: float
    pressures_bar: Mapping[str, float]
    fields: tuple[Field, ...]
    limits: Mapping[str, FloatArray]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the diagram as plain data (kJ/mol)."""
        return {
            "solid": self.solid.formula,
            "axes": [{"species": axis.species, "gas": axis.gas is not None} for axis in self.axes],
            "temperature_K": self.temperature_K,
            "atmosphere": dict(self.pressures_bar),
            "warnings": list(self.warnings),
            "fields": [
                {
                    "phases": dict(field.phases),
                    "taken_up": field.taken_up.tolist(),
                    "corners_kJ_per_mol": (field.corners * 1e-3).tolist(),
                }
                for field in self.fields
            ],
            "limits_kJ_per_mol": {name: (line * 1e-3).tolist() for name, line in self.limits.items()},
        }


def potential_diagram(
    solid: str,
    species: tuple[str, str],
    *,
    library: PhaseLibrary,
    temperature_K: float,
    pressures_bar: Mapping[str, float],
    lowest_J: tuple[float | None, float | None] = (None, None),
    exclude: Iterable[str] = (),
) -> PotentialDiagram:
    """Find which phases ``solid`` consists of at every pair of potentials of ``species``.

    Parameters
    ----------
    solid : formula, phase name or alias; what it holds beside the species and open gases is kept
    species : the two axes, for example ``("Li2O", "O2")`` or ``("Li", "O")``
    pressures_bar : {gas: bar} of further open gases
    lowest_J : lowest potential shown on each axis, J/mol relative to the pure species; chosen where None
    library, temperature_K, exclude : see :func:`cosinter.analysis.equilibrium.diagrams.phase_diagram`

    Raises
    ------
    InputError
        Species that depend on each other or on an open gas, a range that is empty, or see :func:`make_problem`.
    UnknownNameError
        A species has no pure phase.

    >>> from cosinter.analysis.thermochemistry.library import load_library
    >>> found = potential_diagram("Co", ("Li2O", "O2"), library=load_library(), temperature_K=900.0, pressures_bar={})
    >>> sorted({name for field in found.fields for name in field.phases})
    ['Co', 'Co3O4', 'CoO', 'LiCoO2']
    """
    kept, extra = find_component(solid, library, temperature_K=temperature_K)
    compositions = [parse_formula(name) for name in species]
    problem = make_problem(
        library,
        set(kept.composition).union(*compositions),
        temperature_K=temperature_K,
        pressures_bar=pressures_bar,
        exclude=exclude,
        extra=extra,
    )
    named = [Component(n, n, c) for n, c in zip(species, compositions, strict=True)]
    check_independent(named, tuple(pressures_bar))
    axes = tuple(_axis(name, problem, low) for name, low in zip(species, lowest_J, strict=True))
    search = _Fields(problem, kept, (axes[0], axes[1]))
    return search.diagram(upper_envelope(search.evaluate, search.domain(), tolerance=RESOLUTION_J))


def _axis(name: str, problem: LinearProblem, lowest_J: float | None) -> Axis:
    """Axis from ``lowest_J`` to the pure species; a gas goes one power of ten beyond 1 bar."""
    temperature = problem.temperature_K
    reference = reference_gibbs(problem.library, name, temperature)
    gas = _gas(name, problem)
    molecules = sum(parse_formula(name).values()) / gas.atoms if gas else 0.0
    low = DEEPEST_J if lowest_J is None else lowest_J
    high = molecules * R * temperature * np.log(10.0)
    if not low < high:
        raise InputError(
            f"lowest potential of {name} must be below {high * 1e-3:g} kJ/mol; got {low * 1e-3:g}"
        )
    return Axis(name, reference, low, high, gas.formula if gas else None, molecules)


def _gas(name: str, problem: LinearProblem) -> Phase | None:
    """The stable gas of the composition ``name``; None if the library has it condensed."""
    composition = parse_formula(name)
    forms = [
        phase
        for phase in problem.library.phases
        if proportionality(composition, phase.composition, tolerance=1e-6) is not None
    ]
    if any(phase.state != "g" for phase in forms):
        return None
    return min(forms, key=lambda phase: float(phase.gibbs(problem.temperature_K)) / phase.atoms)


class _Fields:
    """The linear program with two more free columns, whose costs are the coordinates."""

    def __init__(self, problem: LinearProblem, solid: Component, axes: tuple[Axis, Axis]) -> None:
        self.problem, self.solid, self.axes = problem, solid, axes
        self.species = atom_matrix([parse_formula(axis.species) for axis in axes], problem.elements)
        self.matrix = np.column_stack([problem.counts, self.species])
        self.free = np.append(problem.is_open, [True, True])
        self.rhs = problem.vector(solid.composition)
        self.reference = np.asarray([axis.reference_J for axis in axes])

    def costs(self, points: FloatArray) -> FloatArray:
        """Costs of all columns at relative potentials ``points`` [k, 2], shape [k, columns + 2]."""
        own = np.broadcast_to(self.problem.costs, (len(points), len(self.problem.costs)))
        return np.column_stack([own, points + self.reference])

    def amounts(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """F (J) and amounts of all columns, the two species last."""
        try:
            found = minimise(self.matrix, self.costs(points), self.rhs, free=self.free)
        except UnboundedError as error:
            raise InputError(
                f"at some potentials of {self.axes[0].species} and {self.axes[1].species} phases would form without "
                "end; narrow the range"
            ) from error
        return found.value, found.dense(self.matrix.shape[1])

    def evaluate(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """-F, which is convex, and its gradient."""
        value, amounts = self.amounts(points)
        return -value, -amounts[:, -2:]

    def limits(self) -> list[tuple[str, FloatArray, float]]:
        """Phases made of the species and gases alone: mu . amounts <= room keeps them from forming without end."""
        problem = self.problem
        axes = np.column_stack([self.species, problem.counts[:, problem.is_open]])
        found = []
        for place, name in enumerate(problem.library.names):
            share = combination(axes, problem.counts[:, place])
            if share is None or problem.is_open[place] or np.abs(share[:2]).max() < 1e-9:
                continue
            gas = float(share[2:] @ problem.costs[problem.is_open])
            room = float(problem.costs[place]) - gas - float(share[:2] @ self.reference)
            found.append((name, share[:2], room))
        return found

    def domain(self) -> Polytope:
        """The range of the axes, cut where a phase of the species alone would form without end."""
        low = np.asarray([axis.low_J for axis in self.axes])
        high = np.asarray([axis.high_J for axis in self.axes])
        box = Polytope.box(low, high)
        walls = self.limits()
        if not walls:
            return box
        return box.cut(np.asarray([wall for _, wall, _ in walls]), np.asarray([room for _, _, room in walls]))

    def diagram(self, cells: Envelope) -> PotentialDiagram:
        """Name the assemblage of every cell."""
        problem = self.problem
        amounts = self.amounts(cells.centres)[1]
        names = problem.library.names
        fields, used = [], np.zeros(len(names))
        for corners, row in zip(cells.cells, amounts, strict=True):
            there = (row[:-2] * problem.atoms > AMOUNT_TOLERANCE * self.solid.atoms) & ~problem.is_open
            used[there] = 1.0
            phases = {names[k]: float(row[k]) for k in np.flatnonzero(there)}
            fields.append(Field(cells.vertices[list(corners)], phases, -row[-2:]))
        return PotentialDiagram(
            solid=self.solid,
            axes=self.axes,
            temperature_K=problem.temperature_K,
            pressures_bar=problem.pressures_bar,
            fields=tuple(fields),
            limits=self.shown_limits(cells),
            warnings=problem.warnings(used),
        )

    def shown_limits(self, cells: Envelope) -> dict[str, FloatArray]:
        """The part of each limit that bounds the fields, shape [2, 2]."""
        shown = {}
        for name, wall, room in self.limits():
            scale = float(np.linalg.norm(wall))
            near = cells.vertices[np.abs(cells.vertices @ wall - room) < 1e-3 * scale]
            if len(near) < 2:
                continue
            along = near @ np.asarray([-wall[1], wall[0]])
            shown[name] = near[[int(np.argmin(along)), int(np.argmax(along))]]
        return shown
