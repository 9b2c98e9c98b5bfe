"""What a design is asked for: objectives, targets and free numbers, by name; see :mod:`cosinter.workflows.optimise`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.constants import hour, kilo, zero_Celsius

from cosinter.analysis.continuum.design import Target, Variable
from cosinter.analysis.continuum.sintering import sintering_work
from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.workflows.study import Study
from cosinter.workflows.variation import parse_bounds

ROOM_C = 25.0
#: Short names of the outcomes of a run, and their units.
OUTCOMES: Mapping[str, tuple[str, str]] = {
    "layered": ("layered_fraction", ""),
    "spinel": ("spinel_fraction", ""),
    "rock_salt": ("rock_salt_fraction", ""),
    "lithium": ("lithium_per_metal", ""),
    "interphase": ("interphase_nm", "nm"),
    "asr": ("asr_ohm_cm2", "Ω cm²"),
    "capacity": ("capacity_mAh_per_g", "mAh/g"),
}
_TARGET = re.compile(r"^\s*([A-Za-z_]\w*)\s*(>=|<=)\s*(\S+)\s*$")


@dataclass(frozen=True)
class Free:
    """A number of the study that may be chosen: its key, unit, range by default and what it can be set to."""

    key: str
    unit: str
    low: float
    high: float
    step: float | None
    meaning: str

    def variable(self, name: str) -> Variable:
        """The number as the search sees it."""
        return Variable(name, self.low, self.high, self.step)


#: What ``--free`` knows by short name; pressures are chosen on a logarithmic scale.
FREE: Mapping[str, Free] = {
    "dose": Free("compensator.wt_percent", "wt%", 0.0, 8.0, 0.05, "LiOH and Li2CO3 in the powder"),
    "ratio": Free("compensator.LiOH_share", "", 0.0, 1.0, 0.05, "mass of LiOH over the mass of both salts"),
    "hold_C": Free("furnace.hold_C", "°C", 450.0, 800.0, 1.0, "temperature of the hold"),
    "hold_h": Free("furnace.hold_h", "h", 0.5, 10.0, 0.05, "time at the hold"),
    "ramp": Free("furnace.ramp_K_per_min", "K/min", 1.0, 20.0, 0.1, "heating rate"),
    "CO2": Free("atmosphere.CO2", "bar", 1e-6, 0.5, None, "pressure of CO2"),
    "H2O": Free("atmosphere.H2O", "bar", 1e-5, 0.3, None, "pressure of water vapour"),
    "O2": Free("atmosphere.O2", "bar", 1e-3, 1.0, None, "pressure of O2"),
}


@dataclass(frozen=True)
class Cost:
    """What a design costs by itself, before anything is simulated."""

    unit: str
    meaning: str
    frees: tuple[str, ...]
    of: Callable[[Study], float]


def _dose(study: Study) -> float:
    salt = study.cases[0].compensator
    return 0.0 if salt is None else salt.LiOH_wt_percent + salt.Li2CO3_wt_percent


def _heat(study: Study) -> float:
    times, temperatures = zip(*study.furnace.knots(), strict=True)
    return float(np.trapezoid(np.array(temperatures) - ROOM_C, times))


COSTS: Mapping[str, Cost] = {
    "dose": Cost("wt%", "LiOH and Li2CO3 in the powder", ("dose", "ratio", "ramp", "CO2", "H2O"), _dose),
    "time": Cost("h", "the whole programme", ("hold_h", "ramp"), lambda study: study.furnace.knots()[-1][0]),
    "temperature": Cost(
        "°C",
        "highest of the programme",
        ("hold_C",),
        lambda study: max(temperature for _, temperature in study.furnace.knots()),
    ),
    "energy": Cost(
        "K h",
        f"temperature above {ROOM_C:g} °C over time; times the heat loss of the furnace (W/K) it is its energy",
        ("hold_C", "hold_h", "ramp"),
        _heat,
    ),
}


@dataclass(frozen=True)
class Objective:
    """One thing to make small or large: a cost of :data:`COSTS` or an outcome of :data:`OUTCOMES`."""

    name: str
    sense: Literal["min", "max"] = "min"

    def __post_init__(self) -> None:
        if self.name not in COSTS and self.name not in OUTCOMES:
            raise UnknownNameError("objective", self.name, (*COSTS, *OUTCOMES))

    @property
    def sign(self) -> float:
        """1 for what is minimised, -1 for what is maximised."""
        return 1.0 if self.sense == "min" else -1.0

    @property
    def unit(self) -> str:
        """Unit of its values."""
        return COSTS[self.name].unit if self.name in COSTS else OUTCOMES[self.name][1]


def parse_target(text: str) -> Target:
    """Read ``layered>=0.9`` or ``asr<=50``.

    Raises
    ------
    InputError
        It is not OUTCOME>=VALUE or OUTCOME<=VALUE.
    UnknownNameError
        No such outcome.

    >>> str(parse_target("asr <= 50"))
    'asr_ohm_cm2 <= 50'
    """
    found = _TARGET.match(text)
    try:
        value = float(found[3]) if found else float("nan")
    except ValueError:
        value = float("nan")
    if found is None or not np.isfinite(value):
        raise InputError(f"target '{text}' is not OUTCOME>=VALUE or OUTCOME<=VALUE, e.g. layered>=0.9")
    return Target(outcome_name(found[1]), ">=" if found[2] == ">=" else "<=", value)


def outcome_name(text: str) -> str:
    """The outcome that a short or full name means.

    Raises
    ------
    UnknownNameError
        There is none.

    >>> outcome_name("layered")
    'layered_fraction'
    """
    full = {name for name, _ in OUTCOMES.values()}
    if text in full:
        return text
    if text not in OUTCOMES:
        raise UnknownNameError("outcome", text, (*OUTCOMES, *full))
    return OUTCOMES[text][0]


def parse_free(text: str) -> dict[str, tuple[float, float] | None]:
    """Read ``dose=0:5,ratio,furnace.cool_K_per_min=1:10``: names or keys, each with its range or that by default.

    Raises
    ------
    InputError
        A part cannot be read, or a key without a short name has no range.
    """
    ranges: dict[str, tuple[float, float] | None] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, bounds = (piece.strip() for piece in part.partition("="))
        if not equals and name not in FREE:
            raise InputError(
                f"{name} has no range by default; write {name}=FROM:TO, or one of {', '.join(FREE)}"
            )
        ranges[name] = parse_bounds(bounds, name=name) if equals else None
    return ranges


@dataclass(frozen=True)
class Request:
    """What is asked: objectives under targets over free variables, for the one case of ``study``.

    Parameters
    ----------
    free : name or key -> range; None for those that follow from the objectives
    probability : with which the targets must hold together over ``samples`` of the parameters; None: not asked
    sintering_kJ_per_mol : activation energy of densification; a design must then do at least the work of sintering of
        the study's own programme
    """

    study: Study
    targets: tuple[Target, ...]
    objectives: tuple[Objective, ...]
    free: Mapping[str, tuple[float, float] | None] | None = None
    probability: float | None = None
    samples: int = 64
    sintering_kJ_per_mol: float | None = None
    population: int = 40
    generations: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.objectives:
            raise InputError("nothing is to be minimised or maximised; name at least one objective")
        names = [objective.name for objective in self.objectives]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise InputError(f"objective {min(twice)} is named twice; name each once")
        if self.probability is not None and not 0.5 <= self.probability < 1.0:
            raise InputError(f"probability is {self.probability:g}; must be from 0.5 to below 1")
        if self.probability is not None and self.samples < np.ceil(1.0 / (1.0 - self.probability)):
            raise InputError(
                f"{self.samples} samples cannot tell a probability of {self.probability:g}; "
                f"at least {np.ceil(1.0 / (1.0 - self.probability)):.0f} are needed"
            )
        self.work(self.study)  # refuses a wrong activation energy

    def work(self, study: Study) -> float | None:
        """Work of sintering of the programme of ``study`` over that of the study asked about; None if not asked for."""
        if self.sintering_kJ_per_mol is None:
            return None
        new, old = (_work(one, self.sintering_kJ_per_mol) for one in (study, self.study))
        return new / old

    def chosen(self) -> dict[str, Free]:
        """The free numbers by name, with their ranges."""
        names: Mapping[str, tuple[float, float] | None] = self.free or dict.fromkeys(
            name
            for objective in self.objectives
            for name in (COSTS[objective.name] if objective.name in COSTS else COSTS["dose"]).frees
        )
        return {name: _free(name, bounds) for name, bounds in names.items()}


def _work(study: Study, energy_kJ_per_mol: float) -> float:
    times, temperatures = zip(*study.furnace.knots(), strict=True)
    kelvin = [temperature + zero_Celsius for temperature in temperatures]
    return sintering_work([time * hour for time in times], kelvin, energy_kJ_per_mol * kilo)


def _free(name: str, bounds: tuple[float, float] | None) -> Free:
    known = FREE.get(name) or next((free for free in FREE.values() if free.key == name), None)
    if bounds is None:
        if known is None:
            raise InputError(f"{name} has no range by default; give one")
        return known
    low, high = bounds
    if known is None:
        step = float(f"{(high - low) / 1000.0:.0e}")
        return Free(name, "", low, high, step, "as in the study file")
    return Free(known.key, known.unit, low, high, known.step, known.meaning)
