"""Phase diagrams over any components at fixed temperature and open gases, every region found exactly.

For mole fractions x of the components (oxides, reactants or elements; sum x_i = 1) the free energy of equilibrium

    G(x) = min sum_j G_j n_j   with   sum_j a_ej n_j = sum_i x_i c_ei   for every element e

is convex and piecewise linear: on each of its cells (:mod:`cosinter.analysis.equilibrium.envelope`) the same phases are
stable at the same chemical potentials. Where all phases are made of the components and the open gases, the cells are
tie triangles (tetrahedra) with a phase at every corner. Otherwise the diagram is a section through a larger one: cells
are polygons and hold more phases than corners, which a diagram drawn as a hull of the components would miss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from cosinter.analysis.equilibrium.components import (
    Component,
    atom_matrix,
    check_independent,
    combination,
    find_component,
    reference_gibbs,
)
from cosinter.analysis.equilibrium.envelope import Envelope, Polytope, upper_envelope
from cosinter.analysis.equilibrium.interface import MEV_PER_ATOM
from cosinter.analysis.equilibrium.lp import AMOUNT_TOLERANCE, LinearProblem, make_problem
from cosinter.analysis.equilibrium.simplex import minimise
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import PhaseLibrary
from cosinter.data.exceptions import InputError, UnknownNameError

#: Planes that rise less than this are one region, J per mole of components.
RESOLUTION_J = 1e-3
_UNREACHED = 1e-9
_STABLE_MEV = 1e-4


@dataclass(frozen=True, eq=False)
class PhasePoint:
    """A phase made of the components and open gases alone.

    Attributes
    ----------
    name, formula : of the phase
    fractions : mole fractions of the components, shape [components]
    above_hull_meV_per_atom : how far it lies above the stable phases of its composition; 0 where it is stable
    uncertainty_meV_per_atom : standard uncertainty of its own free energy
    stable : whether it is part of a region
    """

    name: str
    formula: str
    fractions: FloatArray
    above_hull_meV_per_atom: float
    uncertainty_meV_per_atom: float
    stable: bool


@dataclass(frozen=True, eq=False)
class Region:
    """A cell: the same phases at the same potentials.

    Attributes
    ----------
    corners : rows of :attr:`PhaseDiagram.vertices`, in two dimensions in order around the cell
    phases : stable phases inside, without the open gases
    element_potentials : J/mol on the scale of the library
    """

    corners: tuple[int, ...]
    phases: tuple[str, ...]
    element_potentials: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class PhaseDiagram:
    """A binary, ternary or quaternary diagram at one temperature and atmosphere.

    Attributes
    ----------
    vertices : corners of all regions as mole fractions, shape [n, components]
    regions, edges : cells, and the lines between vertices (tie lines where the diagram is complete)
    points : phases on the section, stable ones first
    complete : False where a region holds phases outside the section
    whole : False where part of the composition range cannot be made of the phases in use
    warnings : phases used outside the range of their data
    """

    components: tuple[Component, ...]
    temperature_K: float
    pressures_bar: Mapping[str, float]
    vertices: FloatArray
    regions: tuple[Region, ...]
    edges: tuple[tuple[int, int], ...]
    points: tuple[PhasePoint, ...]
    complete: bool
    whole: bool
    warnings: tuple[str, ...]
    library: PhaseLibrary

    @property
    def stable(self) -> tuple[PhasePoint, ...]:
        """Stable phases on the section."""
        return tuple(point for point in self.points if point.stable)

    def weights(self, basis: str) -> FloatArray:
        """Weight of one mole of each component: ``mole``, ``atom`` or ``mass``; straight lines stay straight.

        Raises
        ------
        UnknownNameError
            The basis is another one.
        """
        known = {
            "mole": [1.0 for _ in self.components],
            "atom": [component.atoms for component in self.components],
            "mass": [component.molar_mass for component in self.components],
        }
        if basis not in known:
            raise UnknownNameError("basis", basis, known)
        return np.asarray(known[basis])

    def potentials(self, formula: str) -> FloatArray | None:
        """Potential of ``formula`` in every region relative to its pure solid (or gas at 1 bar), J/mol, [regions].

        None where the components and open gases do not fix it, or the library has no pure ``formula``.
        """
        composition = parse_formula(formula)
        axes = [*(c.composition for c in self.components), *map(parse_formula, self.pressures_bar)]
        elements = sorted({element for axis in [*axes, composition] for element in axis})
        if combination(atom_matrix(axes, elements), atom_matrix([composition], elements)[:, 0]) is None:
            return None
        try:
            reference = reference_gibbs(self.library, formula, self.temperature_K)
        except UnknownNameError:
            return None
        amounts = composition.items()
        return np.asarray(
            [sum(n * r.element_potentials[e] for e, n in amounts) - reference for r in self.regions]
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the diagram as plain data."""
        names = [component.name for component in self.components]
        lithia = self.potentials("Li2O")
        regions = [
            {"phases": list(r.phases), "corners": self.vertices[list(r.corners)].tolist()}
            for r in self.regions
        ]
        for region, mu in zip(regions, () if lithia is None else lithia.tolist(), strict=False):
            region["mu_Li2O_kJ_per_mol"] = mu * 1e-3
        return {
            "components": [{"name": c.name, "formula": c.formula} for c in self.components],
            "temperature_K": self.temperature_K,
            "atmosphere": dict(self.pressures_bar),
            "complete": self.complete,
            "whole": self.whole,
            "warnings": list(self.warnings),
            "phases": [
                {
                    "phase": point.name,
                    "formula": point.formula,
                    "fractions": dict(zip(names, point.fractions.tolist(), strict=True)),
                    "stable": point.stable,
                    "above_hull_meV_per_atom": point.above_hull_meV_per_atom,
                    "uncertainty_meV_per_atom": point.uncertainty_meV_per_atom,
                }
                for point in self.points
            ],
            "regions": regions,
            "lines": [self.vertices[list(edge)].tolist() for edge in self.edges],
        }


