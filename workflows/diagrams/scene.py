"""What a diagram shows, as plain data: patches, strokes, marks and notes over two axes.

Built once from the numbers; :mod:`cosinter.workflows.diagrams.render` turns it into PNG, SVG, PDF and an interactive
page, so that they never differ. A scene is JSON-able and may be part of a report's content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

from numpy.typing import ArrayLike
from pydantic import Field

from cosinter.workflows.report.rows import Content, Series

INK, SOFT, GRID, PAPER = "#23272e", "#6b7078", "#e4e1db", "#ffffff"
#: Light to dark, lightness falls steadily: readable without colour vision, and dark text stays readable on it.
SEQUENCE = ("#fbf4e6", "#e3ebd6", "#bcdcd0", "#8fc3c6", "#63a3b8", "#4482a6")
#: Tints of regions: eight hues at three lightnesses (OKLCH), those after each other far apart.
TINTS = (
    "#ffdfde", "#bed999", "#75c0c0", "#d1f2d7", "#b4cffe", "#d09fc4", "#e5e5ff", "#febca2",
    "#b8b47c", "#ffe2c7", "#8ee1c7", "#85b8dc", "#c2f3f2", "#ddbffc", "#dd9e9d", "#fedcf5",
    "#e7cb89", "#8fbf98", "#eceac4", "#86ddf4", "#acabe0", "#d2ecff", "#ffb6ce", "#d3a87f",
)  # fmt: skip
#: Fill of what is too small to carry a number.
GREY = "#e3e3e3"
Anchor = Literal["left", "center", "right"]
Level = Literal["top", "middle", "bottom"]

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_FORMS = {"s": "", "l": " melt", "(g)": " gas"}


class Patch(Content):
    """A filled polygon; ``label`` is what the pointer shows, ``entry`` the number of its legend entry, from 0."""

    x: Series
    y: Series
    colour: str
    border: str = PAPER
    width: float = 0.0
    label: str = ""
    entry: int | None = None


class Stroke(Content):
    """A line."""

    x: Series
    y: Series
    colour: str = INK
    width: float = 1.0
    dash: Literal["solid", "dash", "dot"] = "solid"
    label: str = ""


class Mark(Content):
    """A point; ``hollow`` where it is not stable."""

    x: float
    y: float
    colour: str = INK
    hollow: bool = False
    size: float = 6.0
    label: str = ""


class Note(Content):
    """A word on the diagram, sizes in points; ``leader`` is the point a thin line leads to."""

    x: float
    y: float
    text: str
    anchor: Anchor = "center"
    level: Level = "middle"
    size: float = 9.0
    colour: str = INK
    bold: bool = False
    angle: float = 0.0
    halo: bool = True
    leader: tuple[float, float] | None = None


class Scale(Content):
    """A colour bar from ``low`` to ``high``."""

    title: str
    low: float
    high: float
    colours: tuple[str, ...] = SEQUENCE


class Entry(Content):
    """A line of the legend; ``sign`` is printed in the swatch."""

    text: str
    colour: str
    sign: str = ""


class Scene(Content):
    """One diagram.

    ``framed`` draws axes with ticks (at ``x_ticks`` where given; right of the last one there is room for notes; with
    ``y_names`` at 0, 1, ... upwards in place of numbers);
    otherwise the scales of both axes are equal and none is drawn.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    subtitle: str = ""
    x_label: str = ""
    y_label: str = ""
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    x_ticks: Series = ()
    y_names: tuple[str, ...] = ()
    framed: bool = True
    patches: tuple[Patch, ...] = ()
    strokes: tuple[Stroke, ...] = ()
    marks: tuple[Mark, ...] = ()
    notes: tuple[Note, ...] = ()
    scale: Scale | None = None
    entries: tuple[Entry, ...] = ()
    legend_title: str = ""
    width_inches: float = 7.2
    height_inches: float = 5.6
    caption: str = ""


