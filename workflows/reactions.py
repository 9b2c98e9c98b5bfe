"""Everything that is asked of two reactants, as plain data: the JSON of ``cosinter react`` and of a study's stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scipy.constants import zero_Celsius

if TYPE_CHECKING:
    from cosinter.analysis.equilibrium.interface import InterfaceReaction, Kink
    from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary
    from cosinter.analysis.thermochemistry.solution_models import Solution

#: A line with more kinks than this is shown by the kinks where its products change.
MOST_KINKS = 18
_APART = 0.003
#: Called with what is being done, steps done and all steps.
Tell = Callable[[str, int, int], None]
#: Samples of the onset at most: each is bisected in temperature.
ONSET_SAMPLES = 200
#: How closely a map locates a change of products; with solutions every line takes about a second.
RESOLUTION_K, SOLUTION_RESOLUTION_K = 1.0, 20.0
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
    exclude : names of phases or solutions that must not form
    solutions : let solid solutions and the salt melt form
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
    solutions: bool = True
    samples: int = 0
    seed: int = 0
    onset_meV_per_atom: float | None = None
    titrate: bool = False


def _silent(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class _Setting:
    """What every part of an answer is computed with."""

    request: ReactionRequest
    library: PhaseLibrary
    solutions: tuple[Solution, ...]
    exclude: tuple[str, ...]
    tell: Tell

    def common(self) -> dict[str, Any]:
        """Keywords that all functions take."""
        return {
            "library": self.library,
            "pressures_bar": self.request.pressures_bar,
            "exclude": self.exclude,
        }


def _setting(request: ReactionRequest, library: PhaseLibrary, tell: Tell) -> _Setting:
    from cosinter.workflows.sources.libraries import split_exclusions

    kept, exclude = split_exclusions(library, request.exclude, solutions=request.solutions)
    return _Setting(request, library, kept, exclude, tell)


def reaction_content(
    request: ReactionRequest, *, library: PhaseLibrary, tell: Tell = _silent
) -> dict[str, Any]:
    """Answer ``request``: one temperature gives the mixing line itself, several give {"temperatures": [lines]}.

    A line holds kinks, segments, ties at the :func:`telling_kinks`, the phases with their sources, warnings, and where
    asked for "point", "uncertainty" (Monte Carlo) and "titration"; "onset" stands beside them, once.

    Raises
    ------
    InputError, UnknownNameError, CompositionError
        A reactant, gas, phase, ratio, pressure, number of samples or threshold cannot be used.
    ConvergenceError
        The solver gave up.
    """
    from cosinter.analysis.equilibrium.interface import interface_reactions

    setting = _setting(request, library, tell)
    reactions = interface_reactions(
        request.first,
        request.second,
        temperatures_K=[temperature + zero_Celsius for temperature in request.temperatures_C],
        solutions=setting.solutions,
        **setting.common(),
    )
    lines = []
    for number, temperature in enumerate(request.temperatures_C):
        tell(f"mixing line at {temperature:g} °C", number, len(request.temperatures_C))
        lines.append(_line(setting, temperature, next(reactions)))
    warnings = [*dict.fromkeys(warning for line in lines for warning in line["warnings"]), *_doubts(lines)]
    for line in lines:
        line["warnings"] = [*line["warnings"], *_doubts([line])]
    onset = {} if request.onset_meV_per_atom is None else {"onset": _onset(setting, lines[0])}
    if len(lines) == 1:
        return lines[0] | onset
    return {
        "reactants": lines[0]["reactants"],
        "atmosphere": lines[0]["atmosphere"],
        "temperatures": lines,
        "warnings": warnings,
        **onset,
    }


def _doubts(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence that names the reactants and products whose energies are only qualitative; none without any."""
    found = {name for line in lines for name, phase in line["phases"].items() if phase["qualitative"]}
    return [f"only qualitative, even the sign may be wrong: {', '.join(sorted(found))}"] if found else []


def _line(setting: _Setting, temperature_C: float, reaction: InterfaceReaction) -> dict[str, Any]:
    from cosinter.analysis.equilibrium.ties import find_ties

    request = setting.request
    point = None if request.at is None else reaction.at(request.at, request.basis)
    content = reaction.to_dict(at=request.at, basis=request.basis)
    told = {kink["fraction"]["mole"] for kink in telling_kinks(content["kinks"])}
    kinks = (*(kink for kink in reaction.kinks if kink.mole in told), *([] if point is None else [point]))
    content["temperature_C"] = temperature_C
    content["solutions"] = [solution.name for solution in setting.solutions]
    content["ties"] = [tie.to_dict() for tie in find_ties(reaction, kinks)]
    if request.samples:
        content["uncertainty"] = _samples(setting, reaction, point)
    if request.titrate:
        content["titration"] = _titrations(setting, temperature_C)
    content["phases"] = _provenance(reaction, content)
    return content


