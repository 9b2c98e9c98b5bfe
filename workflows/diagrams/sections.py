"""Scenes of ternary and quaternary phase diagrams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.constants import zero_Celsius

from cosinter.analysis.equilibrium.components import Component
from cosinter.analysis.equilibrium.diagrams import PhaseDiagram, PhasePoint
from cosinter.analysis.thermochemistry.formulas import parse_formula, proportionality
from cosinter.analysis.thermochemistry.functions import FloatArray
from cosinter.workflows.diagrams.scene import (
    INK,
    SOFT,
    TINTS,
    Box,
    Entry,
    Mark,
    Note,
    Patch,
    Scale,
    Scene,
    Stroke,
    colour_at,
    inscribed,
    legend_height,
    overlap,
    place_labels,
    pretty,
    subscripted,
    wrapped,
)
from cosinter.workflows.report.figures import slug

#: Corners of the triangle: first component left, second right, third on top.
TRIANGLE = np.asarray([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
#: Inches per side of the triangle, for the room that names need.
INCH = 5.0
STABLE, UNSTABLE, LINE = "#b5482f", "#8f9399", "#3f4a63"
#: Phases further above the stable ones than this are left out, meV/atom.
NEAR_MEV = 50.0
_NUMBERED = 18


def conditions(temperature_K: float, pressures_bar: Mapping[str, float]) -> str:
    """'700 °C, O₂ 0.21 bar; solid solutions left out'; 'no open gas' where the system is closed."""
    gases = ", ".join(f"{subscripted(gas)} {pressure:g} bar" for gas, pressure in pressures_bar.items())
    return f"{temperature_K - zero_Celsius:g} °C, {gases or 'no open gas'}; solid solutions left out"


def system_name(diagram: PhaseDiagram) -> str:
    """'Li₂O – TiO₂ – P₂O₅'."""
    return " – ".join(map(component_name, diagram.components))


def shown_fractions(diagram: PhaseDiagram, fractions: FloatArray, basis: str) -> FloatArray:
    """Mole fractions [n, components] as fractions of ``basis``; straight lines stay straight."""
    weighted = fractions * diagram.weights(basis)
    return np.asarray(weighted / weighted.sum(axis=-1, keepdims=True))


def ternary_scene(diagram: PhaseDiagram, *, basis: str = "mole") -> Scene:
    """Draw a ternary diagram: regions coloured by the potential of Li2O where it is fixed, phases named in place."""
    corners = shown_fractions(diagram, diagram.vertices, basis) @ TRIANGLE
    scale = _potential_scale(diagram)
    numbers = {} if diagram.complete else _numbers(diagram, corners)
    patches = _patches(diagram, corners, list(numbers), scale)
    strokes = [
        Stroke(x=tuple(corners[[a, b], 0]), y=tuple(corners[[a, b], 1]), colour=LINE, width=1.1)
        for a, b in diagram.edges
    ]
    frame = [*TRIANGLE, TRIANGLE[0]]
    strokes.append(Stroke(x=tuple(p[0] for p in frame), y=tuple(p[1] for p in frame), colour=INK, width=1.6))
    marks, notes = _phases(diagram, basis, strokes)
    entries = _entries(diagram, list(numbers), patches)
    signs = [
        Note(x=x, y=y, text=str(k), size=8.0, bold=True) for k, (x, y) in enumerate(numbers.values(), start=1)
    ]
    return Scene(
        name=slug(f"ternary-{'-'.join(c.name for c in diagram.components)}"),
        title=system_name(diagram),
        subtitle=_subtitle(diagram, basis),
        x_range=(-0.1, 1.1),
        y_range=(-0.07, 0.94),
        framed=False,
        patches=patches,
        strokes=tuple(strokes),
        marks=tuple(marks),
        notes=(*notes, *signs),
        scale=scale,
        entries=entries,
        legend_title="numbered regions hold" if entries else "",
        width_inches=10.8 if entries else 7.4,
        height_inches=max(5.9, legend_height(entries)),
        caption=_caption(diagram),
    )


def _patches(
    diagram: PhaseDiagram, corners: FloatArray, numbered: Sequence[int], scale: Scale | None
) -> tuple[Patch, ...]:
    """Every region, coloured by the potential of Li2O where that is fixed."""
    lithia = diagram.potentials("Li2O")
    patches = []
    for place, region in enumerate(diagram.regions):
        x, y = corners[list(region.corners)].T
        mu = None if lithia is None else float(lithia[place])
        patches.append(
            Patch(
                x=tuple(x), y=tuple(y), label=_region_text(region.phases, mu),
                colour=colour_at(scale, mu * 1e-3) if scale and mu is not None else TINTS[place % len(TINTS)],
                entry=numbered.index(place) if place in numbered else None,
            )
        )  # fmt: skip
    return tuple(patches)


def _subtitle(diagram: PhaseDiagram, basis: str) -> str:
    text = f"{conditions(diagram.temperature_K, diagram.pressures_bar)}; {basis} fractions"
    if not diagram.whole:
        text += "; white: cannot be made of the phases in the library"
    return text


def _caption(diagram: PhaseDiagram) -> str:
    kind = (
        "Every corner of a region is a stable phase; inside a region the named phases coexist and all potentials are fixed."
        if diagram.complete
        else "A section: regions hold phases that lie outside the plane, so their corners are not phases."
    )
    return f"{kind} Hollow points lie above the stable phases by the energy given (at most {NEAR_MEV:g} meV/atom are shown)."


def _potential_scale(diagram: PhaseDiagram) -> Scale | None:
    lithia = diagram.potentials("Li2O")
    if lithia is None:
        return None
    low, high = float(lithia.min()) * 1e-3, float(lithia.max()) * 1e-3
    if high - low < 1.0:
        return None
    return Scale(title="μ(Li₂O)\nkJ/mol", low=low, high=high)


def _region_text(phases: Sequence[str], mu: float | None) -> str:
    text = " + ".join(pretty(name) for name in phases)
    return text if mu is None else f"{text}\nμ(Li₂O) = {mu * 1e-3:.0f} kJ/mol"


def _numbers(diagram: PhaseDiagram, corners: FloatArray) -> dict[int, tuple[float, float]]:
    """Places of the numbers of those regions of a section that have room for one, from left to right."""
    circles = {
        place: inscribed(corners[list(region.corners)]) for place, region in enumerate(diagram.regions)
    }
    roomy = sorted(
        (place for place in circles if circles[place][2] * INCH > 0.062), key=lambda k: -circles[k][2]
    )
    return {place: circles[place][:2] for place in sorted(roomy[:_NUMBERED], key=lambda k: circles[k][:2])}


def _entries(diagram: PhaseDiagram, numbered: Sequence[int], patches: Sequence[Patch]) -> tuple[Entry, ...]:
    texts = [" + ".join(pretty(name) for name in diagram.regions[place].phases) for place in numbered]
    return tuple(
        Entry(text=wrapped(text), colour=patches[place].colour, sign=str(number))
        for number, (place, text) in enumerate(zip(numbered, texts, strict=True), start=1)
    )


def _phases(diagram: PhaseDiagram, basis: str, strokes: Sequence[Stroke]) -> tuple[list[Mark], list[Note]]:
    """Marks and names of the phases on the section, and ticks."""
    inch = (INCH, INCH)
    at = {p.name: shown_fractions(diagram, p.fractions, basis) @ TRIANGLE for p in diagram.points}
    stable = list(diagram.stable)
    near = [p for p in diagram.points if not p.stable and p.above_hull_meV_per_atom <= NEAR_MEV]
    near = [p for p in near if all(np.linalg.norm(at[p.name] - at[q.name]) > 0.02 for q in stable)]
    marks = [_mark(p, at[p.name], hollow=False) for p in stable] + [
        _mark(p, at[p.name], hollow=True) for p in near
    ]
    centre = TRIANGLE.mean(axis=0)
    listed = [(float(at[p.name][0]), float(at[p.name][1]), phase_label(diagram, p)) for p in stable]
    wishes = [_outwards(at[p.name] - centre, at[p.name]) for p in stable]
    notes, boxes = place_labels(listed, inch=inch, strokes=strokes, prefer=wishes, size=9.5)
    faint = [
        (float(at[p.name][0]), float(at[p.name][1]), f"{pretty(p.name)} +{p.above_hull_meV_per_atom:.0f} meV")
        for p in near
    ]
    more, boxes = place_labels(faint, inch=inch, strokes=strokes, taken=boxes, size=7.5, colour=SOFT)
    return marks, [*notes, *more, *_ticks(boxes)]


def _outwards(arm: FloatArray, at: FloatArray) -> tuple[float, float] | None:
    """Away from the centre for phases on the rim; no wish inside."""
    x, y = float(at[0]), float(at[1])
    rim = min(y, np.sqrt(3.0) * x - y, np.sqrt(3.0) * (1.0 - x) - y) < 0.02
    length = float(np.linalg.norm(arm))
    return (float(arm[0]) / length, float(arm[1]) / length) if rim and length else None


def component_name(component: Component) -> str:
    """'NCM811' for an alias such as ncm811, else the formula as typed."""
    return subscripted(component.name) if _is_formula(component) else component.name.upper()


def _is_formula(component: Component) -> bool:
    return component.name.replace(" ", "") == component.formula or component.name[0].isupper()


def phase_label(diagram: PhaseDiagram, point: PhasePoint) -> str:
    """The phase; at a corner that holds another phase than its component also the component."""
    for component, share in zip(diagram.components, point.fractions, strict=True):
        if share < 1.0 - 1e-9:
            continue
        name = component_name(component)
        if point.formula == component.formula:
            return pretty(point.name) if _is_formula(component) else name
        same = (
            proportionality(component.composition, parse_formula(point.formula), tolerance=1e-6) is not None
        )
        return pretty(point.name) if same else f"{name} → {pretty(point.name)}"
    return pretty(point.name)


def _mark(point: PhasePoint, at: FloatArray, *, hollow: bool) -> Mark:
    text = pretty(point.name)
    if hollow:
        text += f"\n{point.above_hull_meV_per_atom:.1f} ± {point.uncertainty_meV_per_atom:.0f} meV/atom above the stable phases"
    colour, size = (UNSTABLE, 4.5) if hollow else (STABLE, 6.5)
    return Mark(x=float(at[0]), y=float(at[1]), colour=colour, hollow=hollow, size=size, label=text)


def _ticks(taken: Sequence[Box]) -> list[Note]:
    """Share of the next corner, counter-clockwise, along each side; left out where a name stands."""
    notes = []
    for start, end, offset in ((0, 1, (0.0, -0.028)), (1, 2, (0.03, 0.016)), (2, 0, (-0.03, 0.016))):
        for share in (0.2, 0.4, 0.6, 0.8):
            x, y = (1.0 - share) * TRIANGLE[start] + share * TRIANGLE[end] + np.asarray(offset)
            box = (x * INCH - 0.09, y * INCH - 0.06, x * INCH + 0.09, y * INCH + 0.06)
            if not any(overlap(box, other) for other in taken):
                notes.append(
                    Note(x=float(x), y=float(y), text=f"{share:g}", size=6.5, colour="#9a9da3", halo=False)
                )
    return notes
