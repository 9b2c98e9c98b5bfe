"""Figure of one mixing line: driving force with its uncertainty, and what the mixture becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from cosinter.analysis.equilibrium.interface import MEV_PER_ATOM
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.workflows.diagrams.products import (
    atom_shares,
    is_grouped,
    kindred,
    ratio,
    rescaled,
    strongest,
)
from cosinter.workflows.diagrams.render import escaped
from cosinter.workflows.diagrams.scene import INK, Scale, colour_at, subscripted, text_size
from cosinter.workflows.report.figures import Figure, Label, Line, Panel, slug
from cosinter.workflows.report.text import format_number

DRIVE, MUTUAL = "#b5482f", "#55585f"
#: Colours of products; neighbours in the list differ in lightness too.
PRODUCTS = (
    "#d2a24c", "#4f7396", "#6fae8b", "#b8674f", "#8d7aa8", "#d8d0a8", "#2f6d7a", "#e0a899",
    "#8f9399", "#a3b84e", "#5b5f8a", "#d9c5e3", "#7a5a3c", "#9fd0d6", "#c46a9b", "#3f4a63",
    "#e8d27a", "#6b8f5e", "#a84632", "#b9c4d6",
)  # fmt: skip
BAND = "± one standard uncertainty"
#: Panels on paper: width in inches, heights in pixels and pixels per inch; and the size of words in them, points.
_WIDE, _HEIGHTS, _PIXELS, _SIZE = 6.5, (200, 340), 92.0, 7.5
#: Points on a line between its ends, at least; shared out over the stretches between kinks.
_POINTS = 200


def line_figure(content: Mapping[str, Any], *, basis: str = "mass") -> Figure:
    """Draw one mixing line (keys of ``cosinter react --json``).

    The band is one standard uncertainty of the reaction through its phases. Between kinks amounts are linear in
    moles; on any other axis they are followed in small steps. The strongest ratio is marked.

    Raises
    ------
    InputError
        The ratio by ``basis`` is not known.
    """
    first, second = (subscripted(formula) for formula in content["reactants"])
    weight = ratio(content, basis)
    moles = _moles([kink["fraction"]["mole"] for kink in content["kinks"]])
    x = tuple(rescaled(mole, weight) for mole in moles)
    gases = ", ".join(f"{subscripted(gas)} {p:g} bar" for gas, p in content["atmosphere"].items())
    note = "; M = Ni, Co, Mn" if is_grouped(content) else ""
    return Figure(
        name=slug(f"line-{'-'.join(content['reactants'])}-{content['temperature_C']:.0f}"),
        section="reactions",
        title=f"{first} + {second}, {content['temperature_C']:g} °C, {gases or 'no open gas'}",
        x_label=f"{basis} fraction of {first}",
        panels=(
            _energy_panel(content, moles, x, weight),
            _share_panel(content, moles, x, weight, f"share of the atoms in each product{note}"),
        ),
        caption="Above: energy gained by the mixture; dots are where the set of products changes, the dotted line is the "
        f"ratio that gains most, and the band is {BAND}. Below: the solid products at equilibrium; gases are left out.",
    )


def _energy_panel(
    content: Mapping[str, Any], moles: Sequence[float], x: Sequence[float], weight: float
) -> Panel:
    lines = _energies(content, moles, x, weight)
    low, high = min(lines[0].low or lines[0].y), max(0.0, *(lines[0].high or lines[0].y))
    span = max(high - low, 1.0)
    reach = low - 0.05 * span, high + 0.18 * span
    kink = strongest(content)
    if kink is None:
        calm = Label(0.5, high + 0.1 * span, "no reaction at any ratio")
        return Panel("ΔG / meV per atom", lines, y_range=reach, height=_HEIGHTS[0], labels=(calm,))
    by_mole, by_mass = (format_number(kink["fraction"][basis], 2) for basis in ("mole", "mass"))
    text = f"strongest: {format_number(kink['dG']['meV_per_atom'])} meV per atom at {by_mole} by mole, {by_mass} by mass"
    half = 0.5 * text_size(text, _SIZE)[0] / _WIDE
    at = rescaled(kink["fraction"]["mole"], weight)
    label = Label(min(max(at, half), max(1.0 - half, half)), high + 0.1 * span, text)
    marked = _cursor(at, reach[0], high + 0.03 * span)
    return Panel("ΔG / meV per atom", (*lines, marked), y_range=reach, height=_HEIGHTS[0], labels=(label,))


def _share_panel(
    content: Mapping[str, Any], moles: Sequence[float], x: Sequence[float], weight: float, title: str
) -> Panel:
    relatives = kindred(content, grouped=is_grouped(content))
    shares = _shares(content, moles, relatives)
    colours = _colours(list(shares), relatives)
    lines = [
        Line(name, tuple(x), tuple(y), colours[name], stacked=True, width=0.8) for name, y in shares.items()
    ]
    kink = strongest(content)
    cursor = rescaled(kink["fraction"]["mole"], weight) if kink else None
    if cursor is not None:
        lines.append(_cursor(cursor, 0.0, 1.0))
    return Panel(
        title, tuple(lines), y_range=(0.0, 1.0), height=_HEIGHTS[1], labels=_area_labels(x, shares, cursor)
    )


def _cursor(x: float, low: float, high: float) -> Line:
    return Line("strongest ratio", (x, x), (low, high), INK, dash="dot", width=1.4)


def _area_labels(
    x: Sequence[float], shares: Mapping[str, Sequence[float]], cursor: float | None
) -> tuple[Label, ...]:
    """The name of every area that has room for it, along its slope where it is thin."""
    labels = []
    floor = np.zeros(len(x))
    for name, share in shares.items():
        roof = floor + share
        found = _room(np.asarray(x), floor, roof, size=text_size(name, _SIZE), cursor=cursor)
        if found:
            labels.append(Label(found[0], found[1], name, found[2]))
        floor = roof
    return tuple(labels)


def _room(
    x: FloatArray, floor: FloatArray, roof: FloatArray, *, size: tuple[float, float], cursor: float | None
) -> tuple[float, float, float] | None:
    """Centre and angle (degrees) of a word of ``size`` inches inside an area, or None.

    Clear of the cursor before level, level before turned; then with room around it, up to as much as it is high; then near
    the area's middle.
    """
    high = _HEIGHTS[1] / _PIXELS
    centre = float(np.average(x, weights=roof - floor + 1e-12))
    found = []
    for middle in np.linspace(0.02, 0.98, 49):
        for level in (True, False):
            slope = 0.0 if level else _slope(x, 0.5 * (floor + roof), middle)
            angle = float(np.arctan(slope * high / _WIDE))
            half = 0.5 * (size[0] + 0.08) * np.cos(angle) / _WIDE
            if middle - half < 0.0 or middle + half > 1.0:
                continue
            at = np.linspace(middle - half, middle + half, 15)
            tilt = slope * (at - middle)
            low, top = np.max(np.interp(at, x, floor) - tilt), np.min(np.interp(at, x, roof) - tilt)
            spare = (top - low) * high * np.cos(angle) - 1.05 * size[1]
            if spare > 0.0:
                clear = cursor is None or abs(middle - cursor) > half
                rank = clear, level, round(min(spare, size[1]), 2), -abs(middle - centre)
                found.append((rank, float(middle), float(0.5 * (low + top)), float(np.degrees(angle))))
    return max(found)[1:] if found else None


def _slope(x: FloatArray, y: FloatArray, at: float) -> float:
    low, high = np.interp((at - 0.03, at + 0.03), x, y)
    return float(high - low) / 0.06


def _colours(names: Sequence[str], relatives: Mapping[str, str]) -> dict[str, str]:
    """A colour for every product; a compound has a light tint of its solution's."""
    own = [name for name in names if relatives.get(name) not in names]
    colours = {name: PRODUCTS[place % len(PRODUCTS)] for place, name in enumerate(own)}
    for name in (name for name in names if name not in colours):
        between = Scale(title="", low=0.0, high=1.0, colours=(colours[relatives[name]], "#ffffff"))
        colours[name] = colour_at(between, 0.5)
    return colours


