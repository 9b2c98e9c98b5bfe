"""Read the options of ``cosinter react`` and ``cosinter plot``: temperatures, atmosphere, names in a list."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping

from cosinter.data.exceptions import InputError

COLDEST_C, HOTTEST_C = 25.0, 1200.0
LARGEST_PRESSURE_BAR = 100.0
#: Products less probable than this are not shown to people.
LEAST_PROBABILITY = 0.05
MOST_TEMPERATURES = 1000
#: Gases that may be open.
OPEN_GASES = ("O2", "CO2", "H2O", "CO", "H2")
#: Gases that dilute and take no part.
INERT_GASES = ("N2", "Ar", "He")
#: Element, the gas it leaves with, that gas in air (bar; water: dew point 7 °C), and the gases that carry the element.
_RELEASED = (("C", "CO2", "4e-4", {"CO2", "CO"}), ("H", "H2O", "0.01", {"H2O", "H2"}))
#: ``--atmosphere`` of a sealed system.
CLOSED = "closed"

#: What ``--atmosphere`` and ``--energies`` take, for the help of every command.
ATMOSPHERE_HELP = (
    f"Partial pressures in bar of the open gases ({', '.join(OPEN_GASES)}; above 0, at most "
    f"{LARGEST_PRESSURE_BAR:g}), e.g. O2=0.21,CO2=4e-4; or {CLOSED}. N2 and Ar take no part."
)
ENERGIES_HELP = "Sources of energies, best first: measured, user, chgnet, pmmcs, assumed, mp (or mp:NAME of several snapshots)."
TEMPERATURE_HELP = f"°C, {COLDEST_C:g} to {HOTTEST_C:g}"
#: Samples of the errors at most.
MOST_SAMPLES = 20_000


def plain(text: str) -> str:
    """Write a formula with plain digits.

    >>> plain("Li₁.₃Al₀.₃Ti₁.₇(PO₄)₃")
    'Li1.3Al0.3Ti1.7(PO4)3'
    """
    return unicodedata.normalize("NFKC", text).strip()


def split_list(text: str) -> tuple[str, ...]:
    """Split ``a,b,c`` at commas; empty parts are dropped."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def parse_temperatures(text: str) -> tuple[float, ...]:
    """Read ``700``, ``500,600`` or ``FROM:TO:STEP`` (ends included) into °C, ascending and each once.

    Raises
    ------
    InputError
        A part is not a number or outside 25 to 1200 °C, or the range is empty or has more than 1000 steps.

    >>> parse_temperatures("500:600:50")
    (500.0, 550.0, 600.0)
    """
    values: set[float] = set()
    for part in split_list(text):
        numbers = [_temperature(piece, text) for piece in part.split(":")]
        if len(numbers) == 1:
            values.add(_within(numbers[0], text))
        elif len(numbers) == 3:
            values.update(_range(numbers, text))
        else:
            raise InputError(
                f"--temperature {text}: write one temperature or FROM:TO:STEP in °C, for example 500:900:50"
            )
    if not values:
        raise InputError("--temperature is empty; give °C, for example 700 or 500:900:50")
    return tuple(sorted(values))


def _temperature(piece: str, text: str) -> float:
    try:
        return float(piece)
    except ValueError as error:
        raise InputError(f"--temperature {text}: '{piece}' is not a number in °C") from error


def _within(value: float, text: str) -> float:
    if not math.isfinite(value) or not COLDEST_C <= value <= HOTTEST_C:
        raise InputError(f"--temperature {text}: must be from {COLDEST_C:g} to {HOTTEST_C:g} °C")
    return value


def _range(numbers: list[float], text: str) -> list[float]:
    low, high, step = _within(numbers[0], text), _within(numbers[1], text), numbers[2]
    if not (math.isfinite(step) and step > 0.0 and low <= high):
        raise InputError(f"--temperature {text}: FROM must not exceed TO, and STEP must be above 0")
    count = math.floor((high - low) / step + 1e-9)
    if count > MOST_TEMPERATURES:
        raise InputError(
            f"--temperature {text}: gives {count + 1} temperatures; at most {MOST_TEMPERATURES} are allowed"
        )
    return [low + i * step for i in range(count + 1)]


def parse_atmosphere(text: str) -> dict[str, float]:
    """Read ``O2=0.21,CO2=4e-4`` into bar by gas; ``closed`` is a sealed system.

    Raises
    ------
    InputError
        The text is empty, a part is not GAS=PRESSURE, a gas is inert, unknown or named twice, or a pressure is not above 0.
    """
    pressures: dict[str, float] = {}
    if text.strip().lower() == CLOSED:
        return pressures
    for part in split_list(text):
        gas, equals, value = (piece.strip() for piece in part.partition("="))
        if gas in INERT_GASES:
            raise InputError(
                f"--atmosphere {text}: {gas} is inert and takes no part; leave it out and give the partial "
                f"pressures of {', '.join(OPEN_GASES[:3])} only (pure {gas}: what is left of them, e.g. O2=1e-5)"
            )
        if not equals or gas not in OPEN_GASES or gas in pressures:
            raise InputError(
                f"--atmosphere {text}: '{part}' is not one of {', '.join(OPEN_GASES)} with =PRESSURE, each once"
            )
        try:
            pressures[gas] = float(value)
        except ValueError as error:
            raise InputError(f"--atmosphere {text}: '{value}' is not a pressure in bar") from error
        if not 0.0 < pressures[gas] <= LARGEST_PRESSURE_BAR:
            raise InputError(
                f"--atmosphere {text}: {gas} must be above 0 and at most {LARGEST_PRESSURE_BAR:g} bar"
            )
    if not pressures:
        raise InputError(
            "--atmosphere is empty; give for example O2=0.21,CO2=4e-4, or closed for a sealed system"
        )
    return pressures


def closed_gas_notes(
    compositions: Iterable[Mapping[str, float]], pressures_bar: Mapping[str, float]
) -> tuple[str, ...]:
    """Say which gas a carbonate or hydroxide can set free only as a pure gas, because it is not open.

    A closed system is asked for by name and needs no such note.
    """
    if not pressures_bar:
        return ()
    elements = {element for composition in compositions for element in composition}
    return tuple(
        f"{gas} is not open: it leaves only as a pure gas at 1 bar; add for example {gas}={pressure} to --atmosphere"
        for element, gas, pressure, carriers in _RELEASED
        if element in elements and not carriers & set(pressures_bar)
    )


def describe_atmosphere(pressures_bar: dict[str, float]) -> str:
    """Say an atmosphere in words, for titles."""
    return ", ".join(f"{gas} {p:g} bar" for gas, p in pressures_bar.items()) or "closed"
