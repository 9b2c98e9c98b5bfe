"""Draw a sweep: the outcomes over one changed key, a line per case and per value of the other keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cosinter.data.exceptions import InputError
from cosinter.workflows.diagrams.drawing import Drawing, figure_drawing
from cosinter.workflows.report.content import Role
from cosinter.workflows.report.figures import DASHES, Figure, Line, Panel, colours_of
from cosinter.workflows.study import Study

PANELS = {
    "layered_fraction": "Layered fraction",
    "interphase_nm": "Interphase thickness (nm)",
    "asr_ohm_cm2": "Area-specific resistance (Ω cm²)",
    "capacity_mAh_per_g": "Capacity (mAh/g)",
}
LOGARITHMIC = ("interphase_nm", "asr_ohm_cm2")
BAND = "5 to 95 % over the samples of the parameters"
MOST_LINES = 24
Rows = Sequence[Mapping[str, Any]]


def sweep_drawing(study: Study, rows: Rows, *, axes: Sequence[str]) -> Drawing:
    """A picture of the rows of a sweep; ``axes`` are its keys, the first with several numbers becomes the x axis.

    Raises
    ------
    InputError
        No key has two numbers, or there are too many lines to tell apart.
    """
    return figure_drawing(sweep_figure(study, rows, axes=axes), {"rows": [dict(row) for row in rows]})


def sweep_figure(study: Study, rows: Rows, *, axes: Sequence[str]) -> Figure:
    """Panels of the outcomes over the x axis; runs that failed leave a gap in no line, they are left out.

    Raises
    ------
    InputError
        See :func:`sweep_drawing`.
    """
    x = next((key for key in axes if _is_axis(rows, key)), None)
    if x is None:
        raise InputError(
            "a picture needs a key with at least two numbers, for example furnace.hold_C=500:800:25"
        )
    others = [key for key in axes if key != x]
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["error"] is None:
            groups.setdefault((row["case"], *(row[key] for key in others)), []).append(row)
    if not 1 <= len(groups) <= MOST_LINES:
        raise InputError(
            f"a picture over {x} would hold {len(groups)} lines; 1 to {MOST_LINES} can be told apart, "
            "choose fewer cases or values"
        )
    styles = _styles(study, list(groups))
    panels = tuple(
        _panel(name, [_line(key, group, x, name, others, *styles[key]) for key, group in groups.items()])
        for name in PANELS
    )
    return Figure(
        name=f"{study.name}-sweep",
        section="furnace",
        title=study.title or study.name,
        x_label=x,
        panels=panels,
        caption=f"Outcome of the furnace over {x}. Bands: {BAND}."
        if "samples" in rows[0]
        else f"Outcome over {x}.",
    )


def _panel(name: str, lines: Sequence[Line]) -> Panel:
    """Fractions and capacities from 0, thicknesses and resistances, which span decades, on a logarithmic axis."""
    values = [
        value for line in lines for series in (line.y, line.low or (), line.high or ()) for value in series
    ]
    logarithmic = name in LOGARITHMIC and min(values) > 0.0
    top = {"layered_fraction": 1.0}.get(name, max(values))
    y_range = None if name in LOGARITHMIC else (0.0, 1.05 * top)
    return Panel(PANELS[name], tuple(lines), log_y=logarithmic, y_range=y_range)


def _is_axis(rows: Rows, key: str) -> bool:
    values = {row[key] for row in rows}
    return len(values) > 1 and not any(isinstance(value, str) for value in values)


def _styles(study: Study, keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], tuple[str, Any]]:
    """Colour and stroke of every line: the colour of its place among lines with or without compensator, strokes in turn."""
    salted = {case.name for case in study.cases if case.compensator is not None}
    roles: list[Role] = ["compensated" if key[0] in salted else "bare" for key in keys]
    cases = [key[0] for key in keys]
    turns = [cases[:place].count(case) for place, case in enumerate(cases)]
    return {
        key: (colour, DASHES[turn % len(DASHES)])
        for key, colour, turn in zip(keys, colours_of(roles), turns, strict=True)
    }


def _line(
    key: tuple[Any, ...], group: Rows, x: str, name: str, others: Sequence[str], colour: str, dash: Any
) -> Line:
    ordered = sorted(group, key=lambda row: float(row[x]))
    banded = all(row.get(f"{name}_low") is not None for row in ordered)
    values = [
        f"{other.rpartition('.')[2]} {_shown(value)}" for other, value in zip(others, key[1:], strict=True)
    ]
    return Line(
        label=", ".join([key[0], *values]),
        x=tuple(float(row[x]) for row in ordered),
        y=tuple(row[name] for row in ordered),
        colour=colour,
        dash=dash,
        low=tuple(row[f"{name}_low"] for row in ordered) if banded else None,
        high=tuple(row[f"{name}_high"] for row in ordered) if banded else None,
        markers=len(ordered) < 40,
        band=BAND if banded else "",
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
