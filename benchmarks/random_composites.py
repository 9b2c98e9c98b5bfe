"""Random composites far outside what is sensible, yet admissible: every parameter, the furnace, the gas and the mixture move.

Rates move by two decades each way and their energies by a fifth, Gibbs energies by 10 to 20 kJ/mol, pressures by two
decades, scalars over most of the range the model allows; one number in ten sits on the edge of its range.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.constants import bar

from cosinter.analysis.continuum.furnace import Furnace, Gas
from cosinter.analysis.continuum.inputs import REQUIREMENTS, SPECIES, SinterCase
from cosinter.analysis.parameters import AnyRecord, Arrhenius, ParameterSet, Scalar, Table

SCALARS = {  # range of the draw where it is narrower than what is allowed; "log" draws in the logarithm
    "cathode.initial_lithium_per_metal": (0.3, 1.0, ""),
    "cathode.vacancy_floor": (1e-5, 0.3, "log"),
    "cathode.vacancy_exponent": (0.0, 2.0, ""),
    "cathode.antisite_fraction": (0.0, 0.3, ""),
    "cathode.antisite_sensitivity": (0.0, 30.0, ""),
    "cathode.open_face_share": (0.01, 1.0, "log"),
    "cathode.grain_boundary.width": (1e-10, 1e-8, "log"),
    "conversion.reference_lithium": (0.0, 0.9, ""),
    "conversion.lithiated_activation_energy": (1.6e5, 3.2e5, ""),
    "contact.solid_coverage": (0.0, 0.999, ""),
    "contact.liquid_coverage": (0.0, 0.999, ""),
    "contact.film_thickness": (1e-10, 1e-8, "log"),
    "compensator.melting_width": (0.3, 30.0, "log"),
    "compensator.evaporation_velocity": (0.0, 1.0, ""),
    "interphase.reference_driving_force": (5e3, 2e5, "log"),
    "interphase.initial_thickness": (1e-10, 1e-7, "log"),
}
GIBBS, POTENTIAL = 1e4, 2e4  # J/mol
PRESSURE_DECADES, RATE_DECADES = 2.0, 2.0


class _Draw:
    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng([20261123, seed])

    def __call__(self, low: float, high: float, kind: str = "") -> float:
        """Uniform in the range or in its logarithm; one in ten on an edge."""
        share = float(self.random.random())
        if self.random.random() < 0.1:
            share = round(share)
        if kind == "log":
            return float(np.clip(low * (high / low) ** share, low, high))
        return low + (high - low) * share

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)


def _record(draw: _Draw, name: str, record: AnyRecord) -> AnyRecord:
    changes: dict[str, Any] = {}
    if isinstance(record, Arrhenius):
        changes = {
            "reference_value": record.reference_value * 10.0 ** draw(-RATE_DECADES, RATE_DECADES),
            "activation_energy": record.activation_energy * draw(0.8, 1.2),
        }
    elif isinstance(record, Scalar) and name in SCALARS:
        changes = {"value": draw(*SCALARS[name])}
    elif isinstance(record, Table) and (shape := _moved_table(draw, name, record)) is not None:
        changes = {"values": shape.tolist()}
    return record.model_copy(update=changes)


def _moved_table(draw: _Draw, name: str, record: Table) -> Any:
    if name.endswith("excess_gibbs"):
        return record.array + draw(-GIBBS, GIBBS) + draw(-GIBBS, GIBBS) * record.axis("lithium_per_metal")
    if name.endswith("titration.potential"):
        return record.array + draw(-POTENTIAL, POTENTIAL)
    if name.endswith("equilibrium_pressure"):
        return record.array * 10.0 ** draw(-PRESSURE_DECADES, PRESSURE_DECADES)
    return None


def _gas(draw: _Draw) -> Gas:
    return Gas(
        oxygen_Pa=draw(1e-6, 1.0, "log") * bar,
        water_Pa=0.0 if draw.chance(0.2) else draw(1e-6, 1.0, "log") * bar,
        carbon_dioxide_Pa=0.0 if draw.chance(0.2) else draw(1e-6, 1.0, "log") * bar,
    )


def _furnace(draw: _Draw) -> Furnace:
    steps: list[tuple[float, float, Gas]] = []
    now = 298.15
    for _ in range(int(draw.random.integers(1, 5))):
        to = draw(350.0, 1300.0)
        steps.append((to, draw(0.3, 60.0, "log") / 60.0, _gas(draw)))
        if draw.chance(0.6):
            steps.append((to, draw(10.0, 2e5, "log"), _gas(draw)))
        now = to
    if draw.chance(0.5) and abs(now - 298.15) > 1.0:
        steps.append((298.15, 5.0 / 60.0, _gas(draw)))
    return Furnace.from_steps(steps)


def _case(draw: _Draw, seed: int, cells: int) -> SinterCase:
    radius = draw(1e-8, 3e-5, "log")
    return SinterCase(
        f"random {seed}",
        _furnace(draw),
        grain_radius_m=radius,
        cathode_volume_fraction=draw(0.02, 0.98),
        doses={species: draw(1e-4, 2.0, "log") for species in SPECIES if draw.chance(0.6)},
        coating_thickness_m=draw(1e-10, 1e-7, "log") if draw.chance(0.4) else 0.0,
        crystallite_size_m=draw(1e-9, radius, "log") if draw.chance(0.4) else None,
        cells=cells,
        tolerance=draw(1e-5, 1e-3, "log"),
    )


def random_composite(base: ParameterSet, seed: int, *, cells: int = 8) -> tuple[ParameterSet, SinterCase]:
    """The composite number ``seed``: always the same."""
    draw = _Draw(seed)
    moved = {
        name: _record(draw, name, record) if name in REQUIREMENTS else record
        for name, record in base.parameters.items()
    }
    return base.model_copy(update={"parameters": moved}), _case(draw, seed, cells)
