"""The components of a diagram: what its corners and axes mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cosinter.analysis.thermochemistry.formulas import molar_mass, parse_formula, proportionality
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary
from cosinter.analysis.thermochemistry.missing_members import check_members
from cosinter.data.exceptions import CompositionError, InputError, UnknownNameError

#: Residual (atoms) below which a composition counts as made of others.
SPAN_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Component:
    """A corner or axis: the name as typed, and the formula that is counted."""

    name: str
    formula: str
    composition: Mapping[str, float]

    @property
    def atoms(self) -> float:
        """Atoms per formula."""
        return sum(self.composition.values())

    @property
    def molar_mass(self) -> float:
        """Mass of one mole, kg/mol."""
        return molar_mass(self.composition)


def find_component(
    name: str, library: PhaseLibrary, *, temperature_K: float
) -> tuple[Component, tuple[Phase, ...]]:
    """Read a component: an alias, a phase name, a solution (``ncm811``) or any formula of the library's elements.

    Returns
    -------
    The component, and the solution phases it brings that the library does not hold yet.

    Raises
    ------
    InputError
        The text is neither a name nor a formula, holds an element without a phase, or is an alias of a solution of
        which ``library`` lacks an end member.
    """
    try:
        found = library.candidates(name)
    except UnknownNameError:
        if name.strip().lower() in library.aliases:
            check_members(name, library)
            raise
        return Component(name, name, known_composition(name, library)), ()
    stable = min(found, key=lambda phase: float(phase.gibbs(temperature_K)))
    return Component(name, stable.formula, stable.composition), tuple(
        p for p in found if p.name not in library
    )


def known_composition(name: str, library: PhaseLibrary) -> Mapping[str, float]:
    """Read a formula whose elements are all in phases of ``library``.

    Raises
    ------
    CompositionError
        It cannot be read, or an element is in no phase.
    """
    composition = parse_formula(name)
    for element in composition:
        if element not in library.elements:
            held = ", ".join(library.elements)
            raise CompositionError(
                f"element {element} of '{name}' is in no phase of the library, which holds {held}"
            )
    return composition


def split_system(text: str, *, fewest: int, most: int) -> tuple[str, ...]:
    """Split ``Li2O-TiO2-P2O5`` into its components.

    Raises
    ------
    InputError
        Too few, too many, or one is named twice or empty.
    """
    names = tuple(part.strip() for part in text.split("-"))
    wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    example = "-".join(("Li2O", "TiO2", "P2O5", "Al2O3")[:most])
    if not fewest <= len(names) <= most or not all(names):
        raise InputError(
            f"system '{text}' must name {wanted} components joined by '-', for example {example}"
        )
    if len(set(names)) < len(names):
        raise InputError(f"system '{text}' names a component twice")
    return names


def atom_matrix(compositions: Iterable[Mapping[str, float]], elements: Sequence[str]) -> FloatArray:
    """Atoms of each composition as columns, shape [elements, compositions]."""
    columns = [[composition.get(element, 0.0) for element in elements] for composition in compositions]
    return np.asarray(columns, dtype=np.float64).reshape(len(columns), len(elements)).T


def combination(axes: FloatArray, target: FloatArray) -> FloatArray | None:
    """Amounts of ``axes`` [elements, n] that make up ``target`` [elements], either sign; None where none do."""
    amounts = np.asarray(np.linalg.lstsq(axes, target, rcond=None)[0], dtype=np.float64)
    off = float(np.max(np.abs(axes @ amounts - target)))
    return None if off > SPAN_TOLERANCE * max(1.0, float(np.abs(target).max())) else amounts


def check_independent(components: Sequence[Component], gases: Sequence[str]) -> None:
    """Refuse components that an open gas, or each other, can turn into one another.

    Raises
    ------
    InputError
        Two corners of the diagram would be the same place.
    """
    compositions = [*(c.composition for c in components), *map(parse_formula, gases)]
    elements = sorted({element for composition in compositions for element in composition})
    matrix = atom_matrix(compositions, elements)
    if np.linalg.matrix_rank(matrix) == matrix.shape[1]:
        return
    names = ", ".join(component.name for component in components)
    with_gases = f" once {', '.join(gases)} is open" if gases else ""
    raise InputError(
        f"components {names} are not independent{with_gases}: one is made of the others; drop one or close a gas"
    )


def reference_gibbs(library: PhaseLibrary, formula: str, temperature_K: float) -> float:
    """G of the stable pure substance ``formula``, condensed where the library has it, else as gas at 1 bar; J/mol.

    Raises
    ------
    UnknownNameError, CompositionError
        The library holds no phase of that composition.
    """
    try:
        return float(library.stable(formula, temperature_K=temperature_K).gibbs(temperature_K))
    except UnknownNameError:
        composition = parse_formula(formula)
        gases = (phase for phase in library.phases if phase.state == "g")
        known = [p for p in gases if proportionality(composition, p.composition, tolerance=1e-6) is not None]
        if not known:
            raise
        return min(float(phase.rescaled(formula).gibbs(temperature_K)) for phase in known)
