"""Scene of a product map: which products at which temperature and mixing ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cosinter.data.exceptions import InputError
from cosinter.workflows.diagrams.products import (
    MINOR,
    Stretch,
    is_grouped,
    ratio,
    rescaled,
    stretches,
    strongest,
)
from cosinter.workflows.diagrams.scene import (
    GREY,
    INK,
    PAPER,
    TINTS,
    Entry,
    Note,
    Patch,
    Scene,
    Stroke,
    legend_height,
    subscripted,
    wrapped,
)
from cosinter.workflows.report.figures import slug

_WIDE, _HIGH = 5.0, 4.4
_NUMBERED = len(TINTS)
#: A change of the strongest ratio between two temperatures that is a jump.
_JUMP = 0.03
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Track:
    """A region: the same products at neighbouring temperatures.

    Attributes
    ----------
    rows : (°C, from, to) upwards
    inch : inches per °C on the page
    """

    products: tuple[str, ...]
    rows: tuple[tuple[float, float, float], ...]
    inch: float

    def holds(self, points: Points) -> bool:
        """Whether one of the points (°C, x) is in the region or on its border."""
        on = {temperature: (low - 1e-9, high + 1e-9) for temperature, low, high in self.rows}
        return any(on[at][0] <= x <= on[at][1] for at, x in points if at in on)

    def room(self) -> tuple[float, float, float]:
        """Where its number fits best: x, y, and the free distance around it in inches."""
        places = [
            (0.5 * (low + high), temperature, 0.5 * (high - low) * _WIDE)
            for temperature, low, high in self.rows
        ]
        rooms = [(x, y, min(half, self._height(x, y) * self.inch)) for x, y, half in places]
        return max(rooms, key=lambda room: room[2])

    def _height(self, x: float, temperature: float) -> float:
        """How far the region reaches up and down at ``x``, the shorter of both, in °C."""
        outside = [row[0] for row in self.rows if not row[1] < x < row[2]]
        below = max([self.rows[0][0], *(value for value in outside if value <= temperature)])
        above = min([self.rows[-1][0], *(value for value in outside if value >= temperature)])
        return min(temperature - below, above - temperature)


def map_scene(
    content: Mapping[str, Any], *, basis: str = "mass", minor: float = MINOR, note: str = ""
) -> Scene:
    """Draw the map of ``{"temperatures": [mixing lines]}``; ``note`` is added to the subtitle.

    Raises
    ------
    InputError
        Fewer than two temperatures, or a basis that is not known.
    """
    lines = sorted(content["temperatures"], key=lambda line: line["temperature_C"])
    if len(lines) < 2:
        raise InputError(
            "a map needs at least two temperatures; give a range such as --temperature 400:900:25"
        )
    grouped = is_grouped(lines[0])
    weight = next((w for w in (ratio(line, basis) for line in lines) if w != 1.0), 1.0)
    cut = [
        (
            line["temperature_C"],
            [
                Stretch(rescaled(part.start, weight), rescaled(part.end, weight), part.products)
                for part in stretches(line, minor=minor, grouped=grouped)
            ],
        )
        for line in lines
    ]
    span = cut[0][0], cut[-1][0]
    tracks = _tracks(cut, inch=_HIGH / (span[1] - span[0]))
    rules = [f"products above {100 * minor:g} % of the atoms"] if minor else []
    rules += ["M = Ni, Co, Mn"] if grouped else []
    ridge = _ridge(lines)
    if len(ridge) > 1:
        moles = dict.fromkeys(f"{extreme(mole for _, mole in ridge):.2f}" for extreme in (min, max))
        rules += [f"dotted: strongest ratio, {' to '.join(moles)} by mole"]
    marked = [(at, rescaled(mole, weight)) for at, mole in ridge]
    return _scene(
        lines[0], tracks, ridge=marked, span=span, basis=basis, rules=[*rules, *filter(None, [note])]
    )


def _ridge(lines: Sequence[Mapping[str, Any]]) -> Points:
    """(°C, mole fraction) of the ratio that gains most, wherever something reacts."""
    kinks = [(float(line["temperature_C"]), strongest(line)) for line in lines]
    return [(at, float(kink["fraction"]["mole"])) for at, kink in kinks if kink]


def _ridge_strokes(ridge: Points) -> tuple[Stroke, ...]:
    """Dotted lines along the strongest ratio; a jump to another ratio is half way between two temperatures."""
    parts: list[Points] = [[]]
    for before, point in pairwise([*ridge[:1], *ridge]):
        if abs(point[1] - before[1]) > _JUMP:
            middle = 0.5 * (before[0] + point[0])
            parts[-1].append((middle, before[1]))
            parts.append([(middle, point[1])])
        parts[-1].append(point)
    return tuple(
        Stroke(
            x=tuple(x for _, x in part), y=tuple(at for at, _ in part), colour=INK, width=1.1, dash="dot",
            label="strongest ratio",
        )
        for part in parts
        if len(part) > 1
    )  # fmt: skip


def _scene(
    line: Mapping[str, Any],
    tracks: Sequence[Track],
    *,
    ridge: Points,
    span: tuple[float, float],
    basis: str,
    rules: Sequence[str],
) -> Scene:
    rooms = {place: track.room() for place, track in enumerate(tracks)}
    roomy = [place for place in rooms if rooms[place][2] > 0.07]
    roomy.sort(key=lambda place: (not tracks[place].holds(ridge), -rooms[place][2]))
    sets = list(dict.fromkeys(tracks[place].products for place in roomy[:_NUMBERED]))
    sets.sort(key=lambda products: min(rooms[k][0] for k in roomy if tracks[k].products == products))
    number = {products: k for k, products in enumerate(sets)}
    colours = _colours(tracks, sets)
    entries = tuple(
        Entry(text=wrapped(" + ".join(products)), colour=colours[products], sign=str(k + 1))
        for products, k in number.items()
    )
    if any(track.products not in number for track in tracks):
        entries += (Entry(text="small regions: named in .html and .csv", colour=GREY),)
    first, second = (subscripted(formula) for formula in line["reactants"])
    gases = ", ".join(f"{subscripted(gas)} {pressure:g} bar" for gas, pressure in line["atmosphere"].items())
    return Scene(
        name=slug(f"map-{'-'.join(line['reactants'])}"),
        title=f"{first} + {second}",
        subtitle="; ".join([gases or "no open gas", *rules]),
        x_label=f"{basis} fraction of {first}",
        y_label="temperature / °C",
        x_range=(0.0, 1.0),
        y_range=span,
        patches=tuple(
            Patch(
                x=tuple(x for x, _ in outline), y=tuple(y for _, y in outline),
                colour=colours.get(track.products, GREY), border=PAPER, width=0.8, label=" + ".join(track.products),
                entry=number.get(track.products, len(sets)),
            )
            for track, outline in ((track, _outline(track)) for track in tracks)
        ),
        notes=tuple(
            Note(x=rooms[k][0], y=rooms[k][1], text=str(number[tracks[k].products] + 1), size=8.0, bold=True)
            for k in roomy
            if tracks[k].products in number
        ),
        strokes=_ridge_strokes(ridge),
        entries=entries,
        legend_title="products",
        width_inches=9.8,
        height_inches=max(_HIGH + 1.3, legend_height(entries)),
        caption="Each region is one set of products; borders in the ratio are exact, in temperature as fine as the lines "
        "computed. Small regions are grey; the pointer names them. The dotted line is the ratio that gains most.",
    )  # fmt: skip


Rows = list[tuple[float, float, float]]


def _tracks(cut: Sequence[tuple[float, Sequence[Stretch]]], *, inch: float) -> tuple[Track, ...]:
    """Join stretches of the same products at neighbouring temperatures.

    Where two neighbouring lines run through the same products their borders are joined straight; where not, all
    borders step half way, so that no place is left without an answer.
    """
    growing: list[tuple[tuple[str, ...], Rows]] = []
    done: list[tuple[tuple[str, ...], Rows]] = []
    before = cut[0][0]
    for temperature, parts in cut:
        middle = 0.5 * (before + temperature)
        steps = [products for products, _ in growing] != [part.products for part in parts]
        following = []
        for part in parts:
            match = next((t for t in growing if t[0] == part.products and _meet(t[1][-1], part)), None)
            rows: Rows = [] if match is None else match[1]
            if match is not None:
                growing.remove(match)
            if match is not None and steps:
                rows.append((middle, *rows[-1][1:]))
            if match is None or steps:
                rows.append((middle, part.start, part.end))
            rows.append((temperature, part.start, part.end))
            following.append((part.products, rows))
        for products, rows in growing:
            done.append((products, [*rows, (middle, *rows[-1][1:])]))
        growing, before = following, temperature
    return tuple(Track(products, tuple(rows), inch) for products, rows in [*done, *growing])


def _meet(row: tuple[float, float, float], part: Stretch) -> bool:
    return row[1] < part.end and part.start < row[2]


def _outline(track: Track) -> list[tuple[float, float]]:
    up = [(low, temperature) for temperature, low, _ in track.rows]
    down = [(high, temperature) for temperature, _, high in reversed(track.rows)]
    return [*up, *down]


def _colours(tracks: Sequence[Track], sets: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """A tint of its own for each of ``sets``, of those left the least like the tints beside it."""
    colours: dict[tuple[str, ...], str] = {}
    for products in sets:
        own = [track for track in tracks if track.products == products]
        near = {track.products for track in tracks if any(_touch(track, one) for one in own)}
        beside = [colours[other] for other in near if other in colours]
        free = [tint for tint in TINTS if tint not in colours.values()]
        colours[products] = max(
            free, key=lambda tint: min((_apart(tint, other) for other in beside), default=0)
        )
    return colours


def _apart(one: str, other: str) -> int:
    """Squared distance of two colours in red, green and blue."""
    return sum((int(one[k : k + 2], 16) - int(other[k : k + 2], 16)) ** 2 for k in (1, 3, 5))


def _touch(one: Track, other: Track) -> bool:
    """Whether two regions share a border, within a hundredth of the width."""
    if one.rows[-1][0] < other.rows[0][0] - 1e-6 or other.rows[-1][0] < one.rows[0][0] - 1e-6:
        return False
    low = min(row[1] for row in one.rows), max(row[2] for row in one.rows)
    high = min(row[1] for row in other.rows), max(row[2] for row in other.rows)
    return low[0] < high[1] + 0.01 and high[0] < low[1] + 0.01
