"""A small parameter set and sintering summaries for the export tests (made-up numbers of the right size)."""

from __future__ import annotations

from functools import cache
from typing import Any

from cosinter.analysis.assembly import assemble
from cosinter.analysis.equilibrium.titration import titration_curve
from cosinter.analysis.exports.electrode import Geometry
from cosinter.analysis.parameters import Arrhenius, ParameterSet, Scalar, Table
from cosinter.analysis.thermochemistry.cathode import CathodeModel

GEOMETRY = Geometry(grain_radius_m=2e-6, cathode_volume_fraction=0.6, porosity=0.05)
SUMMARY: dict[str, Any] = {
    "name": "bare",
    "layered_fraction": 0.8,
    "spinel_fraction": 0.05,
    "rock_salt_fraction": 0.15,
    "lithium_per_metal": 0.85,
    "interphase_nm": 30.0,
    "asr_ohm_cm2": 60.0,
    "capacity_mAh_per_g": 150.0,
    "balance_error": {"Li": 1e-14},
    "wall_s": 0.1,
}


def parameter_set(**more: Any) -> ParameterSet:
    test = {"source": "made-up test value", "kind": "measured"}
    records: dict[str, Any] = {
        "cathode.metal_concentration": Scalar(value=48000.0, unit="mol/m3", **test),
        "cathode.molar_mass": Scalar(value=0.09728, unit="kg/mol", **test),
        "cathode.initial_lithium_per_metal": Scalar(value=1.0, unit="1", **test),
        "capacity.reference": Scalar(value=720000.0, unit="C/kg", uncertainty=18000.0, **test),
        "cathode.layered.lithium_diffusivity": Arrhenius(
            unit="m2/s",
            reference_value=1e-12,
            reference_temperature=973.15,
            activation_energy=80e3,
            log10_uncertainty=1.0,
            source="made-up, of the furnace",
            kind="computed",
        ),
        "capacity.open_circuit_voltage": Table(
            unit="V",
            axes={"lithium_per_metal": (0.0, 0.25, 0.5, 0.75, 1.0)},
            values=[4.7, 4.25, 3.95, 3.75, 3.4],
            source="made-up test value, monotonic",
            kind="measured",
        ),
        "thermo.map": Table(
            unit="J/mol",
            axes={"temperature_K": (300.0, 900.0), "lithium_per_metal": (0.0, 0.5, 1.0)},
            values=[[0.0, 1.0, 2.0], [3.0, 4.0, 5.5]],
            uncertainty=0.5,
            source='made-up, with "quotes", commas and\na line break',
            kind="assumed",
        ),
    }
    return ParameterSet(study="=test study", cosinter_version="0", parameters=records | more)


@cache
def assembled_set() -> ParameterSet:
    """The set that a run with NCM811 and LATP in air makes."""
    cathode = CathodeModel(0.8, 0.1, 0.1)
    titration = titration_curve(
        "latp", library=cathode.library, temperature_K=973.15, pressures_bar={"O2": 0.21}
    )
    return assemble(study_name="NCM811 + LATP", cathode=cathode, titration=titration)
