"""Figure of one mixing line: driving force with its uncertainty, and what the mixture becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from cosinter.analysis.equilibrium.interface import MEV_PER_ATOM
from cosinter.analysis.thermochemistry.formulas import parse_formula
from cosinter.workflows.diagrams.products import atom_shares, is_grouped, ratio, rescaled
from cosinter.workflows.diagrams.render import escaped
from cosinter.workflows.diagrams.scene import subscripted
from cosinter.workflows.report.figures import Figure, Line, Panel, slug

DRIVE, MUTUAL = "#b5482f", "#55585f"
#: Colours of products; neighbours in the list differ in lightness too.
PRODUCTS = (
    "#4f7396", "#d2a24c", "#6fae8b", "#b8674f", "#8d7aa8", "#c9b98f", "#2f6d7a", "#e0a899",
    "#8f9399", "#a3b84e", "#5b5f8a", "#d9c5e3", "#7a5a3c", "#9fd0d6", "#c46a9b", "#3f4a63",
    "#e8d27a", "#6b8f5e", "#a84632", "#b9c4d6",
)  # fmt: skip
#: Points on a line between its ends, at least; shared out over the stretches between kinks.
_POINTS = 200


def line_figure(content: Mapping[str, Any], *, basis: str = "mass") -> Figure:
    """Draw one mixing line (keys of ``cosinter react --json``).

    The band is one standard uncertainty of the reaction through its phases. Between kinks amounts are linear in
    moles; on any other axis they are followed in small steps.

    Raises
    ------
    InputError
        The ratio by ``basis`` is not known.
    """
    kinks = content["kinks"]
    first, second = (subscripted(formula) for formula in content["reactants"])
    weight = ratio(content, basis)
    moles = _moles([kink["fraction"]["mole"] for kink in kinks])
    x = tuple(rescaled(mole, weight) for mole in moles)
    gases = ", ".join(f"{subscripted(gas)} {p:g} bar" for gas, p in content["atmosphere"].items())
    shares = _shares(content, moles)
    stack = tuple(
        Line(name, x, tuple(values), PRODUCTS[place % len(PRODUCTS)], stacked=True, width=0.8)
        for place, (name, values) in enumerate(shares.items())
    )
    note = "; M = Ni, Co, Mn" if is_grouped(content) else ""
    return Figure(
        name=slug(f"line-{'-'.join(content['reactants'])}-{content['temperature_C']:.0f}"),
        section="reactions",
        title=f"{first} + {second}, {content['temperature_C']:g} °C, {gases or 'no open gas'}",
        x_label=f"{basis} fraction of {first}",
        panels=(
            Panel("ΔG / meV per atom", _energies(content, moles, x, weight), height=190),
            Panel(f"share of the atoms in each product{note}", stack, y_range=(0.0, 1.0), height=230),
        ),
        caption="Above: energy gained by the mixture; dots are where the set of products changes, and the band is one "
        "standard uncertainty. Below: the solid products at equilibrium; gases are left out.",
    )


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
    lines = [Line("from the reactants as given", tuple(x), tuple(change), DRIVE, low=low, high=high)]
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


def _shares(content: Mapping[str, Any], moles: Sequence[float]) -> dict[str, list[float]]:
    """Share of the atoms in each solid product at ``moles``, in order of where it is largest."""
    grouped = is_grouped(content)
    kinks = content["kinks"]
    at = [kink["fraction"]["mole"] for kink in kinks]
    rows = [atom_shares(kink, grouped=grouped) for kink in kinks]
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
        group = trace.get("legendgroup", "")
        trace["showlegend"] = "name" in trace and group not in shown
        if trace["showlegend"]:
            shown.add(group)
    layout = spec["layout"]
    layout["title"] = {
        "text": f"<b>{escaped(figure.title)}</b>",
        "x": 0.01,
        "xanchor": "left",
        "font": {"size": 16},
    }
    layout["margin"] |= {"t": layout["margin"]["t"] + 44}
    layout |= {"height": layout["height"] + 200, "showlegend": True}
    return spec