def phase_diagram(
    components: Sequence[str],
    *,
    library: PhaseLibrary,
    temperature_K: float,
    pressures_bar: Mapping[str, float],
    exclude: Iterable[str] = (),
) -> PhaseDiagram:
    """Find every region of the diagram of two to four ``components``.

    Parameters
    ----------
    components : formulas, phase names or aliases, for example ``("Li2O", "TiO2", "P2O5")``
    library : phases that may form
    temperature_K : 250 to 2500 K
    pressures_bar : {gas: partial pressure in bar} of the open gases; none for a closed diagram
    exclude : names of phases that must not form

    Raises
    ------
    InputError
        Components that cannot be read, are not independent, or hold an element without a phase; temperature or
        pressure out of range; open gases that react with each other.
    ConvergenceError
        Two phases are degenerate.

    >>> from cosinter.analysis.thermochemistry.library import load_library
    >>> diagram = phase_diagram(("Li2O", "TiO2"), library=load_library(), temperature_K=900.0, pressures_bar={})
    >>> [point.name for point in diagram.stable][:2]
    ['Li2O', 'TiO2_rutile']
    """
    if not 2 <= len(components) <= 4:
        raise InputError(f"a diagram has two to four components; got {len(components)}")
    found = [find_component(name, library, temperature_K=temperature_K) for name in components]
    corners = tuple(component for component, _ in found)
    problem = make_problem(
        library,
        {element for corner in corners for element in corner.composition},
        temperature_K=temperature_K,
        pressures_bar=pressures_bar,
        exclude=exclude,
        extra=[phase for _, phases in found for phase in phases],
    )
    check_independent(corners, tuple(pressures_bar))
    section = _Section(problem, corners)
    domain, whole = section.domain()
    cells = upper_envelope(section.evaluate, domain, tolerance=RESOLUTION_J)
    return section.diagram(cells, whole=whole)


