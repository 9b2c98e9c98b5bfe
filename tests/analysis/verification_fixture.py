"""Composites reduced to textbook problems: one ideal layered phase, one process at a time, the rest switched off."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.constants import bar

from cosinter.analysis.continuum.furnace import Furnace, Gas
from cosinter.analysis.parameters import ParameterSet

sys.path.insert(0, str(Path(__file__).parent))
from continuum_fixture import T_GRID, U_GRID, arrhenius, parameter_set, scalar, table

T_HOLD = 973.15
RADIUS, DIFFUSIVITY, METAL = 1e-6, 1e-16, 4.9e4
PURE = Gas(oxygen_Pa=bar, water_Pa=0.0, carbon_dioxide_Pa=0.0)
NEVER = 1e-30


def flat(value: float, unit: str = "J/mol") -> Any:
    """A table over temperature that holds one number."""
    return table(np.full(len(T_GRID), value), unit, temperature_K=T_GRID)


def gibbs(**levels: float) -> dict[str, Any]:
    """Excess G of each phase without dependence on lithium: ideal mixing."""
    grid = np.zeros((len(T_GRID), len(U_GRID)))
    return {
        f"cathode.{phase}.excess_gibbs": table(
            grid + level, "J/mol", temperature_K=T_GRID, lithium_per_metal=U_GRID
        )
        for phase, level in levels.items()
    }


def sink(first: float, second: float | None = None, *, vertices: tuple[float, ...] = (0.0, 1.7, 3.4)) -> Any:
    """Potential of the electrolyte per mol Li2O on its first and second step."""
    second = first if second is None else second
    values = np.array([[first], [second], [second]]) * np.ones(len(T_GRID))
    amounts = [[1.0, 0, 0, 0, 0], [0.5, 0.85, 0.5, 0.15, 0], [0, 1.7, 1.0, 0.3, 0]]
    axis = {"lithium_oxide_mol_per_mol": vertices}
    return {
        "electrolyte.titration.potential": table(values, "J/mol", **axis, temperature_K=T_GRID),
        "electrolyte.titration.products": table(amounts, "mol/mol", **axis, product=range(5)),
    }


def ideal_set(**changes: Any) -> ParameterSet:
    """Layered, ideal, D constant, no conversion, no layer, no resistance; spinel and rock salt out of reach."""
    return parameter_set(
        **{
            "thermo.oxygen_gas.gibbs": flat(0.0),
            "thermo.lithium_oxide.gibbs": flat(0.0),
            "thermo.water_gas.gibbs": flat(0.0),
            "thermo.lithium_hydroxide_gas.gibbs": flat(0.0),
            "conversion.nuclei": scalar(1e9, "1"),
            **gibbs(layered=0.0, spinel=1e6, rock_salt=2e6),
            **sink(0.0),
            "cathode.layered.lithium_diffusivity": arrhenius(DIFFUSIVITY, 0.0, "m2/s"),
            "cathode.grain_boundary.lithium_diffusivity": arrhenius(NEVER, 0.0, "m2/s"),
            "cathode.grain_boundary.width": scalar(5e-10, "m"),
            "cathode.antisite_fraction": scalar(0.0, "1"),
            "cathode.antisite_sensitivity": scalar(0.0, "1"),
            "cathode.open_face_share": scalar(1.0, "1"),
            "cathode.vacancy_exponent": scalar(0.0, "1"),
            "cathode.initial_lithium_per_metal": scalar(0.5, "1"),
            "conversion.layered_to_spinel": arrhenius(NEVER, 0.0, "1/s"),
            "conversion.spinel_to_rock_salt": arrhenius(NEVER, 0.0, "1/s"),
            "contact.interface_rate": arrhenius(1.0, 0.0, "m/s"),
            "interphase.parabolic_constant": arrhenius(1.0, 0.0, "m2/s"),
            "coating.conductivity": arrhenius(1.0, 0.0, "S/m"),
            "coating.breakdown": arrhenius(NEVER, 0.0, "1/s"),
            "compensator.lithium_hydroxide.carbonation": arrhenius(NEVER, 0.0, "1/s"),
            "compensator.evaporation_velocity": scalar(0.0, "m/s"),
        }
        | changes
    )


def hold(*fouriers: float, diffusivity: float = DIFFUSIVITY) -> Furnace:
    """Isothermal programme with a knot at each Fourier number D t/R^2."""
    times = (0.0, *(fourier * RADIUS**2 / diffusivity for fourier in fouriers))
    return Furnace(times, (T_HOLD,) * len(times), (PURE,) * (len(times) - 1))


def random_base() -> ParameterSet:
    """All processes at once: the numbers around which random composites are drawn."""
    return parameter_set(
        **{
            "thermo.water_gas.gibbs": table(
                -242e3 - 189.0 * (T_GRID - 298.15), "J/mol", temperature_K=T_GRID
            ),
            "thermo.lithium_hydroxide_gas.gibbs": table(
                -229e3 - 215.0 * (T_GRID - 298.15), "J/mol", temperature_K=T_GRID
            ),
            "cathode.grain_boundary.lithium_diffusivity": arrhenius(5e-10, 60e3, "m2/s"),
            "cathode.grain_boundary.width": scalar(5e-10, "m"),
            "cathode.antisite_fraction": scalar(0.02, "1"),
            "cathode.antisite_sensitivity": scalar(10.0, "1"),
            "cathode.open_face_share": scalar(0.5, "1"),
            "coating.conductivity": arrhenius(1e-7, 80e3, "S/m"),
            "coating.breakdown": arrhenius(1e-3, 200e3, "1/s"),
            "compensator.lithium_hydroxide.carbonation": arrhenius(1e-2, 60e3, "1/s"),
            "compensator.evaporation_velocity": scalar(1e-3, "m/s"),
        }
    )
