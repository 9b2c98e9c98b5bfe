"""Scenes of process maps and of Pareto fronts, from the data of ``cosinter map --json`` and ``optimise --json``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cosinter.workflows.design import OUTCOMES
from cosinter.workflows.diagrams.scene import (
    GREY,
    INK,
    Entry,
    Mark,
    Patch,
    Scale,
    Scene,
    Stroke,
    colour_at,
)
from cosinter.workflows.process_map import map_csv

if TYPE_CHECKING:
    from cosinter.workflows.diagrams.drawing import Drawing

_UNITS = dict(OUTCOMES.values())
_NAMES = {
    "layered_fraction": "layered fraction",
    "spinel_fraction": "spinel fraction",
    "rock_salt_fraction": "rock-salt fraction",
    "lithium_per_metal": "Li per metal",
    "interphase_nm": "interphase",
    "asr_ohm_cm2": "ASR",
    "capacity_mAh_per_g": "capacity",
}
#: Light to dark, for points on white paper.
_DARK = ("#8fc3c6", "#63a3b8", "#4482a6", "#2d5f88", "#1b3d63")
_DASHES = ("dash", "solid")


def map_drawing(content: Mapping[str, Any]) -> Drawing:
    """The map of the outcome with the line of the target."""
    name = content["outcome"]
    target = content["target"]
    line = f"line: {_name(target['outcome'])} {target['sense']} {target['value']:g}" if target else ""
    scene = _map_scene(
        content,
        content["outcomes"][name],
        name=f"map-{name}",
        title=f"{_name(name)[:1].upper()}{_name(name)[1:]} after the furnace",
        subtitle="; ".join(filter(None, [_about(content), line])),
        scale=_scale(name, content["outcomes"][name]),
        lines=[(content["target_lines"], "solid", line)],
    )
    return _with_table(scene, content)


def probability_drawing(content: Mapping[str, Any]) -> Drawing:
    """The map of the probability that the target holds; its lines are those of ``probability_lines``."""
    target = content["target"]
    levels = content["probability_lines"]
    scene = _map_scene(
        content,
        content["probability"],
        name="map-probability",
        title=f"Probability of {_name(target['outcome'])} {target['sense']} {target['value']:g}",
        subtitle=f"{_about(content)}; {content['samples']} samples of the parameters; lines: {', '.join(levels)}",
        scale=Scale(title="probability", low=0.0, high=1.0),
        lines=[
            (lines, dash, f"probability {level}")
            for (level, lines), dash in zip(levels.items(), _DASHES, strict=True)
        ],
    )
    return _with_table(scene, content)


def _with_table(scene: Scene, content: Mapping[str, Any]) -> Drawing:
    from cosinter.workflows.diagrams.drawing import scene_drawing

    return replace(scene_drawing(scene, content), csv=partial(map_csv, content))


def _about(content: Mapping[str, Any]) -> str:
    return f"{content['study']}, case {content['case']}"


def _name(outcome: str) -> str:
    return _NAMES.get(outcome, outcome)


def _scale(outcome: str, table: Sequence[Sequence[float | None]]) -> Scale:
    """Colours from the lowest to the highest value; a share of more than half the whole scale takes it whole."""
    values = [value for row in table for value in row if value is not None]
    low, high = min(values), max(values)
    if outcome.endswith("_fraction") and high - low > 0.5:
        low, high = 0.0, 1.0
    title = "\n".join(filter(None, [_name(outcome), _UNITS.get(outcome, "")]))
    return Scale(title=title, low=low, high=high if high > low else low + 1.0)


def _map_scene(
    content: Mapping[str, Any],
    table: Sequence[Sequence[float | None]],
    *,
    name: str,
    title: str,
    subtitle: str,
    scale: Scale,
    lines: Sequence[tuple[Sequence[Mapping[str, Any]], Any, str]],
) -> Scene:
    x, y = content["x"], content["y"]
    columns, rows = (_edges(_positions(axis)) for axis in (x, y))
    patches = []
    for j, row in enumerate(table):
        for i, value in enumerate(row):
            said = "the run failed" if value is None else f"{value:.4g}"
            patches.append(
                Patch(
                    x=(columns[i], columns[i + 1], columns[i + 1], columns[i]),
                    y=(rows[j], rows[j], rows[j + 1], rows[j + 1]),
                    colour=GREY if value is None else colour_at(scale, value),
                    label=f"{x['key']} {x['values'][i]:g}\n{y['key']} {y['values'][j]:g}\n{said}",
                )
            )
    strokes = [
        Stroke(x=_on(x, line["x"]), y=_on(y, line["y"]), width=1.6, dash=dash, label=label)
        for group, dash, label in lines
        for line in group
    ]
    failed = any(value is None for row in table for value in row)
    return Scene(
        name=name.replace("_", "-").lower(),
        title=title,
        subtitle=subtitle,
        x_label=x["label"],
        y_label=y["label"],
        x_range=(columns[0], columns[-1]),
        y_range=(rows[0], rows[-1]),
        patches=tuple(patches),
        strokes=tuple(strokes),
        marks=_design(content),
        scale=scale,
        entries=(Entry(text="the run failed", colour=GREY),) if failed else (),
        caption="Every field has the colour of one run of the compensation model; lines are linear between the runs."
        + _fixed(content),
    )


def _design(content: Mapping[str, Any]) -> tuple[Mark, ...]:
    """The design that a map goes through, where it has both numbers of the axes."""
    x, y, base = content["x"], content["y"], content["base"]
    if x["key"] not in base or y["key"] not in base:
        return ()
    (across,), (up,) = _on(x, [base[x["key"]]]), _on(y, [base[y["key"]]])
    return (Mark(x=across, y=up, hollow=True, size=9.0, label="the design"),)


def _fixed(content: Mapping[str, Any]) -> str:
    """What the design of a map fixes besides its axes."""
    axes = {content["x"]["key"], content["y"]["key"]}
    rest = [f"{key} {value:g}" for key, value in content["base"].items() if key not in axes]
    return f" Fixed: {', '.join(rest)}." if rest else ""


def _positions(axis: Mapping[str, Any]) -> list[float]:
    return list(_on(axis, axis["values"]))


def _on(axis: Mapping[str, Any], values: Sequence[float]) -> tuple[float, ...]:
    """Where values stand on an axis, which may be one of logarithms."""
    if axis["logarithmic"]:
        return tuple(math.log10(value) for value in values)
    return tuple(values)


def _edges(places: Sequence[float]) -> list[float]:
    """Borders half-way between neighbours; the outermost fields end at their own run."""
    return [places[0], *(0.5 * (a + b) for a, b in pairwise(places)), places[-1]]


def front_drawing(content: Mapping[str, Any]) -> Drawing:
    """The Pareto fronts over their first two objectives, coloured by the third or by the outcome of the first target.

    Designs of the nominal front are hollow where there is a robust one; the compromise of each is larger.
    """
    from cosinter.workflows.diagrams.drawing import scene_drawing

    first, second = content["objectives"][:2]
    parts = [part for part in (content["nominal"], content["robust"]) if part is not None]
    rows = [(part, row) for part in parts for row in part["front"]]
    colour = _colouring(content)
    shades = [value for _, row in rows if (value := _shade(row, colour)) is not None]
    scale = None
    if shades:
        high = max(max(shades), min(shades) + 1e-9)
        scale = Scale(title=_title(colour), low=min(shades), high=high, colours=_DARK)
    marks = []
    for part, row in rows:
        value = _shade(row, colour)
        best = row is part["front"][part["compromise"]]
        marks.append(
            Mark(
                x=row["objectives"][first["name"]],
                y=row["objectives"][second["name"]],
                colour=INK if scale is None or value is None else colour_at(scale, value),
                hollow=content["robust"] is not None and part is content["nominal"],
                size=10.0 if best else 6.0,
                label=_told(row),
            )
        )
    return scene_drawing(
        Scene(
            name="pareto-front",
            title="Pareto front"
            if content["robust"] is None
            else "Pareto fronts, nominal (hollow) and robust",
            subtitle=f"{_about(content)}; {_aims(content)}",
            x_label=_axis(first),
            y_label=_axis(second),
            x_range=_room([mark.x for mark in marks]),
            y_range=_room([mark.y for mark in marks]),
            marks=tuple(marks),
            scale=scale,
            caption="Every point is a programme that no other beats in all objectives; the large one is nearest to the ideal.",
        ),
        content,
    )


def _colouring(content: Mapping[str, Any]) -> tuple[str, str] | None:
    """Which number of a design its colour shows."""
    if len(content["objectives"]) > 2:
        return "objectives", content["objectives"][2]["name"]
    return ("outcomes", content["targets"][0]["outcome"]) if content["targets"] else None


def _shade(row: Mapping[str, Any], colour: tuple[str, str] | None) -> float | None:
    return None if colour is None else row[colour[0]][colour[1]]


def _title(colour: tuple[str, str] | None) -> str:
    return "" if colour is None else _name(colour[1])


def _told(row: Mapping[str, Any]) -> str:
    lines = [f"{name} {value:g}" for name, value in row["design"].items()]
    lines += [
        f"{_name(name)} {value:.4g} {_UNITS[name]}".rstrip()
        for name, value in row["outcomes"].items()
        if value is not None
    ]
    if row["probability"] is not None:
        lines.append(f"probability of the targets {row['probability']['value']:.3g}")
    return "\n".join(lines)


def _aims(content: Mapping[str, Any]) -> str:
    targets = [f"{_name(one['outcome'])} {one['sense']} {one['value']:g}" for one in content["targets"]]
    chance = content["probability"]
    return " and ".join(targets) + (f" with probability {chance:g}" if chance is not None else "")


def _axis(objective: Mapping[str, Any]) -> str:
    unit = f", {objective['unit']}" if objective["unit"] else ""
    return f"{objective['name']}{unit} ({'less' if objective['sense'] == 'min' else 'more'} is better)"


def _room(values: Sequence[float]) -> tuple[float, float]:
    """The range of the values with some room at both ends."""
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.5
    return low - room, high + room