class _Section:
    """The linear program over mole fractions; the last component is what is left of one mole."""

    def __init__(self, problem: LinearProblem, corners: tuple[Component, ...]) -> None:
        self.problem, self.corners = problem, corners
        self.axes = atom_matrix([corner.composition for corner in corners], problem.elements)

    def full(self, points: FloatArray) -> FloatArray:
        """All mole fractions, shape [k, components], of points [k, components - 1]."""
        return np.column_stack([points, 1.0 - points.sum(axis=1)])

    def evaluate(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """G of one mole of components (J) and its gradient."""
        found = minimise(
            self.problem.counts,
            self.problem.costs,
            self.full(points) @ self.axes.T,
            free=self.problem.is_open,
        )
        slopes = found.duals @ self.axes
        return found.value, slopes[:, :-1] - slopes[:, -1:]

    def missing(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Share of a mixture that no phases in use can make up, and its gradient."""
        matrix = np.column_stack([self.problem.counts, self.axes])
        costs = np.concatenate([np.zeros(self.problem.counts.shape[1]), np.ones(len(self.corners))])
        free = np.append(self.problem.is_open, np.zeros(len(self.corners), dtype=np.bool_))
        found = minimise(matrix, costs, self.full(points) @ self.axes.T, free=free)
        slopes = found.duals @ self.axes
        return found.value, slopes[:, :-1] - slopes[:, -1:]

    def domain(self) -> tuple[Polytope, bool]:
        """The compositions that the phases in use can make up, and whether that is all of them."""
        simplex = Polytope.simplex(len(self.corners) - 1)
        if np.all(self.missing(simplex.corners())[0] < _UNREACHED):
            return simplex, True
        found = upper_envelope(self.missing, simplex, tolerance=_UNREACHED)
        lacking = np.linalg.norm(found.gradients, axis=1) > 1e-6
        if lacking.all():
            names = "-".join(corner.name for corner in self.corners)
            raise InputError(f"no mixture in {names} can be made of the phases in use")
        heights = found.values[[cell[0] for cell in found.cells]]
        start = found.vertices[[cell[0] for cell in found.cells]]
        offsets = np.einsum("cd,cd->c", found.gradients, start) - heights
        return simplex.cut(found.gradients[lacking], offsets[lacking]), False

    def diagram(self, cells: Envelope, *, whole: bool) -> PhaseDiagram:
        """Name the phases of every cell."""
        problem = self.problem
        found = minimise(
            problem.counts, problem.costs, self.full(cells.centres) @ self.axes.T, free=problem.is_open
        )
        amounts = found.dense(len(problem.library.names)) * problem.atoms
        present = (amounts > AMOUNT_TOLERANCE * np.sum(self.axes, axis=0).max()) & ~problem.is_open
        names = np.asarray(problem.library.names, dtype=object)
        regions = tuple(
            Region(
                corners=corners,
                phases=tuple(names[there]),
                element_potentials=MappingProxyType(dict(zip(problem.elements, duals.tolist(), strict=True))),
            )
            for corners, there, duals in zip(cells.cells, present, found.duals, strict=True)
        )
        stable = {name for region in regions for name in region.phases}
        points = self.points(stable)
        on_section = {point.name for point in points}
        return PhaseDiagram(
            components=self.corners,
            temperature_K=problem.temperature_K,
            pressures_bar=problem.pressures_bar,
            vertices=np.clip(self.full(cells.vertices), 0.0, 1.0),
            regions=regions,
            edges=cells.edges(),
            points=points,
            complete=stable <= on_section,
            whole=whole,
            warnings=problem.warnings(np.asarray([float(name in stable) for name in names])),
            library=problem.library,
        )

    def points(self, stable: set[str]) -> tuple[PhasePoint, ...]:
        """Phases on the section with their distance from equilibrium."""
        problem = self.problem
        axes = np.column_stack([self.axes, problem.counts[:, problem.is_open]])
        listed = []
        for place, phase in enumerate(problem.library.phases):
            share = combination(axes, problem.counts[:, place])
            if share is None or problem.is_open[place]:
                continue
            amount = share[: len(self.corners)]
            if amount.sum() <= 1e-9 or amount.min() < -1e-9 * amount.sum():
                continue
            gas = float(share[len(self.corners) :] @ problem.costs[problem.is_open])
            listed.append((phase, np.clip(amount, 0.0, None), float(problem.costs[place]) - gas))
        if not listed:
            return ()
        amounts = np.asarray([amount for _, amount, _ in listed])
        hull = minimise(problem.counts, problem.costs, amounts @ self.axes.T, free=problem.is_open).value
        found = [
            PhasePoint(
                name=phase.name,
                formula=phase.formula,
                fractions=amount / amount.sum(),
                above_hull_meV_per_atom=max(0.0, (own - below) * MEV_PER_ATOM / phase.atoms),
                uncertainty_meV_per_atom=float(phase.gibbs_uncertainty(problem.temperature_K))
                * MEV_PER_ATOM
                / phase.atoms,
                stable=phase.name in stable,
            )
            for (phase, amount, own), below in zip(listed, hull.tolist(), strict=True)
        ]
        return tuple(sorted(found, key=lambda point: not point.stable))
