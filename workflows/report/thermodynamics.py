"""Thermodynamic figures of a study's report: mixing lines with their band, phase diagram, product map, Li2O over T.

Charts come from the reaction stages; the scenes are computed once by the stage ``diagrams`` and kept as plain data.
A scene takes part in the report as a :class:`SceneFigure`, which has what a
:class:`~cosinter.workflows.report.figures.Figure` has: name, section, title, caption and a legend to press.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.constants import zero_Celsius

from cosinter.workflows.diagrams.scene import Scene, subscripted
from cosinter.workflows.report.content import Chart, Curve
from cosinter.workflows.report.figures import Line, slug

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.library import PhaseLibrary

#: Temperatures of the product map and of the potential of Li2O, °C.
COLDEST_C, STEP_C = 300.0, 50.0
#: How closely a change of products is located in the report, K.
RESOLUTION_K = 5.0


@dataclass(frozen=True)
class SceneFigure:
    """A scene as a figure of the report."""

    scene: Scene
    section: str = "reactions"

    @property
    def name(self) -> str:
        """File name stem and anchor."""
        return self.scene.name

    @property
    def title(self) -> str:
        """Heading."""
        return f"{self.scene.title}: {self.scene.subtitle}"

    @property
    def caption(self) -> str:
        """What the reader sees."""
        return self.scene.caption

    @property
    def entries(self) -> tuple[Line, ...]:
        """The legend as the page draws it: one swatch per numbered region."""
        return tuple(
            Line(f"{entry.sign}  {entry.text}".strip().replace("\n", " "), (), (), entry.colour, stacked=True)
            for entry in self.scene.entries
        )

    def plotly(self) -> dict[str, Any]:
        """``{"data", "layout"}`` for the page, which draws title and legend itself."""
        from cosinter.workflows.diagrams.render import scene_plotly

        spec = scene_plotly(self.scene)
        for trace in spec["data"]:
            if "legendgroup" in trace:
                trace["legendgroup"] = f"g{trace['legendgroup']}"
        spec["layout"] |= {"showlegend": False, "height": 470 if self.scene.framed else 520}
        spec["layout"]["margin"] |= {"t": 14}
        del spec["layout"]["title"]
        return spec

    def png(self) -> bytes:
        """The scene as PNG."""
        from cosinter.workflows.diagrams.render import scene_bytes

        return scene_bytes(self.scene, "png")

    def csv(self) -> str:
        """The shapes of the scene."""
        from cosinter.workflows.diagrams.render import scene_csv

        return scene_csv(self.scene)


def scene_figures(scenes: Iterable[Scene]) -> tuple[SceneFigure, ...]:
    """Put every scene into its section of the report."""
    return tuple(
        SceneFigure(scene, "ladder" if scene.name.startswith("ellingham") else "reactions")
        for scene in scenes
    )


def reaction_charts(reactions: Iterable[Mapping[str, Any]]) -> tuple[Chart, ...]:
    """A chart per pair of reactants: dG over the mass ratio at every temperature, with its uncertainty as a band.

    Parameters
    ----------
    reactions : data of the reaction stages (keys of ``cosinter react --json``)
    """
    pairs: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for reaction in reactions:
        pairs.setdefault(tuple(reaction["reactants"]), []).append(reaction)
    return tuple(_chart(reactants, lines) for reactants, lines in pairs.items())


def _chart(reactants: Sequence[str], lines: Sequence[Mapping[str, Any]]) -> Chart:
    from cosinter.workflows.diagrams.line import line_figure

    curves = []
    for line in sorted(lines, key=lambda line: float(line["temperature_C"])):
        drive = line_figure(line).panels[0].lines[0]
        gases = ", ".join(f"{subscripted(gas)} {p:g} bar" for gas, p in line["atmosphere"].items())
        label = f"{line['temperature_C']:g} °C, {gases or 'no open gas'}"
        curves.append(Curve(label=label, x=drive.x, y=drive.y, low=drive.low, high=drive.high))
    first, second = (subscripted(formula) for formula in reactants)
    return Chart(
        name=f"drive-{slug('-'.join(reactants))}",
        title=f"Driving force of {first} + {second}, and how sure it is",
        x_label=f"mass fraction of {first}",
        y_label="ΔG / meV per atom",
        section="reactions",
        curves=tuple(curves),
        caption="Energy gained when both are mixed in this ratio. The band is one standard uncertainty of the free "
        "energies of reactants and products: where all of it lies below zero, the reaction is downhill with a probability above "
        "about 84 % (normal errors, one side).",
    )


def thermo_scenes(
    cathode: str,
    electrolyte: str,
    compensator: str | None,
    *,
    library: PhaseLibrary,
    hottest_C: float,
    pressures_bar: Mapping[str, float],
) -> tuple[Scene, ...]:
    """The diagrams of one study: cathode + electrolyte over T, with the compensator as third corner, and mu(Li2O).

    Parameters
    ----------
    compensator : ``LiOH``, ``Li2CO3`` or None; without one the third corner is Li2O
    hottest_C : highest temperature of the furnace

    Raises
    ------
    CosinterError
        See the functions that compute the diagrams.
    """
    from cosinter.analysis.equilibrium.diagrams import phase_diagram
    from cosinter.analysis.equilibrium.product_map import product_map
    from cosinter.workflows.diagrams.ellingham import ellingham_scene_of
    from cosinter.workflows.diagrams.maps import map_scene
    from cosinter.workflows.diagrams.sections import ternary_scene

    temperatures = np.append(
        np.arange(min(COLDEST_C, hottest_C - STEP_C), hottest_C - 1.0, STEP_C), hottest_C
    )
    common: dict[str, Any] = {"library": library, "pressures_bar": pressures_bar}
    corners = (cathode, electrolyte, compensator or "Li2O")
    section = phase_diagram(corners, temperature_K=hottest_C + zero_Celsius, **common)
    products = product_map(
        cathode, electrolyte, temperatures_K=temperatures + zero_Celsius, resolution_K=RESOLUTION_K, **common
    )
    lithia, _ = ellingham_scene_of(cathode, electrolyte, temperatures_C=temperatures.tolist(), **common)
    mapped = map_scene(products.to_dict(), note="no solid solutions")
    return ternary_scene(section, basis="mass"), mapped, lithia
