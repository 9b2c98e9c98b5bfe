"""Bars of the sources of error that decide an outcome, the strongest on top: the picture of ``cosinter sensitivity``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cosinter.workflows.diagrams.drawing import Drawing, scene_drawing
from cosinter.workflows.diagrams.scene import INK, SOFT, Patch, Scene, Stroke
from cosinter.workflows.report.figures import slug

LOW, HIGH, PALE = "#4f7396", "#d2a24c", "#b9c4d6"
MOST_BARS = 12
WORDS = {
    "layered_fraction": "layered fraction",
    "spinel_fraction": "spinel fraction",
    "rock_salt_fraction": "rock-salt fraction",
    "lithium_per_metal": "lithium per metal",
    "interphase_nm": "interphase thickness",
    "asr_ohm_cm2": "interface resistance",
    "capacity_mAh_per_g": "capacity",
}
_HALF = 0.36
_CAPTIONS = {
    "ranks": "Spearman's rank correlation of each source of error with the outcome over all samples, and its 95 % interval. "
    "Right: more of it raises the outcome. Sources that may be there by chance are left out.",
    "sobol": "Pale: share of the variance of the outcome that a source of error causes together with others (ST); "
    "dark: by itself (S1). Lines: 95 % interval of ST.",
    "tornado": "The outcome with one source of error at its 5th (blue) or 95th (yellow) percentile, "
    "all others as they are; line: nothing changed.",
}


def influence_drawing(content: Mapping[str, Any], outcome: str) -> Drawing:
    """Draw one outcome of ``cosinter sensitivity --json``."""
    part = next(part for part in content["outcomes"] if part["outcome"] == outcome)
    rows = ([row for row in part["sources"] if row["certain"]] or part["sources"])[:MOST_BARS][::-1]
    shapes, label = _SHAPES[content["method"]](part, rows)
    patches, strokes = shapes
    reach = [x for patch in patches for x in patch.x] + [x for stroke in strokes for x in stroke.x]
    low, high = min(reach), max(reach)
    margin = 0.04 * (high - low) or 1.0
    unit = f" ({part['unit']})" if part["unit"] and content["method"] == "tornado" else ""
    scene = Scene(
        name=slug(f"{content['study']}-{content['case']}-{content['method']}-{outcome}"),
        title=f"What decides the {WORDS[outcome]} of {content['case']}",
        subtitle=f"{content['runs']} runs, {content['failed_runs']} of them failed",
        x_label=label.format(outcome=f"{WORDS[outcome]}{unit}"),
        x_range=(low - margin, high + margin),
        y_range=(-0.6, len(rows) - 0.4),
        y_names=tuple(row["name"] for row in rows),
        patches=tuple(patches),
        strokes=tuple(strokes),
        width_inches=9.6,
        height_inches=1.5 + 0.34 * len(rows),
        caption=_CAPTIONS[content["method"]],
    )
    return scene_drawing(scene, content)


Shapes = tuple[list[Patch], list[Stroke]]


def _box(place: int, start: float, end: float, colour: str, label: str, *, half: float = _HALF) -> Patch:
    return Patch(
        x=(start, end, end, start),
        y=(place - half, place - half, place + half, place + half),
        colour=colour,
        label=label,
    )


def _level(place: int, start: float, end: float) -> Stroke:
    return Stroke(x=(start, end), y=(float(place), float(place)), colour=INK, width=1.0)


def _upright(x: float, rows: int) -> Stroke:
    return Stroke(x=(x, x), y=(-0.6, rows - 0.4), colour=SOFT, width=0.8)


def _ranks(part: Mapping[str, Any], rows: list[dict[str, Any]]) -> tuple[Shapes, str]:
    patches, strokes = [], [_upright(0.0, len(rows))]
    for place, row in enumerate(rows):
        colour = (HIGH if row["rho"] > 0.0 else LOW) if row["certain"] else PALE
        words = f"{row['name']}\n{row['meaning']}\n{row['size']}, {row['kind']}\nrho {row['rho']:.2f}"
        patches.append(_box(place, 0.0, row["rho"], colour, words))
        strokes.append(_level(place, row["low"], row["high"]))
    return (patches, strokes), "rank correlation with the {outcome}"


def _sobol(part: Mapping[str, Any], rows: list[dict[str, Any]]) -> tuple[Shapes, str]:
    patches, strokes = [], [_upright(0.0, len(rows))]
    for place, row in enumerate(rows):
        words = f"{row['name']}\n{row['meaning']}\n{row['size']}, {row['kind']}\nS1 {row['S1']:.2f}, ST {row['ST']:.2f}"
        patches.append(_box(place, 0.0, max(row["ST"], 0.0), PALE, words))
        patches.append(_box(place, 0.0, max(row["S1"], 0.0), LOW, words, half=0.6 * _HALF))
        strokes.append(_level(place, max(row["ST"] - row["ST_margin"], 0.0), row["ST"] + row["ST_margin"]))
    return (patches, strokes), "share of the variance of the {outcome}"


def _tornado(part: Mapping[str, Any], rows: list[dict[str, Any]]) -> tuple[Shapes, str]:
    nominal = part["nominal"]
    patches = []
    for place, row in enumerate(rows):
        words = f"{row['name']}\n{row['meaning']}\n{row['size']}, {row['kind']}\n{row['low']:.4g} to {row['high']:.4g}"
        patches.append(_box(place, nominal, row["low"], LOW, words))
        patches.append(_box(place, nominal, row["high"], HIGH, words, half=0.8 * _HALF))
    return (patches, [_upright(nominal, len(rows))]), "{outcome}"


_SHAPES: Mapping[str, Callable[[Mapping[str, Any], list[dict[str, Any]]], tuple[Shapes, str]]] = {
    "ranks": _ranks,
    "sobol": _sobol,
    "tornado": _tornado,
}
