"""The comparison of several runs as one page and as pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from cosinter.workflows.comparison import OUTCOMES
from cosinter.workflows.diagrams.drawing import Drawing, scene_drawing
from cosinter.workflows.diagrams.scene import INK, Patch, Scene, Stroke
from cosinter.workflows.report.page import environment, template_text

_DRAWN = ("layered_fraction", "capacity_mAh_per_g", "asr_ohm_cm2")
_HALF = 0.3
_PALE = ("#b9c4d6", "#e3b08f", "#a9d3bf", "#dccb9c", "#cdb7d9", "#c9c9c4")


def outcome_drawing(content: Mapping[str, Any], outcome: str) -> Drawing:
    """One outcome of all cases: the value as a stroke, 5 to 95 % as a bar; resistances as their decimal logarithm."""
    import math

    title, unit = next((title, unit) for key, title, unit in OUTCOMES if key == outcome)
    logarithmic = outcome == "asr_ohm_cm2"

    def place(value: float) -> float:
        return math.log10(max(value, 1e-3)) if logarithmic else value

    rows = [row for row in content["outcomes"] if row[outcome] is not None][::-1]
    patches, strokes, reach = [], [], []
    studies = [study["name"] for study in content["studies"]]
    for at, row in enumerate(rows):
        colour = _PALE[studies.index(row["study"]) % len(_PALE)]
        value = place(row[outcome])
        low, high = (row[f"{outcome}_{end}"] for end in ("low", "high"))
        ends = (value, value) if low is None or high is None else (place(low), place(high))
        reach += [value, *ends]
        if ends[1] > ends[0]:
            patches.append(
                Patch(
                    x=(ends[0], ends[1], ends[1], ends[0]),
                    y=(at - _HALF, at - _HALF, at + _HALF, at + _HALF),
                    colour=colour,
                    label=f"{row['study']}, {row['case']}: {row[outcome]:.4g} ({low:.4g} to {high:.4g}) {unit}",
                )
            )
        strokes.append(Stroke(x=(value, value), y=(at - _HALF, at + _HALF), colour=INK, width=2.4))
    low, high = min(reach), max(reach)
    margin = 0.05 * (high - low) or 0.5
    label = f"log₁₀({title} / {unit})" if logarithmic else f"{title}{f' / {unit}' if unit else ''}"
    scene = Scene(
        name=f"compare-{outcome.replace('_', '-').lower()}",
        title=title[0].upper() + title[1:],
        x_label=label,
        x_range=(low - margin, high + margin),
        y_range=(-0.6, len(rows) - 0.4),
        y_names=tuple(f"{row['study']}: {row['case']}" for row in rows),
        patches=tuple(patches),
        strokes=tuple(strokes),
        width_inches=9.6,
        height_inches=1.3 + 0.36 * len(rows),
        caption="Line: the value; bar: 5 to 95 % over the errors of all parameters.",
    )
    return scene_drawing(scene, dict(content))


def comparison_page(content: Mapping[str, Any]) -> str:
    """One HTML page that needs no other file and no network."""
    drawings = [outcome_drawing(content, outcome) for outcome in _drawn(content)]
    pictures = [
        {
            "title": drawing.title,
            "data": Markup("data:image/svg+xml;base64," + base64.b64encode(drawing.content("svg")).decode()),
        }
        for drawing in drawings
    ]
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            content=content,
            outcomes=OUTCOMES,
            pictures=pictures,
            style=Markup(template_text("report.css")),
        )
    )


def _drawn(content: Mapping[str, Any]) -> Sequence[str]:
    return [key for key in _DRAWN if any(row[key] is not None for row in content["outcomes"])]
