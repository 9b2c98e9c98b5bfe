"""Steps of thermodynamics: interface reactions, the ladder of Li2O reservoirs, the titration of the electrolyte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.constants import zero_Celsius

from cosinter.workflows.chemistry import metals
from cosinter.workflows.execution import Task
from cosinter.workflows.study import Furnace

if TYPE_CHECKING:
    from cosinter.analysis.equilibrium.titration import TitrationCurve
    from cosinter.analysis.thermochemistry.cathode import CathodeModel

LADDER_TEMPERATURES_C = (450.0, 600.0, 700.0, 800.0)


def open_gases(atmosphere: Mapping[str, float]) -> dict[str, float]:
    """Partial pressures (bar) of the gases that are there at all."""
    return {gas: pressure for gas, pressure in atmosphere.items() if pressure > 0.0}


def reaction(task: Task) -> dict[str, Any]:
    """Mixing line of two solids: kinks, products, ties, sources of the phases, Monte Carlo over their errors."""
    from cosinter.workflows.reactions import ReactionRequest, reaction_content
    from cosinter.workflows.sources.libraries import planned_library

    inputs = task.inputs
    request = ReactionRequest(
        first=inputs["first"],
        second=inputs["second"],
        temperatures_C=(inputs["temperature_C"],),
        pressures_bar=open_gases(inputs["atmosphere"]),
        samples=inputs["samples"],
        seed=inputs["seed"],
        solutions=inputs["solutions"],
    )
    return reaction_content(request, library=planned_library(inputs["library"]))


def thermodynamics(task: Task) -> dict[str, Any]:
    """The ladder of Li2O reservoirs, the titration of the electrolyte, and what the cathode model assumes."""
    from cosinter.analysis.equilibrium.ladder import li2o_ladder

    inputs = task.inputs
    model, curve = cathode_and_titration(inputs)
    rungs = li2o_ladder(
        model,
        inputs["electrolyte"]["formula"],
        temperatures_K=np.array(LADDER_TEMPERATURES_C) + zero_Celsius,
        pressures_bar=open_gases(inputs["atmosphere"]),
    )
    return {
        "ladder": [
            {
                "reservoir": rung.reservoir,
                "temperature_C": [round(kelvin - zero_Celsius, 6) for kelvin in rung.mu_kJ_per_mol],
                "mu_kJ_per_mol": list(rung.mu_kJ_per_mol.values()),
                "uncertainty_kJ_per_mol": rung.uncertainty_kJ_per_mol,
                "kind": rung.kind,
                "source": rung.source,
            }
            for rung in rungs
        ],
        "titration": curve.to_dict(),
        "warnings": list(curve.warnings),
    }


def cathode_and_titration(inputs: Mapping[str, Any]) -> tuple[CathodeModel, TitrationCurve]:
    """Free energy of the cathode, and the titration of the electrolyte at the highest temperature of the furnace."""
    from cosinter.analysis.equilibrium.titration import titration_curve
    from cosinter.analysis.thermochemistry.cathode import CathodeModel
    from cosinter.workflows.sources.libraries import planned_library

    library = planned_library(inputs["library"])
    nickel, cobalt, manganese = metals(inputs["cathode"]["formula"])
    model = CathodeModel(nickel=nickel, cobalt=cobalt, manganese=manganese, library=library)
    hottest = max(temperature for _, temperature in Furnace.model_validate(inputs["furnace"]).knots())
    curve = titration_curve(
        inputs["electrolyte"]["formula"],
        library=library,
        temperature_K=hottest + zero_Celsius,
        pressures_bar={"O2": inputs["atmosphere"]["O2"]},
    )
    return model, curve