def pretty(name: str) -> str:
    """Write a phase for a reader: ``TiO2_rutile`` -> 'TiO₂ rutile', ``O2(g)`` -> 'O₂ gas', ``LiOH_l`` -> 'LiOH melt'."""
    stem, _, form = name.partition("_")
    if name.endswith("(g)"):
        stem, form = name[:-3], "(g)"
    suffix = _FORMS.get(form, f" {form}" if form else "")
    return subscripted(stem) + suffix


def subscripted(formula: str) -> str:
    """Lower the amounts of a formula: 'Li1.3Al0.3' -> 'Li₁.₃Al₀.₃'."""
    return re.sub(r"(?<=[A-Za-z)])\d+(?:\.\d+)?", lambda match: match[0].translate(_SUBSCRIPTS), formula)


def colour_at(scale: Scale, value: float) -> str:
    """Colour of ``value`` on the scale, linear between its colours."""
    span = scale.high - scale.low
    place = 0.0 if span <= 0.0 else min(max((value - scale.low) / span, 0.0), 1.0) * (len(scale.colours) - 1)
    first = min(int(place), len(scale.colours) - 2)
    share = place - first
    mixed = (
        round(
            (1.0 - share) * int(scale.colours[first][k : k + 2], 16)
            + share * int(scale.colours[first + 1][k : k + 2], 16)
        )
        for k in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)


def text_size(text: str, size: float) -> tuple[float, float]:
    """Width and height of a word in inches, as set in DejaVu Sans (mean width of its letters)."""
    narrow = sum(letter in "₀₁₂₃₄₅₆₇₈₉.()il " for letter in text)
    return (0.62 * (len(text) - narrow) + 0.38 * narrow) * size / 72.0, 1.25 * size / 72.0


def inscribed(polygon: ArrayLike) -> tuple[float, float, float]:
    """Centre and radius of the largest circle in a convex polygon [n, 2]: where its name has most room (near the middle)."""
    import numpy as np

    from cosinter.analysis.equilibrium.envelope import Polytope

    points = np.asarray(polygon, dtype=np.float64)
    sides = np.roll(points, -1, axis=0) - points
    keep = np.linalg.norm(sides, axis=1) > 1e-12
    normals = np.column_stack([sides[keep, 1], -sides[keep, 0]])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals *= np.sign(np.sum(normals * (points[keep] - points.mean(axis=0)), axis=1))[:, None]
    offsets = np.sum(normals * points[keep], axis=1)
    centre, radius = Polytope(normals, offsets).centre()
    middle = points.mean(axis=0)
    room = float(np.min(offsets - normals @ middle))
    at = middle if room > 0.85 * radius else centre
    return float(at[0]), float(at[1]), radius


def wrapped(text: str, width: int = 54) -> str:
    """Break a list of products into lines."""
    import textwrap

    return "\n".join(textwrap.wrap(text, width, break_long_words=False))


def legend_height(entries: Sequence[Entry]) -> float:
    """Inches that the legend takes from the top of the page."""
    return 0.9 + sum(0.135 * (entry.text.count("\n") + 1) + 0.09 for entry in entries)


Box = tuple[float, float, float, float]
_WAYS: tuple[tuple[float, float, Anchor, Level], ...] = (
    (1.0, 0.0, "left", "middle"),
    (-1.0, 0.0, "right", "middle"),
    (0.0, 1.0, "center", "bottom"),
    (0.0, -1.0, "center", "top"),
    (0.75, 0.75, "left", "bottom"),
    (-0.75, 0.75, "right", "bottom"),
    (0.75, -0.75, "left", "top"),
    (-0.75, -0.75, "right", "top"),
)