def _moles(kinks: Sequence[float]) -> list[float]:
    steps = max(2, _POINTS // len(kinks))
    parts = [np.linspace(low, high, steps, endpoint=False) for low, high in pairwise(kinks) if high > low]
    return [float(value) for part in parts for value in part] + [kinks[-1]]


def _energies(
    content: Mapping[str, Any], moles: Sequence[float], x: Sequence[float], weight: float
) -> tuple[Line, ...]:
    kinks = content["kinks"]
    at = [kink["fraction"]["mole"] for kink in kinks]
    atoms = [sum(parse_formula(formula).values()) for formula in content["reactants"]]

    def column(*keys: str) -> list[float]:
        values = [kink[keys[0]][keys[1]] for kink in kinks]
        per_atom = [1e3 * MEV_PER_ATOM / (mole * atoms[0] + (1.0 - mole) * atoms[1]) for mole in moles]
        return [float(v) * f for v, f in zip(np.interp(moles, at, values), per_atom, strict=True)]

    change, spread = column("dG", "kJ_per_mol"), column("uncertainty", "kJ_per_mol")
    low = tuple(value - width for value, width in zip(change, spread, strict=True))
    high = tuple(value + width for value, width in zip(change, spread, strict=True))
    ends = [content["segments"][0]["from"], *(segment["to"] for segment in content["segments"])]
    shown = [kink for kink in kinks if min(abs(kink["fraction"]["mole"] - end) for end in ends) < 1e-12]
    dots = tuple(rescaled(kink["fraction"]["mole"], weight) for kink in shown)
    energies = tuple(float(kink["dG"]["meV_per_atom"]) for kink in shown)
    lines = [
        Line("from the reactants as given", tuple(x), tuple(change), DRIVE, low=low, high=high, band=BAND)
    ]
    mutual = column("dG_mutual", "kJ_per_mol")
    if max(abs(a - b) for a, b in zip(mutual, change, strict=True)) > 0.5:
        lines.append(
            Line(
                "from the reactants' own equilibria", tuple(x), tuple(mutual), MUTUAL, dash="dash", width=1.5
            )
        )
    dotted = Line(
        "kinks", dots, energies, DRIVE, markers=True, width=0.0, group="from the reactants as given"
    )
    return (*lines, dotted)


def _shares(
    content: Mapping[str, Any], moles: Sequence[float], relatives: Mapping[str, str]
) -> dict[str, list[float]]:
    """Share of the atoms in each solid product at ``moles``, in order of where it is largest.

    A reactant that is one composition of a solution counts as this solution: the next kink holds it slightly changed.
    """
    kinks = content["kinks"]
    at = [kink["fraction"]["mole"] for kink in kinks]
    rows = [atom_shares(kink, grouped=is_grouped(content)) for kink in kinks]
    for row in (rows[0], rows[-1]):
        for name in [name for name in row if name in relatives]:
            row[relatives[name]] = row.pop(name) + row.get(relatives[name], 0.0)
    names = list(dict.fromkeys(name for row in rows for name in row))
    atoms = np.asarray([np.interp(moles, at, [row.get(name, 0.0) for row in rows]) for name in names])
    shares = np.clip(atoms / atoms.sum(axis=0), 0.0, 1.0)
    kept = [place for place in range(len(names)) if shares[place].max() > 1e-6]
    kept.sort(key=lambda place: float(np.average(moles, weights=shares[place] + 1e-12)))
    return {names[place]: shares[place].tolist() for place in kept}


def page_spec(figure: Figure) -> dict[str, Any]:
    """The figure for a page of its own: as in the report, with title and Plotly's legend."""
    from cosinter.workflows.report.drawing import plotly_spec

    spec = plotly_spec(figure)
    shown: set[str] = set()
    for trace in spec["data"]:
        if trace.get("fill") == "tonexty":
            trace["name"] = BAND
            trace["showlegend"] = True
            continue
        entry = trace.get("legendgroup") or trace.get("name", "")
        trace["showlegend"] = "name" in trace and entry not in shown
        if trace["showlegend"]:
            shown.add(entry)
    layout = spec["layout"]
    layout["annotations"] += [
        _page_label(label, number)
        for number, panel in enumerate(figure.panels, 1)
        for label in panel.labels
        if label.angle == 0.0  # how steep an area is depends on the window
    ]
    layout["xaxis"]["range"] = [0.0, 1.0]
    layout["title"] = {
        "text": f"<b>{escaped(figure.title)}</b>",
        "x": 0.01,
        "xanchor": "left",
        "font": {"size": 16},
    }
    layout["margin"] |= {"t": layout["margin"]["t"] + 44}
    layout |= {"height": layout["height"] + 200, "showlegend": True}
    return spec


def _page_label(label: Label, number: int) -> dict[str, Any]:
    """A word of a panel on a page."""
    return {
        "text": escaped(label.text),
        "x": label.x,
        "y": label.y,
        "yref": "y" if number == 1 else f"y{number}",
        "showarrow": False,
        "font": {"size": 11.5},
    }
