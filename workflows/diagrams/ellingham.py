"""The potential of Li2O in every reservoir over temperature, from cathode, electrolyte and atmosphere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from scipy.constants import zero_Celsius

from cosinter.data.exceptions import InputError
from cosinter.workflows.chemistry import check_cathode, metals
from cosinter.workflows.diagrams.drawing import Drawing, scene_drawing
from cosinter.workflows.diagrams.fields import ellingham_scene
from cosinter.workflows.diagrams.scene import SOFT, Note, Scene, subscripted
from cosinter.workflows.report.content import LadderRow

if TYPE_CHECKING:
    from cosinter.analysis.equilibrium.ladder import Rung
    from cosinter.analysis.thermochemistry.library import PhaseLibrary


def ellingham_drawing(
    cathode: str,
    electrolyte: str,
    *,
    library: PhaseLibrary,
    temperatures_C: Sequence[float],
    pressures_bar: Mapping[str, float],
) -> Drawing:
    """Draw the potential of Li2O; see :func:`ellingham_scene_of`."""
    scene, rows = ellingham_scene_of(
        cathode, electrolyte, library=library, temperatures_C=temperatures_C, pressures_bar=pressures_bar
    )
    return scene_drawing(
        scene, {"reservoirs": [row.model_dump() for row in rows], "atmosphere": dict(pressures_bar)}
    )


def ellingham_scene_of(
    cathode: str,
    electrolyte: str,
    *,
    library: PhaseLibrary,
    temperatures_C: Sequence[float],
    pressures_bar: Mapping[str, float],
) -> tuple[Scene, tuple[LadderRow, ...]]:
    """Scene and numbers of :func:`cosinter.analysis.equilibrium.ladder.li2o_ladder` over temperature.

    Raises
    ------
    InputError
        The cathode is not a layered LiMO2, O2 is not open, or a temperature is out of range.
    UnknownNameError
        Cathode or electrolyte is not known.
    """
    from cosinter.analysis.equilibrium.ladder import li2o_ladder
    from cosinter.analysis.thermochemistry.cathode import CathodeModel

    if "O2" not in pressures_bar:
        raise InputError(
            "the potential of Li2O in the cathode needs open oxygen; add O2=PRESSURE to --atmosphere"
        )
    solid = library.stable(electrolyte, temperature_K=temperatures_C[0] + zero_Celsius)
    formula = check_cathode(library.stable(cathode, temperature_K=temperatures_C[0] + zero_Celsius).formula)
    nickel, cobalt, manganese = metals(formula)
    model = CathodeModel(nickel=nickel, cobalt=cobalt, manganese=manganese, library=library)
    rungs = li2o_ladder(
        model,
        solid.formula,
        temperatures_K=[value + zero_Celsius for value in temperatures_C],
        pressures_bar=pressures_bar,
    )
    rows = tuple(ladder_row(rung) for rung in rungs)
    gases = ", ".join(f"{subscripted(gas)} {pressure:g} bar" for gas, pressure in pressures_bar.items())
    scene = ellingham_scene(
        rows,
        title="Who gives lithium oxide to whom",
        subtitle=f"{subscripted(formula)} and {subscripted(solid.formula)}; {gases}",
    )
    return scene.model_copy(update={"notes": (*scene.notes, _bars(scene))}), rows


def _bars(scene: Scene) -> Note:
    """What the bars are, in the free corner below the names."""
    return Note(
        x=scene.x_range[1], y=scene.y_range[0], text="bars: ± one standard uncertainty", anchor="right", level="top",
        size=8.5, colour=SOFT,
    )  # fmt: skip


def ladder_row(rung: Rung) -> LadderRow:
    """A rung with its temperatures in °C."""
    row = rung.to_dict() | {
        "temperature_C": [round(kelvin - zero_Celsius, 6) for kelvin in rung.mu_kJ_per_mol],
        "mu_kJ_per_mol": list(rung.mu_kJ_per_mol.values()),
    }
    return LadderRow.model_validate(row)
