"""Everything that is asked of two reactants, as plain data: the JSON of ``cosinter react`` and of a study's stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scipy.constants import zero_Celsius

if TYPE_CHECKING:
    from cosinter.analysis.equilibrium.interface import InterfaceReaction
    from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary

#: Called with what is being done, steps done and all steps.
Tell = Callable[[str, int, int], None]
Basis = Literal["mole", "mass", "volume"]


@dataclass(frozen=True)
class ReactionRequest:
    """What is asked of two reactants.

    Attributes
    ----------
    first, second : formulas, phase names or aliases
    temperatures_C : one or more
    pressures_bar : open gases
    at, basis : one ratio that is also wanted: fraction of ``first`` by mole, mass or volume
    exclude : names of phases that must not form
    samples, seed : Monte Carlo over the errors of the phases; none if 0
    onset_meV_per_atom : threshold whose temperature is wanted, if any
    titrate : also titrate both reactants with Li2O
    """

    first: str
    second: str
    temperatures_C: tuple[float, ...]
    pressures_bar: Mapping[str, float]
    at: float | None = None
    basis: Basis = "mole"
    exclude: tuple[str, ...] = ()
    samples: int = 0
    seed: int = 0
    onset_meV_per_atom: float | None = None
    titrate: bool = False


def _silent(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def reaction_content(
    request: ReactionRequest, *, library: PhaseLibrary, tell: Tell = _silent
) -> dict[str, Any]:
    """Answer ``request``: one temperature gives the mixing line itself, several give {"temperatures": [lines]}.

    A line holds kinks, segments, ties, the phases with their sources, warnings, and where asked for "point",
    "uncertainty" (Monte Carlo) and "titration"; "onset" stands beside them, once.

    Raises
    ------
    InputError, UnknownNameError, CompositionError
        A reactant, gas, phase, ratio, pressure, number of samples or threshold cannot be used.
    ConvergenceError
        The solver gave up.
    """
    lines = []
    for number, temperature in enumerate(request.temperatures_C):
        tell(f"{temperature:g} °C", number, len(request.temperatures_C))
        lines.append(_line(request, library, temperature, tell))
    onset = _onset(request, library, tell)
    if len(lines) == 1:
        return lines[0] | onset
    return {
        "reactants": lines[0]["reactants"],
        "atmosphere": lines[0]["atmosphere"],
        "temperatures": lines,
        "warnings": list(dict.fromkeys(warning for line in lines for warning in line["warnings"])),
        **onset,
    }


def _line(
    request: ReactionRequest, library: PhaseLibrary, temperature_C: float, tell: Tell
) -> dict[str, Any]:
    from cosinter.analysis.equilibrium.interface import interface_reaction
    from cosinter.analysis.equilibrium.ties import find_ties

    reaction = interface_reaction(
        request.first,
        request.second,
        library=library,
        temperature_K=temperature_C + zero_Celsius,
        pressures_bar=request.pressures_bar,
        exclude=request.exclude,
    )
    point = None if request.at is None else reaction.at(request.at, request.basis)
    kinks = (*reaction.kinks, *([] if point is None else [point]))
    ties = [tie.to_dict() for tie in find_ties(reaction, kinks)]
    content = reaction.to_dict(at=request.at, basis=request.basis)
    content["temperature_C"] = temperature_C
    content["ties"] = ties
    if request.samples:
        content["uncertainty"] = _samples(request, reaction, library, tell)
    if request.titrate:
        content["titration"] = _titrations(request, library, temperature_C, tell)
    content["phases"] = _provenance(reaction, content)
    return content


def _samples(
    request: ReactionRequest, reaction: InterfaceReaction, library: PhaseLibrary, tell: Tell
) -> dict[str, Any]:
    from cosinter.analysis.equilibrium.uncertainty import sample_line

    samples = sample_line(
        reaction.first,
        reaction.second,
        library=library,
        temperature_K=reaction.problem.temperature_K,
        pressures_bar=request.pressures_bar,
        samples=request.samples,
        seed=request.seed,
        exclude=request.exclude,
        progress=lambda done, total: tell("sampling the errors of the phases", done, total),
    )
    point = [] if request.at is None else [reaction.at(request.at, request.basis).mole]
    return samples.to_dict(point)


def _titrations(
    request: ReactionRequest, library: PhaseLibrary, temperature_C: float, tell: Tell
) -> list[dict[str, Any]]:
    from cosinter.analysis.equilibrium.titration import titration_curve

    curves = []
    for number, solid in enumerate((request.first, request.second)):
        tell(f"titrating {solid}", number, 2)
        curve = titration_curve(
            solid,
            library=library,
            temperature_K=temperature_C + zero_Celsius,
            pressures_bar=request.pressures_bar,
            exclude=request.exclude,
            release=True,
        ).to_dict()
        if request.samples:
            _add_intervals(curve, request, solid, library, temperature_C)
        curves.append(curve)
    return curves


def _add_intervals(
    curve: dict[str, Any], request: ReactionRequest, solid: str, library: PhaseLibrary, temperature_C: float
) -> None:
    """Add the sampled potential in the middle of every step that takes Li2O up."""
    from cosinter.analysis.equilibrium.uncertainty import sample_line

    steps = [step for step in curve["steps"] if step["li2o_from"] >= 0.0]
    if not steps:
        return
    samples = sample_line(
        solid,
        "Li2O",
        library=library,
        temperature_K=temperature_C + zero_Celsius,
        pressures_bar=request.pressures_bar,
        samples=request.samples,
        seed=request.seed,
        exclude=request.exclude,
    )
    for step in steps:
        taken = 0.5 * (step["li2o_from"] + step["li2o_to"])
        mu = samples.at(1.0 / (1.0 + taken)).to_dict()["mu_Li2O_kJ_per_mol"]
        step["mu_interval_kJ_per_mol"] = mu and mu["above"]


def _onset(request: ReactionRequest, library: PhaseLibrary, tell: Tell) -> dict[str, Any]:
    if request.onset_meV_per_atom is None:
        return {}
    from cosinter.analysis.equilibrium.interface import interface_reaction
    from cosinter.analysis.equilibrium.onset import onset_temperature

    tell("searching the onset", 0, 1)
    mole = None
    if request.at is not None:
        reaction = interface_reaction(
            request.first,
            request.second,
            library=library,
            temperature_K=request.temperatures_C[0] + zero_Celsius,
            pressures_bar=request.pressures_bar,
            exclude=request.exclude,
        )
        mole = reaction.at(request.at, request.basis).mole
    found = onset_temperature(
        request.first,
        request.second,
        library=library,
        pressures_bar=request.pressures_bar,
        threshold_meV_per_atom=request.onset_meV_per_atom,
        mole=mole,
        exclude=request.exclude,
        samples=request.samples,
        seed=request.seed,
    )
    return {"onset": found.to_dict() | {"mole": mole}}


def _provenance(reaction: InterfaceReaction, content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Where the numbers of the reactants and of every product named in ``content`` come from."""
    named = {product["phase"] for kink in content["kinks"] for product in kink["products"]}
    for tie in content["ties"]:
        named |= {product["phase"] for other in tie["alternatives"] for product in other["products"]}
    phases = {phase.name: phase for phase in reaction.problem.library.phases if phase.name in named}
    return {
        phase.name: describe_phase(phase) for phase in (reaction.first, reaction.second, *phases.values())
    }


def describe_phase(phase: Phase) -> dict[str, Any]:
    """Say who gave the energy and the entropy of a phase, and how sure they are."""
    return {
        "formula": phase.formula,
        "energy_source": phase.energy_source,
        "thermal_source": phase.thermal_source,
        "kind": phase.kind,
        "qualitative": phase.qualitative,
        "uncertainty_kJ_per_mol": phase.uncertainty_J_per_mol * 1e-3,
        "range_C": [value - zero_Celsius for value in phase.range_K],
        "source": phase.source,
    }


def map_content(request: ReactionRequest, *, library: PhaseLibrary) -> dict[str, Any]:
    """Mixing lines of ``request`` for a map: its temperatures, and between them wherever the products change.

    Raises
    ------
    InputError, UnknownNameError, CompositionError, ConvergenceError
        See :func:`cosinter.analysis.equilibrium.product_map.product_map`.
    """
    from cosinter.analysis.equilibrium.product_map import product_map

    return product_map(
        request.first,
        request.second,
        library=library,
        temperatures_K=[value + zero_Celsius for value in request.temperatures_C],
        pressures_bar=request.pressures_bar,
        exclude=request.exclude,
    ).to_dict()
