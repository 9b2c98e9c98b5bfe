"""A parameter set of smooth analytic tables: invented numbers of the right size, for tests of the model alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.constants import R, bar

from cosinter.analysis.parameters import Arrhenius, ParameterSet, Scalar, Table

SOURCE = "invented for tests"
T_GRID = np.linspace(280.0, 1300.0, 18)
U_GRID = np.linspace(0.0, 1.0, 41)
PRODUCTS = [
    {
        "formula": "Li1.3Al0.3Ti1.7(PO4)3",
        "composition": {"Li": 1.3, "Al": 0.3, "Ti": 1.7, "P": 3.0, "O": 12.0},
    },
    {"formula": "LiTiOPO4", "composition": {"Li": 1.0, "Ti": 1.0, "P": 1.0, "O": 5.0}},
    {"formula": "Li3PO4", "composition": {"Li": 3.0, "P": 1.0, "O": 4.0}},
    {"formula": "AlPO4", "composition": {"Al": 1.0, "P": 1.0, "O": 4.0}},
    {"formula": "TiO2", "composition": {"Ti": 1.0, "O": 2.0}},
]
VERTICES = (0.0, 1.7, 3.4)
AMOUNTS = [[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.7, 1.0, 0.3, 0.0], [0.0, 0.0, 2.7, 0.3, 1.7]]
VOLUMES = [1.32e-4, 5.2e-5, 4.7e-5, 4.6e-5, 1.9e-5]


def scalar(value: float, unit: str, uncertainty: float | None = None) -> Scalar:
    return Scalar(value=value, unit=unit, source=SOURCE, kind="assumed", uncertainty=uncertainty)


def arrhenius(value: float, energy: float, unit: str, *, at: float = 973.15, **spread: float) -> Arrhenius:
    return Arrhenius(
        reference_value=value,
        reference_temperature=at,
        activation_energy=energy,
        unit=unit,
        source=SOURCE,
        kind="assumed",
        **spread,
    )


def table(values: Any, unit: str, uncertainty: float | None = None, **axes: Any) -> Table:
    return Table(
        axes={name: tuple(map(float, axis)) for name, axis in axes.items()},
        values=np.asarray(values).tolist(),
        unit=unit,
        source=SOURCE,
        kind="assumed",
        uncertainty=uncertainty,
    )


def oxygen_gibbs(temperature: Any) -> Any:
    return -61.0e3 - 223.0 * (temperature - 298.15)


def oxide_gibbs(temperature: Any) -> Any:
    return -609.0e3 - 65.0 * (temperature - 298.15)


def cathode_tables() -> dict[str, np.ndarray]:
    """Excess G (T, u): layered convex in u, spinel favoured below u = 1/2, rock salt where O2 leaves gladly."""
    T, u = T_GRID[:, None], U_GRID[None, :]
    slope = 0.5 * oxide_gibbs(T) - 0.25 * oxygen_gibbs(T) - 70e3
    layered = slope * u + 15e3 * (u - 0.5) ** 2
    spinel = layered - 4e3 + 12e3 * u + 90e3 * np.maximum(0.5 - u, 0.0)
    rock_salt = layered + 80e3 * (1.0 - u) + 15e3 * u
    return {"layered": layered, "spinel": spinel, "rock_salt": rock_salt}


def _thermodynamics() -> dict[str, Any]:
    tables = {
        f"cathode.{phase}.excess_gibbs": table(
            values, "J/mol", 2e3, temperature_K=T_GRID, lithium_per_metal=U_GRID
        )
        for phase, values in cathode_tables().items()
    }
    water = 10.0 ** np.where(T_GRID < 745.0, -6462.0 / T_GRID + 11.22, -4074.0 / T_GRID + 8.021)
    dioxide = bar * np.exp(-(224e3 - 160.0 * T_GRID) / (R * T_GRID))
    potential = np.array([[-190e3], [-150e3], [-150e3]]) * np.ones_like(T_GRID)
    return tables | {
        "thermo.oxygen_gas.gibbs": table(oxygen_gibbs(T_GRID), "J/mol", temperature_K=T_GRID),
        "thermo.lithium_oxide.gibbs": table(oxide_gibbs(T_GRID), "J/mol", temperature_K=T_GRID),
        "thermo.water_gas.gibbs": table(-302e3 - 207.0 * (T_GRID - 298.15), "J/mol", temperature_K=T_GRID),
        "thermo.lithium_hydroxide_gas.gibbs": table(
            -305e3 - 237.0 * (T_GRID - 298.15), "J/mol", temperature_K=T_GRID
        ),
        "compensator.lithium_hydroxide.equilibrium_pressure": table(water, "Pa", temperature_K=T_GRID),
        "compensator.lithium_carbonate.equilibrium_pressure": table(dioxide, "Pa", temperature_K=T_GRID),
        "electrolyte.titration.potential": table(
            potential, "J/mol", 5e3, lithium_oxide_mol_per_mol=VERTICES, temperature_K=T_GRID
        ),
        "electrolyte.titration.products": table(
            AMOUNTS, "mol/mol", lithium_oxide_mol_per_mol=VERTICES, product=range(5)
        ),
        "electrolyte.products.molar_volume": table(VOLUMES, "m3/mol", product=range(5)),
        "interphase.conductivity": table([1e-2, 6e-13, 2e-5, 1e-14, 1e-8], "S/m", product=range(5)),
    }


def _rates() -> dict[str, Any]:
    contact = {"energy": 150e3, "unit": "m/s", "log10_uncertainty": 1.0, "activation_energy_uncertainty": 1e4}
    return {
        "cathode.layered.lithium_diffusivity": arrhenius(5e-12, 82e3, "m2/s", log10_uncertainty=1.0),
        "cathode.spinel.lithium_diffusivity": arrhenius(1e-12, 93e3, "m2/s"),
        "cathode.rock_salt.lithium_diffusivity": arrhenius(1.4e-19, 243e3, "m2/s"),
        "conversion.layered_to_spinel": arrhenius(8e4, 113.6e3, "1/s"),
        "conversion.spinel_to_rock_salt": arrhenius(2e5, 158.1e3, "1/s"),
        "contact.exchange_solid": arrhenius(2.6e-6, **contact),
        "contact.exchange_liquid": arrhenius(2.6e-5, **contact),
        "contact.interface_rate": arrhenius(2.6e-5, **contact),
        "compensator.lithium_hydroxide.dehydration": arrhenius(42.7, 123.4e3, "1/s"),
        "compensator.lithium_carbonate.decomposition": arrhenius(9.4, 224e3, "1/s"),
        "cathode.grain_boundary.lithium_diffusivity": arrhenius(5e-11, 65e3, "m2/s"),
        "compensator.lithium_hydroxide.carbonation": arrhenius(1e-4, 20e3, "1/s"),
        "coating.conductivity": arrhenius(1e-5, 60e3, "S/m"),
        "coating.breakdown": arrhenius(1e-2, 200e3, "1/s"),
        "interphase.parabolic_constant": arrhenius(1.4e-19, 243e3, "m2/s", log10_uncertainty=1.0),
    }


def _scalars() -> dict[str, Any]:
    values = {
        "cathode.nickel": (0.8, "1"), "cathode.cobalt": (0.1, "1"), "cathode.manganese": (0.1, "1"),
        "cathode.molar_mass": (0.0973, "kg/mol"), "cathode.metal_concentration": (4.9e4, "mol/m3"),
        "cathode.initial_lithium_per_metal": (0.99, "1"), "cathode.vacancy_floor": (0.01, "1"),
        "cathode.vacancy_exponent": (1.0, "1"), "cathode.antisite_fraction": (0.0, "1"),
        "cathode.antisite_sensitivity": (19.0, "1"), "cathode.open_face_share": (1.0, "1"),
        "cathode.grain_boundary.width": (1e-9, "m"), "conversion.nuclei": (2e-3, "1"),
        "compensator.evaporation_velocity": (0.0, "m/s"), "conversion.reference_lithium": (0.204, "1"),
        "conversion.lithiated_activation_energy": (240e3, "J/mol"), "contact.solid_coverage": (0.3, "1"),
        "contact.liquid_coverage": (0.9, "1"), "contact.film_thickness": (5e-10, "m"),
        "compensator.molar_volume": (1.64e-5, "m3/mol"),
        "compensator.lithium_hydroxide.molar_mass": (0.023948, "kg/mol"),
        "compensator.lithium_hydroxide.melting_temperature": (744.3, "K"),
        "compensator.lithium_hydroxide.fusion_enthalpy": (20.9e3, "J/mol"),
        "compensator.lithium_carbonate.molar_mass": (0.073891, "kg/mol"),
        "compensator.lithium_carbonate.melting_temperature": (1005.0, "K"),
        "compensator.lithium_carbonate.fusion_enthalpy": (44.8e3, "J/mol"),
        "compensator.melting_width": (3.0, "K"), "electrolyte.molar_mass": (0.3834, "kg/mol"),
        "electrolyte.molar_volume": (1.32e-4, "m3/mol"),
        "interphase.reference_driving_force": (48.24e3, "J/mol"),
        "interphase.initial_thickness": (1e-9, "m"),
    }  # fmt: skip
    return {name: scalar(value, unit) for name, (value, unit) in values.items()}


def parameter_set(**changes: Any) -> ParameterSet:
    """The fixture with records replaced by dotted name (``None`` removes one)."""
    records = _thermodynamics() | _rates() | _scalars() | changes
    return ParameterSet(
        study="fixture",
        cosinter_version="test",
        parameters={name: record for name, record in records.items() if record is not None},
        labels={"electrolyte.products": PRODUCTS, "electrolyte.composition": PRODUCTS[0]["composition"]},
    )
