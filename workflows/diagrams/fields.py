"""Scenes of potential diagrams and of the potential of Li2O over temperature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from cosinter.analysis.equilibrium.potential_diagrams import Axis, Field, PotentialDiagram
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.workflows.diagrams.scene import (
    INK,
    PAPER,
    SOFT,
    TINTS,
    Entry,
    Note,
    Patch,
    Scene,
    Stroke,
    inscribed,
    legend_height,
    pretty,
    subscripted,
    text_size,
    wrapped,
)
from cosinter.workflows.diagrams.sections import component_name, conditions
from cosinter.workflows.report.content import LadderRow
from cosinter.workflows.report.figures import slug

_WIDE, _HIGH = 5.6, 4.6
Family = Literal["compensator", "cathode", "electrolyte"]
#: Colour and name of the reservoirs of Li2O.
FAMILIES: dict[Family, tuple[str, str]] = {
    "compensator": ("#1d6a8c", "compensator"),
    "cathode": ("#b5482f", "cathode"),
    "electrolyte": ("#7d6a9d", "electrolyte"),
}


def potential_scene(diagram: PotentialDiagram) -> Scene:
    """Draw which phases the solid consists of at every pair of potentials."""
    shown = [_shown(field.corners, diagram) for field in diagram.fields]
    low, high = (np.min(np.vstack(shown), axis=0), np.max(np.vstack(shown), axis=0))
    margin = 0.06 * (high - low)
    x_range, y_range = (low[0], high[0] + margin[0]), (low[1], high[1] + margin[1])
    inch = np.asarray([_WIDE / (x_range[1] - x_range[0]), _HIGH / (y_range[1] - y_range[0])])
    notes, listed = _field_notes(diagram, shown, inch)
    entries, places = tuple(listed.values()), list(listed)
    species = " and ".join(subscripted(axis.species) for axis in diagram.axes)
    limits = {name: _shown(line, diagram) for name, line in diagram.limits.items()}
    return Scene(
        name=slug(f"potentials-{diagram.solid.name}-{'-'.join(axis.species for axis in diagram.axes)}"),
        title=f"{component_name(diagram.solid)} at given potentials of {species}",
        subtitle=conditions(diagram.temperature_K, diagram.pressures_bar).replace("no open gas", "no further gas open"),
        x_label=_axis_label(diagram.axes[0]),
        y_label=_axis_label(diagram.axes[1]),
        x_range=(float(x_range[0]), float(x_range[1])),
        y_range=(float(y_range[0]), float(y_range[1])),
        patches=tuple(
            Patch(
                x=tuple(corners[:, 0]), y=tuple(corners[:, 1]), colour=TINTS[place % len(TINTS)], border=PAPER,
                width=1.2, label=_field_text(field, diagram),
                entry=places.index(place) if place in listed else None,
            )
            for place, (field, corners) in enumerate(zip(diagram.fields, shown, strict=True))
        ),
        strokes=tuple(
            Stroke(x=tuple(line[:, 0]), y=tuple(line[:, 1]), colour=INK, width=1.6, label=f"{pretty(name)} forms")
            for name, line in limits.items()
        ),
        notes=(*notes, *(_limit_note(name, line, inch) for name, line in limits.items())),
        entries=entries,
        legend_title="numbered fields hold" if entries else "",
        width_inches=10.4 if entries else 7.2,
        height_inches=max(5.9, legend_height(entries)),
        caption="Fields end where a phase of the two species alone would form without end (thick lines).",
    )  # fmt: skip


def _shown(points: FloatArray, diagram: PotentialDiagram) -> FloatArray:
    """Potentials in kJ/mol, those of gases as log10 of their pressure in bar, shape [n, 2]."""
    columns = []
    for place, axis in enumerate(diagram.axes):
        mu = points[:, place]
        columns.append(axis.log10_pressure(mu, diagram.temperature_K) if axis.gas else mu * 1e-3)
    return np.column_stack(columns)


def _axis_label(axis: Axis) -> str:
    if axis.gas:
        return f"log₁₀ p({subscripted(axis.gas)} / bar)"
    return f"μ({subscripted(axis.species)}) − μ°(pure) / kJ per mol"


def _field_text(field: Field, diagram: PotentialDiagram) -> str:
    phases = " + ".join(f"{amount:.3g} {pretty(name)}" for name, amount in field.phases.items())
    taken = ", ".join(
        f"{amount:+.3g} {subscripted(axis.species)}"
        for axis, amount in zip(diagram.axes, field.taken_up.tolist(), strict=True)
        if abs(amount) > 1e-9
    )
    return f"{phases}\ntaken up per {component_name(diagram.solid)}: {taken or 'nothing'}"


def _field_notes(
    diagram: PotentialDiagram, shown: Sequence[FloatArray], inch: FloatArray
) -> tuple[list[Note], dict[int, Entry]]:
    """Names inside the fields; a number and an entry of the legend where the names do not fit."""
    notes: list[Note] = []
    entries: dict[int, Entry] = {}
    order = sorted(range(len(shown)), key=lambda place: tuple(shown[place].mean(axis=0)))
    for place in order:
        x, y, radius = inscribed(shown[place] * inch)
        names = [pretty(name) for name in diagram.fields[place].phases]
        words = "\n".join(names)
        wide = max(text_size(name, 9.0)[0] for name in names)
        fits = max(wide, 0.17 * len(names)) < 2.2 * radius and len(names) <= 5
        if not fits and radius < 0.08:
            continue
        if not fits:
            sign = str(len(entries) + 1)
            entries[place] = Entry(
                text=wrapped(" + ".join(names)), colour=TINTS[place % len(TINTS)], sign=sign
            )
        at = np.asarray([x, y]) / inch
        text = words if fits else entries[place].sign
        notes.append(Note(x=float(at[0]), y=float(at[1]), text=text, size=9.0, bold=not fits, halo=not fits))
    return notes, entries


def _limit_note(name: str, line: FloatArray, inch: FloatArray) -> Note:
    """'Li2O forms' along the outside of its limit."""
    low, high = line[np.argsort(line[:, 0])] * inch
    angle = float(np.degrees(np.arctan2(high[1] - low[1], high[0] - low[0])))
    across = np.asarray([-(high[1] - low[1]), high[0] - low[0]])
    across = across / np.linalg.norm(across)
    if across.sum() < 0.0:
        across = -across
    at = (0.5 * (low + high) + 0.1 * across) / inch
    if angle > 89.0:
        angle = -90.0
    return Note(
        x=float(at[0]), y=float(at[1]), text=f"{pretty(name)} forms", size=8.0, colour=SOFT, angle=angle
    )


def ellingham_scene(rows: Sequence[LadderRow], *, title: str, subtitle: str) -> Scene:
    """Draw mu(Li2O) of every reservoir over temperature, each named at the right end of its line."""
    ordered = sorted(rows, key=lambda row: -row.mu_kJ_per_mol[-1])
    low = min(min(row.mu_kJ_per_mol) - (row.uncertainty_kJ_per_mol or 0.0) for row in rows)
    high = max(max(row.mu_kJ_per_mol) + (row.uncertainty_kJ_per_mol or 0.0) for row in rows)
    reach = 0.04 * (high - low)
    y_range = (low - reach, high + reach)
    first, last = rows[0].temperature_C[0], rows[0].temperature_C[-1]
    span = last - first
    heights = _spread([row.mu_kJ_per_mol[-1] for row in ordered], 0.185 * (y_range[1] - y_range[0]) / 5.2)
    strokes, notes = [], []
    for place, (row, height) in enumerate(zip(ordered, heights, strict=True)):
        colour = FAMILIES[reservoir_family(row.reservoir)][0]
        x, y = row.temperature_C, row.mu_kJ_per_mol
        strokes.append(Stroke(x=x, y=y, colour=colour, width=1.7, label=_rung_text(row)))
        if row.uncertainty_kJ_per_mol:
            at = (place + 0.5) / len(ordered) * (len(x) - 1)
            strokes += _error_bar(
                float(np.interp(at, range(len(x)), x)), float(np.interp(at, range(len(x)), y)), row, span
            )
        end = last + 0.03 * span
        strokes.append(Stroke(x=(last, end), y=(y[-1], height), colour=colour, width=0.6))
        name = short_reservoir(row.reservoir)
        notes.append(Note(x=end + 0.008 * span, y=height, text=name, anchor="left", size=7.8, colour=colour))
    step = 100.0 if span > 300.0 else 50.0
    return Scene(
        name="ellingham-li2o",
        title=title,
        subtitle=subtitle,
        x_label="temperature / °C",
        y_label="μ(Li₂O) − μ°(Li₂O, solid) / kJ per mol",
        x_range=(first, last + 0.75 * span),
        y_range=y_range,
        x_ticks=tuple(float(t) for t in np.arange(np.ceil(first / step) * step, last + 1e-6, step)),
        strokes=tuple(strokes),
        notes=tuple(notes),
        width_inches=9.6,
        height_inches=6.3,
        caption="Lithium oxide runs from a higher line to a lower one: a compensator (blue) protects the cathode (red) where "
        "it stands above it, and the electrolyte (violet) takes what stands above its own lines. Bars are one standard "
        "uncertainty.",
    )


def _rung_text(row: LadderRow) -> str:
    spread = f"\n± {row.uncertainty_kJ_per_mol:.0f} kJ/mol" if row.uncertainty_kJ_per_mol else ""
    return f"{subscripted(row.reservoir)}{spread}\n{row.kind}: {row.source}"


def _error_bar(x: float, y: float, row: LadderRow, span: float) -> list[Stroke]:
    """One standard uncertainty up and down, with caps."""
    colour, u = FAMILIES[reservoir_family(row.reservoir)][0], row.uncertainty_kJ_per_mol or 0.0
    bars = [
        ((x, x), (y - u, y + u)),
        *(((x - 0.006 * span, x + 0.006 * span), (v, v)) for v in (y - u, y + u)),
    ]
    return [Stroke(x=xs, y=ys, colour=colour, width=0.7) for xs, ys in bars]


def _spread(heights: Sequence[float], least: float) -> list[float]:
    """Move descending heights apart until each is ``least`` below the one before, changing them little."""
    groups = [[height] for height in heights]
    centres = list(heights)
    place = 0
    while place + 1 < len(groups):
        room = 0.5 * least * (len(groups[place]) + len(groups[place + 1]))
        if centres[place] - centres[place + 1] >= room:
            place += 1
            continue
        groups[place] += groups.pop(place + 1)
        centres.pop(place + 1)
        centres[place] = sum(groups[place]) / len(groups[place])
        place = max(place - 1, 0)
    return [
        centre + least * (0.5 * (len(group) - 1) - k)
        for centre, group in zip(centres, groups, strict=True)
        for k in range(len(group))
    ]


def reservoir_family(reservoir: str) -> Family:
    """Which of the three holds the lithium oxide."""
    if reservoir.startswith(("LiOH", "Li2CO3")):
        return "compensator"
    return "electrolyte" if reservoir.startswith("electrolyte") else "cathode"


def short_reservoir(reservoir: str) -> str:
    """The name of a rung in few words, formulas lowered."""
    _, colon, reaction = reservoir.partition(": ")
    if reservoir.startswith("electrolyte") and colon:
        left, _, right = reaction.partition(" → ")
        sides = [" + ".join(pretty(name) for name in side.split(" + ")) for side in (left, right)]
        text = " → ".join(sides)
        return text if len(text) < 64 else text[:61].rsplit(" ", 1)[0] + " …"
    return subscripted(reservoir)