def _samples(setting: _Setting, reaction: InterfaceReaction, point: Kink | None) -> dict[str, Any]:
    from cosinter.analysis.equilibrium.uncertainty import sample_line

    samples = sample_line(
        reaction.first,
        reaction.second,
        temperature_K=reaction.problem.temperature_K,
        solutions=setting.solutions,
        samples=setting.request.samples,
        seed=setting.request.seed,
        progress=lambda done, total: setting.tell("sampling the errors of the phases", done, total),
        **setting.common(),
    )
    asked = [reaction.strongest, *([] if point is None else [point])]
    return samples.to_dict([kink.mole for kink in asked])


def _titrations(setting: _Setting, temperature_C: float) -> list[dict[str, Any]]:
    from cosinter.analysis.equilibrium.titration import titration_curve

    curves = []
    for number, solid in enumerate((setting.request.first, setting.request.second)):
        setting.tell(f"titrating {solid}", number, 2)
        curve = titration_curve(
            solid, temperature_K=temperature_C + zero_Celsius, release=True, **setting.common()
        ).to_dict()
        if setting.request.samples:
            _add_intervals(curve, setting, solid, temperature_C)
        curves.append(curve)
    return curves


def _add_intervals(curve: dict[str, Any], setting: _Setting, solid: str, temperature_C: float) -> None:
    """Add the sampled potential in the middle of every step that takes Li2O up."""
    from cosinter.analysis.equilibrium.uncertainty import sample_line

    steps = [step for step in curve["steps"] if step["li2o_from"] >= 0.0]
    if not steps:
        return
    samples = sample_line(
        solid,
        "Li2O",
        temperature_K=temperature_C + zero_Celsius,
        samples=setting.request.samples,
        seed=setting.request.seed,
        **setting.common(),
    )
    for step in steps:
        taken = 0.5 * (step["li2o_from"] + step["li2o_to"])
        mu = samples.at(1.0 / (1.0 + taken)).to_dict()["mu_Li2O_kJ_per_mol"]
        step["mu_interval_kJ_per_mol"] = mu and mu["above"]


def _onset(setting: _Setting, line: Mapping[str, Any]) -> dict[str, Any]:
    """Onset of the strongest ratio, or of the ratio asked for, whose mole fraction ``line`` knows."""
    from cosinter.analysis.equilibrium.onset import onset_temperature

    request = setting.request
    setting.tell("searching the onset", 0, 1)
    mole = line["point"]["fraction"]["mole"] if "point" in line else None
    found = onset_temperature(
        request.first,
        request.second,
        threshold_meV_per_atom=float(request.onset_meV_per_atom or 0.0),
        mole=mole,
        solutions=setting.solutions,
        samples=min(request.samples, ONSET_SAMPLES),
        seed=request.seed,
        **setting.common(),
    )
    return found.to_dict() | {"mole": mole}


def _provenance(reaction: InterfaceReaction, content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Where the numbers of the reactants and of every product named in ``content`` come from."""
    from cosinter.analysis.equilibrium.scan import product_names

    named = {product["phase"] for kink in content["kinks"] for product in kink["products"]}
    named |= {product["phase"] for product in content.get("point", {}).get("products", ())}
    for tie in content["ties"]:
        named |= {product["phase"] for other in tie["alternatives"] for product in other["products"]}
    listed, column = product_names(reaction.problem)
    every = reaction.problem.library.phases
    parts = (solution.restricted(reaction.problem.elements) for solution in reaction.solutions)
    phases: dict[str, Phase] = {part.name: _middle(part) for part in parts if part is not None}
    phases |= {listed[i]: phase for i, phase in zip(column, every, strict=True)}
    phases |= {phase.name: phase for phase in every}
    found = {phase.name: describe_phase(phase) for phase in (reaction.first, reaction.second)}
    for name in sorted(named - set(found)):
        solution = name.rstrip(" 0123456789") if name not in phases else name
        found[name] = describe_phase(phases[solution])
    return found


def _middle(solution: Solution) -> Phase:
    """Equal parts of all end members."""
    import numpy as np

    return solution.phase(np.full(len(solution.members), 1.0 / len(solution.members)))


def describe_phase(phase: Phase) -> dict[str, Any]:
    """Say who gave the energy and the entropy of a phase, and how sure they are; of a solution, of one composition."""
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

    setting = _setting(request, library, _silent)
    return product_map(
        request.first,
        request.second,
        temperatures_K=[value + zero_Celsius for value in request.temperatures_C],
        solutions=setting.solutions,
        resolution_K=SOLUTION_RESOLUTION_K if setting.solutions else RESOLUTION_K,
        **setting.common(),
    ).to_dict()


def strongest_kink(kinks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The kink with the lowest dG per atom."""
    return min(kinks, key=lambda kink: float(kink["dG"]["meV_per_atom"]))


def telling_kinks(kinks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """All kinks of a short line; of a long one (solutions) the ends, the strongest, and where products change."""
    if len(kinks) <= MOST_KINKS:
        return list(kinks)
    strongest = strongest_kink(kinks)
    found: list[Mapping[str, Any]] = [kinks[0]]
    before: set[str] = set()
    for kink in kinks[1:-1]:
        products = {product["phase"] for product in kink["products"]}
        apart = kink["fraction"]["mole"] - found[-1]["fraction"]["mole"] > _APART
        if kink is strongest or (products != before and apart):
            found.append(kink)
        before = products if apart or kink is strongest else before
    return [*found, kinks[-1]]