def place_labels(
    marks: Sequence[tuple[float, float, str]],
    *,
    inch: tuple[float, float],
    size: float = 9.0,
    strokes: Iterable[Stroke] = (),
    taken: Sequence[Box] = (),
    prefer: Sequence[tuple[float, float] | None] = (),
    colour: str = INK,
) -> tuple[list[Note], list[Box]]:
    """Set a label beside every mark so that labels cover neither each other nor marks, and few lines.

    Parameters
    ----------
    marks : (x, y, text)
    inch : inches per unit of x and of y
    strokes : lines that labels should not lie on
    taken : boxes (left, bottom, right, top in inches) already used
    prefer : direction wished for each mark

    Returns
    -------
    Notes, and all boxes used (in inches).
    """
    boxes: list[Box] = list(taken)
    dots = [(x * inch[0], y * inch[1]) for x, y, _ in marks]
    lines = [dot for stroke in strokes for dot in _dotted(stroke, inch)]
    notes = []
    for place, (x, y, text) in enumerate(marks):
        others = [dot for number, dot in enumerate(dots) if number != place]
        wish = prefer[place] if place < len(prefer) else None
        reach, number, box = _best(dots[place], text_size(text, size), boxes, others, lines, wish)
        dx, dy, anchor, level = _WAYS[number]
        notes.append(
            Note(
                x=x + dx * reach / inch[0], y=y + dy * reach / inch[1], text=text, anchor=anchor, level=level, size=size,
                colour=colour, leader=(x, y) if reach > 0.25 else None,
            )
        )  # fmt: skip
        boxes.append(box)
    return notes, boxes


def _best(
    at: tuple[float, float],
    size: tuple[float, float],
    boxes: Sequence[Box],
    others: Sequence[tuple[float, float]],
    lines: Sequence[tuple[float, float]],
    wish: tuple[float, float] | None,
) -> tuple[float, int, Box]:
    """Distance, direction and box of the place that covers least, is near, and lies where it is wished."""
    tried = []
    for reach in (0.10, 0.2, 0.32, 0.46):
        for number, way in enumerate(_WAYS):
            box = _box(at, way, reach, size)
            cost = 40.0 * sum(overlap(box, other) for other in boxes) + 0.04 * sum(
                _inside(box, dot) for dot in lines
            )
            cost += (
                sum(max(0.0, 0.14 - _distance(box, dot)) * 12.0 for dot in others)
                + 0.8 * reach
                + 0.02 * number
            )
            if wish is not None:
                cost += 0.25 * (1.0 - way[0] * wish[0] - way[1] * wish[1])
            tried.append((cost, reach, number, box))
    return min(tried)[1:]


def _distance(box: Box, dot: tuple[float, float]) -> float:
    """From the nearest side of a box to a point, inches; 0 inside."""
    wide = max(box[0] - dot[0], 0.0, dot[0] - box[2])
    high = max(box[1] - dot[1], 0.0, dot[1] - box[3])
    return float((wide**2 + high**2) ** 0.5)


def _box(
    at: tuple[float, float], way: tuple[float, float, Anchor, Level], reach: float, size: tuple[float, float]
) -> Box:
    x, y = at[0] + way[0] * reach, at[1] + way[1] * reach
    left = {"left": x, "center": x - size[0] / 2.0, "right": x - size[0]}[way[2]]
    low = {"bottom": y, "middle": y - size[1] / 2.0, "top": y - size[1]}[way[3]]
    return left, low, left + size[0], low + size[1]


def overlap(one: Box, other: Box) -> float:
    """Common area of two boxes (square inches, a little more than zero where they meet at all)."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high + 0.02 if wide > 0.0 and high > 0.0 else 0.0


def _inside(box: Box, dot: tuple[float, float]) -> bool:
    return box[0] <= dot[0] <= box[2] and box[1] <= dot[1] <= box[3]


def _dotted(stroke: Stroke, inch: tuple[float, float]) -> list[tuple[float, float]]:
    """Points every 0.06 inch along a line."""
    dots = []
    points = list(zip(stroke.x, stroke.y, strict=True))
    for (x0, y0), (x1, y1) in pairwise(points):
        length = ((x1 - x0) ** 2 * inch[0] ** 2 + (y1 - y0) ** 2 * inch[1] ** 2) ** 0.5
        count = max(1, int(length / 0.06))
        dots += [
            ((x0 + (x1 - x0) * k / count) * inch[0], (y0 + (y1 - y0) * k / count) * inch[1])
            for k in range(count + 1)
        ]
    return dots
