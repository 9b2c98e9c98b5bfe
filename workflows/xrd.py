"""Quasi-in-situ powder diffraction of a finished run: patterns along the programme, peaks followed, a measured one beside."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.constants import zero_Celsius

from cosinter.analysis.observables.diffraction import (
    Radiation,
    pattern_ratio_003_104,
    powder_pattern,
)
from cosinter.analysis.observables.peaks import Overlay, Peak, find_peak, overlay
from cosinter.data.exceptions import InputError, UnknownNameError
from cosinter.workflows.report.collect import read_collected
from cosinter.workflows.steps.diffraction import mixture_at, reached

if TYPE_CHECKING:
    import xarray

    from cosinter.analysis.observables.diffraction import Pattern

FloatArray = NDArray[np.float64]
#: Reflections that are followed: phase label and family.
FOLLOWED: Mapping[str, tuple[str, tuple[int, int, int]]] = {
    "layered (003)": ("layered", (0, 0, 3)),
    "layered (101)": ("layered", (1, 0, 1)),
    "layered (104)": ("layered", (1, 0, 4)),
    "rock salt (200)": ("rock salt", (2, 0, 0)),
    "spinel (311)": ("spinel", (3, 1, 1)),
    "Li3PO4 (strongest)": ("Li3PO4", (0, 0, 0)),
    "LiTiOPO4 (strongest)": ("LiTiOPO4", (0, 0, 0)),
}
COLUMNS = (
    "case", "temperature_C", "cooled", "reflection", "expected_deg", "two_theta_deg", "height", "area", "width_deg",
    "phase_weight_percent", "ratio_003_104",
)  # fmt: skip
_AT_ANY_FAMILY = (0, 0, 0)


@dataclass(frozen=True)
class Request:
    """What is simulated: temperatures (°C) on heating, radiation, range and step (degrees), profile, cases (all if empty)."""

    temperatures_C: tuple[float, ...]
    radiation: Radiation = "CuKa"
    two_theta: tuple[float, float] = (10.0, 80.0)
    step_deg: float = 0.02
    size_nm: float = 100.0
    width_deg: float = 0.08
    cases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moment:
    """A pattern at one temperature; ``cooled`` after the programme. ``ratio`` is I(003)/I(104) of the whole pattern."""

    case: str
    temperature_C: float
    cooled: bool
    pattern: Pattern
    weight_percent: Mapping[str, float]
    ratio: float | None
    missing: tuple[tuple[str, float], ...]


def simulate(
    root: Path, request: Request, *, tell: Callable[[str, int, int], None] | None = None
) -> tuple[Moment, ...]:
    """Patterns of the sintered cases of the run in ``root``: on heating at the temperatures asked for, and after cooling.

    Raises
    ------
    InputError, UnknownNameError
        No finished furnace, no such case, a temperature that the programme does not reach, or a range without sense.
    """
    found = read_collected(root)
    stages = {stage.data["summary"]["name"]: stage for stage in found.of("sinter")}
    if not stages:
        raise InputError("this run has no sintered case yet; finish it with cosinter run STUDY")
    for name in request.cases:
        if name not in stages:
            raise UnknownNameError("case", name, stages)
    chosen = request.cases or tuple(stages)
    moments: list[Moment] = []
    for place, name in enumerate(chosen):
        if tell is not None:
            tell(f"patterns of {name}", place, len(chosen))
        moments.extend(
            _moments(name, stages[name].folder / "furnace.nc", found.study.cathode.formula, request)
        )
    return tuple(moments)


def _moments(name: str, file: Path, formula: str, request: Request) -> Iterator[Moment]:
    import xarray

    with xarray.open_dataset(file, engine="scipy") as stored:
        dataset = stored.load()
    temperature = dataset["temperature"].to_numpy() - zero_Celsius
    for wanted in sorted(request.temperatures_C):
        at = reached(temperature, wanted)
        if at is None:
            raise InputError(
                f"{wanted:g} °C is not reached by the programme of {name}; it ends at {temperature.max():g} °C"
            )
        yield _moment(name, formula, dataset.isel(time=at), wanted, request)
    yield _moment(name, formula, dataset.isel(time=-1), float(temperature[-1]), request, cooled=True)


def _moment(
    name: str,
    formula: str,
    moment: xarray.Dataset,
    temperature_C: float,
    request: Request,
    *,
    cooled: bool = False,
) -> Moment:
    from cosinter.analysis.observables.sintered_phases import layered_structure

    cathode, mixture = mixture_at(formula, moment)
    pattern = powder_pattern(
        mixture.phases,
        wavelength=request.radiation,
        two_theta=request.two_theta,
        step_deg=request.step_deg,
        crystallite_size_nm=request.size_nm,
        instrument_width_deg=request.width_deg,
    )
    try:
        ratio = pattern_ratio_003_104(pattern, layered_structure(cathode))
    except InputError:  # the range asked for leaves one of the two out
        ratio = None
    weights = {phase.label: 100.0 * phase.weight_fraction for phase in mixture.phases}
    return Moment(name, temperature_C, cooled, pattern, weights, ratio, mixture.missing)


def peak_rows(moments: Sequence[Moment]) -> list[dict[str, Any]]:
    """Every followed reflection of every pattern, keys :data:`COLUMNS`; a hidden or absent one has no position."""
    rows = []
    for moment in moments:
        for title in FOLLOWED:
            expected = _expected(moment.pattern, *FOLLOWED[title])
            peak: Peak | None = None
            if expected is not None:
                peak = find_peak(moment.pattern.two_theta_deg, moment.pattern.intensity, expected)
            label = FOLLOWED[title][0]
            rows.append(
                {
                    "case": moment.case,
                    "temperature_C": moment.temperature_C,
                    "cooled": moment.cooled,
                    "reflection": title,
                    "expected_deg": expected,
                    "two_theta_deg": peak and peak.two_theta_deg,
                    "height": peak and peak.height,
                    "area": peak and peak.area,
                    "width_deg": peak and peak.width_deg,
                    "phase_weight_percent": moment.weight_percent.get(label, 0.0),
                    "ratio_003_104": moment.ratio,
                }
            )
    return rows


def _expected(pattern: Pattern, label: str, family: tuple[int, int, int]) -> float | None:
    """Angle of a family of a phase by its cell (the strongest line where no family is given); None if it is not there."""
    own = [stick for stick in pattern.reflections if stick.label == label]
    if family != _AT_ANY_FAMILY:
        wanted = _key(family, hexagonal=label == "layered")
        own = [stick for stick in own if _key(stick.hkl, hexagonal=label == "layered") == wanted]
    return max(own, key=lambda stick: stick.area).two_theta_deg if own else None


def _key(hkl: tuple[int, int, int], *, hexagonal: bool) -> tuple[int, ...]:
    h, k, index = hkl
    return (h * h + h * k + k * k, abs(index)) if hexagonal else (h * h + k * k + index * index,)


def matrix_csv(moments: Sequence[Moment]) -> str:
    """All patterns of one range: the angle, then one column per case and temperature."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["two_theta_deg", *(title(moment) for moment in moments)])
    columns = [moment.pattern.intensity for moment in moments]
    for angle, *values in zip(moments[0].pattern.two_theta_deg, *columns, strict=True):
        writer.writerow([f"{angle:.4f}", *(f"{value:.6g}" for value in values)])
    return buffer.getvalue()


def title(moment: Moment) -> str:
    """Case and temperature in words.

    >>> title(Moment("bare", 25.0, True, None, {}, None, ()))
    'bare, 25 °C after cooling'
    """
    return f"{moment.case}, {moment.temperature_C:g} °C{' after cooling' if moment.cooled else ''}"


def compare(moments: Sequence[Moment], angles: FloatArray, counts: FloatArray) -> list[Overlay]:
    """The measured pattern beside each simulated one; see :func:`cosinter.analysis.observables.peaks.overlay`."""
    return [overlay(m.pattern.two_theta_deg, m.pattern.intensity, angles, counts) for m in moments]
