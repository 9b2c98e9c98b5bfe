"""What the continuum model asks of a :class:`ParameterSet`, and the checked SI numbers it computes with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R

from cosinter.analysis.continuum.furnace import Furnace
from cosinter.analysis.parameters import Arrhenius, ParameterSet, Scalar, Table
from cosinter.data.exceptions import InputError

FloatArray = NDArray[np.float64]
PHASES = ("layered", "spinel", "rock_salt")
HYDROXIDE, CARBONATE = "compensator.lithium_hydroxide", "compensator.lithium_carbonate"


@dataclass(frozen=True)
class Requirement:
    """One parameter the model needs: record type, SI unit, allowed range of its values and what it means."""

    type: Literal["scalar", "arrhenius", "table"]
    unit: str
    low: float
    high: float
    meaning: str
    axes: tuple[str, ...] = ()


def _scalar(unit: str, low: float, high: float, meaning: str) -> Requirement:
    return Requirement("scalar", unit, low, high, meaning)


def _arrhenius(unit: str, meaning: str) -> Requirement:
    return Requirement("arrhenius", unit, 0.0, np.inf, meaning)


def _table(unit: str, meaning: str, *axes: str, low: float = -np.inf) -> Requirement:
    return Requirement("table", unit, low, np.inf, meaning, axes)


TEMPERATURE, LITHIUM = "temperature_K", "lithium_per_metal"
TITRATED, PRODUCT = "lithium_oxide_mol_per_mol", "product"

REQUIREMENTS: Mapping[str, Requirement] = {
    "cathode.nickel": _scalar("1", 0.0, 1.0, "Ni per metal"),
    "cathode.cobalt": _scalar("1", 0.0, 1.0, "Co per metal"),
    "cathode.manganese": _scalar("1", 0.0, 1.0, "Mn per metal"),
    "cathode.molar_mass": _scalar("kg/mol", 0.05, 0.5, "mass of LiMO2 per mol metal"),
    "cathode.metal_concentration": _scalar("mol/m3", 1e3, 1e6, "metal per volume of the layered phase"),
    "cathode.initial_lithium_per_metal": _scalar("1", 0.01, 1.0, "Li per metal before sintering"),
    **{
        f"cathode.{phase}.excess_gibbs": _table(
            "J/mol", f"G of {phase} Li_uMO_n per mol metal less the mixing term", TEMPERATURE, LITHIUM
        )
        for phase in PHASES
    },
    **{
        f"cathode.{phase}.lithium_diffusivity": _arrhenius(
            "m2/s", f"D of Li in {phase} at unit vacancy factor"
        )
        for phase in PHASES
    },
    "cathode.vacancy_floor": _scalar("1", 1e-6, 1.0, "vacancies per metal left at u = 1"),
    "cathode.vacancy_exponent": _scalar("1", 0.0, 2.0, "power of the vacancy factor in D"),
    "cathode.antisite_fraction": _scalar("1", 0.0, 0.5, "Ni on lithium sites"),
    "cathode.antisite_sensitivity": _scalar(
        "1", 0.0, 100.0, "fall of ln D of the layered phase per antisite"
    ),
    "cathode.open_face_share": _scalar(
        "1", 1e-3, 1.0, "share of the grain surface that lets lithium through"
    ),
    "cathode.grain_boundary.lithium_diffusivity": _arrhenius("m2/s", "D of Li along grain boundaries"),
    "cathode.grain_boundary.width": _scalar("m", 1e-11, 1e-7, "width of a grain boundary"),
    "thermo.oxygen_gas.gibbs": _table("J/mol", "G of O2 at 1 bar", TEMPERATURE),
    "thermo.lithium_oxide.gibbs": _table("J/mol", "G of Li2O(s)", TEMPERATURE),
    "thermo.water_gas.gibbs": _table("J/mol", "G of H2O(g) at 1 bar", TEMPERATURE),
    "thermo.lithium_hydroxide_gas.gibbs": _table("J/mol", "G of LiOH(g) at 1 bar", TEMPERATURE),
    "conversion.layered_to_spinel": _arrhenius("1/s", "rate at the reference lithium content"),
    "conversion.spinel_to_rock_salt": _arrhenius("1/s", "rate at the reference lithium content"),
    "conversion.reference_lithium": _scalar("1", 0.0, 0.99, "Li per metal of the measured rates"),
    "conversion.lithiated_activation_energy": _scalar("J/mol", 0.0, 1e6, "activation energy at u = 1"),
    "conversion.nuclei": _scalar(
        "1", 1e-6, 1e9, "share of a cell that converts without a growing neighbour; >> 1: first order"
    ),
    "contact.exchange_solid": _arrhenius("m/s", "back-diffusion from a solid compensator"),
    "contact.exchange_liquid": _arrhenius("m/s", "back-diffusion from the melt"),
    "contact.interface_rate": _arrhenius("m/s", "transfer of Li into the electrolyte without a layer"),
    "contact.solid_coverage": _scalar("1", 0.0, 0.999, "grain area covered by a solid compensator"),
    "contact.liquid_coverage": _scalar("1", 0.0, 0.999, "grain area covered by the melt"),
    "contact.film_thickness": _scalar("m", 1e-11, 1e-6, "thickness below which the cover breaks up"),
    "compensator.molar_volume": _scalar("m3/mol", 1e-6, 1e-3, "volume of compensator per mol Li"),
    f"{HYDROXIDE}.molar_mass": _scalar("kg/mol", 0.02, 0.05, "mass of LiOH"),
    f"{HYDROXIDE}.dehydration": _arrhenius("1/s", "2 LiOH -> Li2O + H2O into vacuum"),
    f"{HYDROXIDE}.carbonation": _arrhenius("1/s", "2 LiOH + CO2 -> Li2CO3 + H2O"),
    f"{HYDROXIDE}.equilibrium_pressure": _table("Pa", "p(H2O) over LiOH + Li2O", TEMPERATURE, low=0.0),
    f"{HYDROXIDE}.melting_temperature": _scalar("K", 300.0, 2000.0, "melting point"),
    f"{HYDROXIDE}.fusion_enthalpy": _scalar("J/mol", 1.0, 1e6, "enthalpy of fusion"),
    f"{CARBONATE}.molar_mass": _scalar("kg/mol", 0.05, 0.1, "mass of Li2CO3"),
    f"{CARBONATE}.decomposition": _arrhenius("1/s", "Li2CO3 -> Li2O + CO2 into vacuum"),
    f"{CARBONATE}.equilibrium_pressure": _table("Pa", "p(CO2) over Li2CO3 + Li2O", TEMPERATURE, low=0.0),
    f"{CARBONATE}.melting_temperature": _scalar("K", 300.0, 2000.0, "melting point"),
    f"{CARBONATE}.fusion_enthalpy": _scalar("J/mol", 1.0, 1e6, "enthalpy of fusion"),
    "compensator.melting_width": _scalar("K", 0.1, 50.0, "smoothing of melting"),
    "compensator.evaporation_velocity": _scalar(
        "m/s", 0.0, 10.0, "mass transfer of LiOH(g) away from the grains; 0 in a closed crucible"
    ),
    "coating.conductivity": _arrhenius("S/m", "ambipolar lithium conductivity of the coating"),
    "coating.breakdown": _arrhenius("1/s", "first-order loss of the coating"),
    "electrolyte.molar_mass": _scalar("kg/mol", 0.05, 2.0, "mass of one formula of electrolyte"),
    "electrolyte.molar_volume": _scalar("m3/mol", 1e-6, 1e-2, "volume of one formula of electrolyte"),
    "electrolyte.titration.potential": _table(
        "J/mol", "mu(Li2O) - G(Li2O) of the step that starts at each vertex", TITRATED, TEMPERATURE
    ),
    "electrolyte.titration.products": _table(
        "mol/mol", "amounts per electrolyte", TITRATED, PRODUCT, low=-1e-9
    ),
    "electrolyte.products.molar_volume": _table("m3/mol", "volume of each product", PRODUCT, low=0.0),
    "interphase.parabolic_constant": _arrhenius(
        "m2/s", "K_p in d(delta^2)/dt = 2 K_p at the reference force"
    ),
    "interphase.reference_driving_force": _scalar(
        "J/mol", 1e3, 1e6, "difference of mu(Li) that K_p refers to"
    ),
    "interphase.initial_thickness": _scalar("m", 1e-11, 1e-6, "layer at the start"),
}

PRODUCTS_LABEL = "electrolyte.products"
ELECTROLYTE_LABEL = "electrolyte.composition"


@dataclass(frozen=True)
class SinterCase:
    """One composite in one furnace programme; SI units.

    ``doses`` in mol Li per mol metal of the grain by species (``lithium_hydroxide``, ``lithium_carbonate``,
    ``lithium_oxide``); ``tolerance`` is the relative error per step of the time
    integration; ``solid_coverage`` and ``liquid_coverage`` replace the parameters of that name.
    ``coating_thickness_m`` of a film around the grain (0: none); ``crystallite_size_m`` of a polycrystalline grain, with
    grain boundaries (None: a single crystal); ``size_spread``: standard deviation of ln R of the volume distribution.
    """

    name: str
    furnace: Furnace
    grain_radius_m: float = 1.0e-6
    cathode_volume_fraction: float = 0.5
    doses: Mapping[str, float] = field(default_factory=dict)
    solid_coverage: float | None = None
    liquid_coverage: float | None = None
    coating_thickness_m: float = 0.0
    crystallite_size_m: float | None = None
    size_spread: float = 0.0
    cells: int = 50
    tolerance: float = 1.0e-4
    seed: int = 0

    def __post_init__(self) -> None:
        _range("grain radius", self.grain_radius_m, 1e-9, 10.0, "m")
        _range("cathode volume fraction", self.cathode_volume_fraction, 1e-6, 1.0 - 1e-6, "")
        _range("cells", self.cells, 4, 2000, "")
        _range("tolerance", self.tolerance, 1e-10, 1e-2, "")
        _range("coating thickness", self.coating_thickness_m, 0.0, 1e-5, "m")
        _range("spread of ln R", self.size_spread, 0.0, 1.5, "")
        if self.crystallite_size_m is not None:
            _range("crystallite size", self.crystallite_size_m, 1e-9, 2.0 * self.grain_radius_m, "m")
        for species, dose in self.doses.items():
            if species not in SPECIES:
                raise InputError(f"compensator '{species}' is not known; choose among {', '.join(SPECIES)}")
            _range(f"dose of {species}", dose, 0.0, 100.0, "mol Li per mol metal")
        for name in ("solid_coverage", "liquid_coverage"):
            if (value := getattr(self, name)) is not None:
                _range(name.replace("_", " "), value, 0.0, 0.999, "")


SPECIES = ("lithium_hydroxide", "lithium_carbonate", "lithium_oxide")


def _range(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not (np.isfinite(value) and low <= value <= high):
        raise InputError(
            f"{name} is {value:g} {unit}, allowed is {low:g} to {high:g} {unit}; change it".replace(" ,", ",")
        )


def check_parameters(parameters: ParameterSet) -> None:
    """Check that every required parameter is there, of the right type and unit, and within its range.

    Raises
    ------
    InputError
        Names the first parameter that breaks a rule, its value and what is allowed.
    """
    missing = [name for name in REQUIREMENTS if name not in parameters.parameters]
    if missing:
        raise InputError(
            f"parameter {missing[0]} ({REQUIREMENTS[missing[0]].meaning}) is missing from the set"
            f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}; add it"
        )
    for name, need in REQUIREMENTS.items():
        _check_record(name, parameters.parameters[name], need)
    total = sum(parameters.scalar(f"cathode.{metal}") for metal in ("nickel", "cobalt", "manganese"))
    if abs(total - 1.0) > 1e-9:
        raise InputError(
            f"cathode.nickel + cobalt + manganese is {total:.9g}, it must be 1; mend the composition"
        )


def _check_record(name: str, record: Scalar | Arrhenius | Table, need: Requirement) -> None:
    if record.type != need.type:
        raise InputError(f"parameter {name} is a {record.type}, the model needs a {need.type}; replace it")
    if record.unit != need.unit:
        raise InputError(f"parameter {name} has unit {record.unit}, the model needs {need.unit}; convert it")
    if isinstance(record, Scalar):
        _range(f"parameter {name}", record.value, need.low, need.high, need.unit)
    elif isinstance(record, Table):
        if tuple(record.axes) != need.axes:
            raise InputError(
                f"parameter {name} has axes {tuple(record.axes)}, the model needs {need.axes}; rename them"
            )
        smallest = float(record.array.min())
        if smallest < need.low:
            raise InputError(
                f"parameter {name} holds {smallest:g} {need.unit}, lowest allowed is {need.low:g}; mend it"
            )


@dataclass(frozen=True)
class Rate:
    """Arrhenius law as ln k = ln_prefactor - energy/RT (SI)."""

    ln_prefactor: float
    energy: float
    reference_temperature: float

    @classmethod
    def of(cls, record: Arrhenius) -> Rate:
        """Take prefactor and energy from a record."""
        shift = record.activation_energy / (R * record.reference_temperature)
        logarithm = float(np.log(record.reference_value) + shift)
        return cls(logarithm, record.activation_energy, record.reference_temperature)

    def __call__(self, temperature: float) -> float:
        """Rate at ``temperature`` (K)."""
        return float(np.exp(self.ln_prefactor - self.energy / (R * temperature)))


@dataclass(frozen=True)
class ArrayTable:
    """A table as arrays: ``axes`` by name in the order of the dimensions of ``array``."""

    axes: Mapping[str, FloatArray]
    array: FloatArray

    @classmethod
    def of(cls, record: Table) -> ArrayTable:
        """Convert a record once."""
        return cls({name: record.axis(name) for name in record.axes}, record.array)

    def axis(self, name: str) -> FloatArray:
        """The grid of one axis."""
        return self.axes[name]

    def same_axes(self, other: ArrayTable) -> bool:
        """Whether both tables stand on the same grid."""
        return list(self.axes) == list(other.axes) and all(
            np.array_equal(grid, other.axes[name]) for name, grid in self.axes.items()
        )


@dataclass(frozen=True)
class ModelInputs:
    """Checked numbers and arrays in SI; ``scalars`` and ``rates`` by dotted name, tables as arrays."""

    scalars: Mapping[str, float]
    rates: Mapping[str, Rate]
    tables: Mapping[str, ArrayTable]
    products: tuple[str, ...]
    compositions: tuple[Mapping[str, float], ...]
    electrolyte: Mapping[str, float]

    def __getitem__(self, name: str) -> float:
        return self.scalars[name]


def _composition(value: Any, *, where: str) -> dict[str, float]:
    if not isinstance(value, Mapping) or not value or any(float(n) < 0.0 for n in value.values()):
        raise InputError(f"label {where} must map elements to amounts >= 0, not {value!r}; mend it")
    return {str(element): float(number) for element, number in value.items()}


def model_inputs(parameters: ParameterSet) -> ModelInputs:
    """Check a parameter set and turn it into numbers the model computes with.

    The labels ``electrolyte.products`` (a list of {"formula", "composition"}) and ``electrolyte.composition``
    (element -> mol per formula) name what the titration tables count.

    Raises
    ------
    InputError
        A parameter or label is missing, of the wrong type, or outside its range.
    """
    check_parameters(parameters)
    records = {name: parameters.parameters[name] for name in REQUIREMENTS}
    products = parameters.labels.get(PRODUCTS_LABEL)
    count = len(parameters.table("electrolyte.products.molar_volume").axis(PRODUCT))
    if not isinstance(products, list | tuple) or len(products) != count:
        raise InputError(
            f"label {PRODUCTS_LABEL} must list the {count} products of the titration table; add it"
        )
    table = parameters.table("electrolyte.titration.products")
    if table.array.shape[1] != count:
        raise InputError(
            f"electrolyte.titration.products counts {table.array.shape[1]} products, "
            f"electrolyte.products.molar_volume {count}; they must agree"
        )
    vertices = table.axis(TITRATED)
    potential = parameters.table("electrolyte.titration.potential").axis(TITRATED)
    if vertices[0] != 0.0 or not np.array_equal(vertices, potential):
        raise InputError(
            "electrolyte.titration tables must share one lithium_oxide axis that starts at 0; mend them"
        )
    return ModelInputs(
        scalars={n: r.value for n, r in records.items() if isinstance(r, Scalar)},
        rates={n: Rate.of(r) for n, r in records.items() if isinstance(r, Arrhenius)},
        tables={n: ArrayTable.of(r) for n, r in records.items() if isinstance(r, Table)},
        products=tuple(str(p["formula"]) for p in products),
        compositions=tuple(_composition(p["composition"], where=PRODUCTS_LABEL) for p in products),
        electrolyte=_composition(parameters.labels.get(ELECTROLYTE_LABEL), where=ELECTROLYTE_LABEL),
    )


def doses_from_weight_percent(
    parameters: ParameterSet, *, cathode_volume_fraction: float, weight_percent: Mapping[str, float]
) -> dict[str, float]:
    """Convert wt% of each compensator (of cathode + electrolyte + compensators) to mol Li per mol metal.

    n_k = (w_k/100) m / (1 - sum w/100) / M_k * Li_k with m = M_NCM + n_E M_E the mass of cathode and electrolyte
    per mol metal and n_E = (1 - phi)/phi / (c_M V_E).
    """
    total = sum(weight_percent.values()) / 100.0
    if min(weight_percent.values(), default=0.0) < 0.0 or total >= 0.9:
        raise InputError(
            f"compensator shares {dict(weight_percent)} wt% must be >= 0 and below 90 together; change them"
        )
    mass = parameters.scalar("cathode.molar_mass") + electrolyte_per_metal(
        parameters.scalar("cathode.metal_concentration"),
        parameters.scalar("electrolyte.molar_volume"),
        cathode_volume_fraction,
    ) * parameters.scalar("electrolyte.molar_mass")
    lithium = {"lithium_hydroxide": 1.0, "lithium_carbonate": 2.0}
    for species in weight_percent:
        if species not in lithium:
            raise InputError(f"compensator '{species}' is not known; choose among {', '.join(lithium)}")
    return {
        species: share
        / 100.0
        * mass
        / (1.0 - total)
        * lithium[species]
        / parameters.scalar(f"compensator.{species}.molar_mass")
        for species, share in weight_percent.items()
    }


def electrolyte_per_metal(
    metal_concentration: float, molar_volume: float, cathode_volume_fraction: float
) -> float:
    """Mol of electrolyte formula per mol metal: n_E = (1 - phi)/phi / (c_M V_E)."""
    phi = cathode_volume_fraction
    return (1.0 - phi) / phi / (metal_concentration * molar_volume)
