"""Phases that a user writes down: the same records as in ``data/thermochemistry.yaml``, checked before they count.

A record holds H298 (kJ/mol, elements in their reference states at 298.15 K, P white), S298 (J/mol/K), a heat capacity
(segments, or a Neumann-Kopp sum over phases of the library), uncertainties and a source. Nothing is filled in silently:
a number that is not finite, a sum that does not balance, or a heat capacity below zero is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from itertools import pairwise
from math import hypot
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cosinter.analysis.parameters import Kind
from cosinter.analysis.thermochemistry.formulas import molar_mass, parse_formula, proportionality
from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE, ThermoFunction
from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary, combined_errors
from cosinter.analysis.thermochemistry.records import (
    BOUND_OXYGEN,
    KILO,
    bound_oxygen,
    data_range,
    thermo_function,
)
from cosinter.data.exceptions import CompositionError, InputError
from cosinter.data.tables import load_table

#: Atoms per formula by which a Neumann-Kopp sum may miss the formula (1/3 written as 0.3333).
BALANCE_TOLERANCE = 1e-3
#: Two phases of one composition closer than this at 298.15 K are the same phase, J/mol of atoms.
TWIN_TOLERANCE = 1.0
_NAME = r"^[A-Za-z0-9][A-Za-z0-9()\[\]._+-]{0,59}$"

Number = Annotated[float, Field(allow_inf_nan=False)]
Kelvin = Annotated[float, Field(gt=0.0, le=6000.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HeatCapacity(_Section):
    """Cp = a + b T + c T^-2 + d T^2 + e T^3 + f T^-1/2 in J/mol/K between two temperatures in K."""

    T: tuple[Kelvin, Kelvin]
    coef: Annotated[list[Number], Field(min_length=1, max_length=6)]


class Transition(_Section):
    """First-order transition where two segments meet: T in K, dH in kJ/mol, taken up on heating."""

    T: Kelvin
    dH: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class Uncertainty(_Section):
    """Standard uncertainties of H298 (kJ/mol) and S298 (J/mol/K)."""

    H298: NotNegative
    S298: NotNegative


class PhaseRecord(_Section):
    """One phase as a user writes it; see :func:`make_phase`."""

    name: Annotated[str, Field(pattern=_NAME)] | None = None
    formula: Annotated[str, Field(min_length=1, max_length=100)]
    state: Literal["s", "l"] = "s"
    kind: Kind
    H298: Number
    S298: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    Cp: Annotated[list[HeatCapacity], Field(min_length=1)] | None = None
    neumann_kopp: Annotated[dict[str, Number], Field(min_length=1)] | None = None
    transitions: list[Transition] = []
    shares: dict[str, Number] = {}
    uncertainty: Uncertainty
    range_K: tuple[Kelvin, Kelvin] | None = None
    source: Annotated[str, Field(min_length=3)]
    note: str = ""


def make_phase(content: Mapping[str, Any], *, library: PhaseLibrary, origin: str) -> Phase:
    """Check one record and build its phase on the library's scale.

    Parameters
    ----------
    content : the record, see :class:`PhaseRecord`; its name is the formula where none is given
    library : phases that Neumann-Kopp sums refer to, and whose names are taken
    origin : file or other name that messages start with

    Raises
    ------
    InputError
        A key is unknown or missing, a number is not finite or outside its range, the heat capacity is not
        positive or its segments do not adjoin, a sum does not balance, the name is taken, or the phase is a twin
        of one that is already there.
    """
    record = _validated(content, origin)
    name = record.name or record.formula
    composition = _composition(record.formula, origin)
    _check_name(name, composition, library, origin)
    atoms = sum(composition.values())
    _check_heat_capacity_form(record, origin)
    function = thermo_function(_plain(record), _lookup(library, record, origin))
    low, high = data_range(record.range_K, function)
    if not low <= REFERENCE_TEMPERATURE < high:
        raise InputError(f"{origin}: range_K {low:g} to {high:g} K must begin at 298.15 K or below and rise")
    own = (record.uncertainty.H298 * KILO, record.uncertainty.S298)
    errors = combined_errors([(n, library.phase(other)) for other, n in record.shares.items()]) | {name: own}
    phase = Phase(
        name=name,
        formula=record.formula,
        state=record.state,
        function=function,
        uncertainty_J_per_mol=hypot(*(enthalpy for enthalpy, _ in errors.values())),
        entropy_uncertainty_J_per_mol_K=hypot(*(entropy for _, entropy in errors.values())),
        errors=errors,
        source=record.source,
        kind=record.kind,
        range_K=(low, high),
        note=record.note,
        energy_source="user",
        thermal_source="neumann_kopp" if record.neumann_kopp else "measured",
    )
    _check_size(phase, atoms, origin)
    _check_rising(phase, origin)
    _refuse_twin(phase, library, origin)
    return phase


def _validated(content: Mapping[str, Any], origin: str) -> PhaseRecord:
    try:
        return PhaseRecord.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"]) or "record"
    if problem["type"] == "extra_forbidden":
        known = list(PhaseRecord.model_fields)
        near = get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
        raise InputError(f"{origin}: unknown key '{key}'; {hint}")
    if problem["type"] == "missing":
        raise InputError(f"{origin}: key '{key}' is missing")
    message = str(problem["msg"])
    if problem["type"] == "string_pattern_mismatch":
        message = "use letters, digits and ( ) [ ] . _ + -, at most 60, the first of them a letter or a digit"
    value = repr(problem["input"])
    raise InputError(f"{origin}: {key} = {value[:60]}: {message[:1].lower()}{message[1:]}")


def _check_name(name: str, composition: Mapping[str, float], library: PhaseLibrary, origin: str) -> None:
    """Refuse a name that means something already: a phase, an alias, a solution, another formula."""
    key = name.lower()
    taken = {known.lower(): f"a phase named {known} is already in the library" for known in library.names}
    taken |= {alias: f"'{alias}' already stands for {known}" for alias, known in library.aliases.items()}
    taken |= {title.lower(): f"'{title}' is a solid solution or melt" for title in _solution_titles()}
    if key in taken:
        raise InputError(f"{origin}: {taken[key]}; give yours another name")
    if not _reads_as(name, composition):
        raise InputError(
            f"{origin}: the name '{name}' is the formula of another composition; give yours another name"
        )


def _solution_titles() -> list[str]:
    models = load_table("solutions").values()
    return [str(model["title"]) for model in models if isinstance(model, Mapping) and "title" in model]


def _reads_as(name: str, composition: Mapping[str, float]) -> bool:
    """True where ``name`` is no formula, or one of this composition."""
    try:
        read = parse_formula(name)
        molar_mass(read)
    except CompositionError:
        return True
    return proportionality(read, composition, tolerance=1e-6) is not None


def _composition(formula: str, origin: str) -> Mapping[str, float]:
    try:
        composition = parse_formula(formula)
        molar_mass(composition)
    except CompositionError as error:
        raise InputError(f"{origin}: {error}") from error
    return composition


def _check_heat_capacity_form(record: PhaseRecord, origin: str) -> None:
    if (record.Cp is None) == (record.neumann_kopp is None):
        raise InputError(f"{origin}: give the heat capacity either as Cp or as neumann_kopp, and not as both")
    if record.Cp is None:
        if record.transitions:
            raise InputError(f"{origin}: transitions need Cp segments; a neumann_kopp sum holds none")
        return
    if record.S298 is None:
        raise InputError(f"{origin}: key 'S298' is missing; Cp segments need it")
    _check_segments(record.Cp, origin)
    joints = {segment.T[0] for segment in record.Cp[1:]}
    for transition in record.transitions:
        if transition.T not in joints:
            raise InputError(f"{origin}: transition at {transition.T:g} K; no two Cp segments meet there")


def _check_segments(segments: list[HeatCapacity], origin: str) -> None:
    for segment in segments:
        if not segment.T[0] < segment.T[1]:
            raise InputError(f"{origin}: Cp segment {segment.T[0]:g} to {segment.T[1]:g} K does not rise")
    for first, second in pairwise(segments):
        if first.T[1] != second.T[0]:
            raise InputError(
                f"{origin}: Cp segments do not adjoin; one ends at {first.T[1]:g} K, "
                f"the next begins at {second.T[0]:g} K"
            )


def _plain(record: PhaseRecord) -> dict[str, Any]:
    content = record.model_dump(exclude_none=True)
    for segment in content.get("Cp", []):
        segment["coef"] = [*segment["coef"], *[0.0] * (6 - len(segment["coef"]))]
    return content


def _lookup(library: PhaseLibrary, record: PhaseRecord, origin: str) -> Any:
    """Find the parts of a Neumann-Kopp sum, after checking that they make up the formula."""
    total: dict[str, float] = {}
    functions: dict[str, ThermoFunction] = {}

    def known(name: str) -> ThermoFunction:
        return library.phase(name).function

    for part, amount in (record.neumann_kopp or {}).items():
        if part == BOUND_OXYGEN:
            composition: Mapping[str, float] = {"O": 1.0}
            functions[part] = bound_oxygen(known)
        else:
            phase = library.phase(part)
            composition, functions[part] = phase.composition, phase.function
        for element, count in composition.items():
            total[element] = total.get(element, 0.0) + amount * count
    wanted = parse_formula(record.formula)
    for element in sorted(set(total) | set(wanted)) if functions else ():
        found, needed = total.get(element, 0.0), wanted.get(element, 0.0)
        if abs(found - needed) > BALANCE_TOLERANCE:
            raise InputError(
                f"{origin}: neumann_kopp is not balanced; it holds {found:g} {element}, {record.formula} holds {needed:g}"
            )
    return functions.__getitem__


def _check_size(phase: Phase, atoms: float, origin: str) -> None:
    enthalpy = float(phase.enthalpy(REFERENCE_TEMPERATURE)) / KILO
    entropy = float(phase.entropy(REFERENCE_TEMPERATURE))
    if abs(enthalpy) > 400.0 * atoms:
        raise InputError(
            f"{origin}: H298 = {enthalpy:g} kJ/mol is beyond any compound of {atoms:g} atoms (400 kJ/mol each); "
            "is it in J/mol?"
        )
    if not 1.0 * atoms <= entropy <= 100.0 * atoms:
        raise InputError(
            f"{origin}: S298 = {entropy:g} J/mol/K must be from {atoms:g} to {100.0 * atoms:g} for {atoms:g} atoms"
        )


def _check_rising(phase: Phase, origin: str) -> None:
    """Refuse a heat capacity that is not positive somewhere in the range of the data."""
    grid = np.linspace(max(phase.range_K[0], REFERENCE_TEMPERATURE), phase.range_K[1], 400)
    steps = np.diff(phase.enthalpy(grid))
    worst = int(np.argmin(steps))
    if not np.all(np.isfinite(steps)) or steps[worst] <= 0.0:
        capacity = steps[worst] / (grid[1] - grid[0])
        raise InputError(
            f"{origin}: the heat capacity is {capacity:.3g} J/mol/K near {grid[worst]:.0f} K; it must be above 0 "
            f"from {grid[0]:.0f} to {grid[-1]:.0f} K"
        )


def _refuse_twin(phase: Phase, library: PhaseLibrary, origin: str) -> None:
    for other in library.phases:
        factor = proportionality(phase.composition, other.composition, tolerance=1e-6)
        if factor is None or other.state != phase.state:
            continue
        grid = np.asarray([REFERENCE_TEMPERATURE, 800.0])
        if np.all(np.abs(phase.gibbs(grid) - factor * other.gibbs(grid)) < TWIN_TOLERANCE * phase.atoms):
            raise InputError(f"{origin}: {phase.name} is {other.name} once more (same composition, same G)")
