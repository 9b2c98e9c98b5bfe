"""Numbers of many composites side by side, in the form the kernel computes with.

A lane is one composite: one sample of the parameters, one dose, one grain size. Lanes of one batch share the grid, the
furnace programme and the tables of the cathode; everything else may differ and has the shape (L, 1) or (L, k).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R, physical_constants

from cosinter.analysis.continuum.compensator import LOWEST_PRESSURE_PA, eutectics
from cosinter.analysis.continuum.grain import Grid, at_temperature
from cosinter.analysis.continuum.inputs import (
    CARBONATE,
    HYDROXIDE,
    PHASES,
    SPECIES,
    ModelInputs,
    SinterCase,
    electrolyte_per_metal,
)
from cosinter.analysis.continuum.interphase import Sink
from cosinter.analysis.continuum.tables import XI_START, XI_STEP, GrainTables, grain_tables

if TYPE_CHECKING:
    from cosinter.analysis.continuum.ensemble import Shifts

FloatArray = NDArray[np.float64]
FARADAY = float(physical_constants["Faraday constant"][0])

RATES = (
    *(f"cathode.{phase}.lithium_diffusivity" for phase in PHASES),
    "cathode.grain_boundary.lithium_diffusivity",
    "conversion.layered_to_spinel",
    "conversion.spinel_to_rock_salt",
    "contact.exchange_solid",
    "contact.exchange_liquid",
    "contact.interface_rate",
    "interphase.parabolic_constant",
    f"{HYDROXIDE}.dehydration",
    f"{CARBONATE}.decomposition",
    f"{HYDROXIDE}.carbonation",
    "coating.conductivity",
    "coating.breakdown",
)


class Lanes(NamedTuple):
    """All numbers of a batch in SI units; (L, 1) unless another shape stands beside.

    Shared: ``faces_conductance`` (N - 1), ``half_conductance``, ``volumes`` (N), the programme ``knots`` (S + 1),
    ``knot_temperatures`` (S + 1) and ``gases`` (S, 3) in Pa (O2, H2O, CO2), ``gas_tables`` (S): index of the oxygen
    pressure in the tables of :class:`~cosinter.analysis.continuum.tables.GrainTables`, which are stacked on a first
    axis; ``ln_pressures`` (T, 2) of H2O over LiOH and CO2 over Li2CO3; ``vapour`` (T): G(LiOH gas) - G(Li2O)/2 -
    G(H2O)/2; ``nodes`` (M) of the titration, ``vertices`` (K), ``layer_volumes`` (K) in m3 per mol electrolyte.
    """

    conductance: FloatArray
    half_conductance: float
    volumes: FloatArray
    knots: FloatArray
    knot_temperatures: FloatArray
    gases: FloatArray
    gas_tables: NDArray[np.int64]
    temperatures: FloatArray
    pieces: FloatArray
    xi_start: float
    xi_step: float
    middle: FloatArray
    grand: FloatArray
    oxygen: FloatArray
    oxide: FloatArray
    ln_pressures: FloatArray
    vapour: FloatArray
    nodes: FloatArray
    vertices: FloatArray
    layer_volumes: FloatArray
    plateaus: FloatArray  # (T, M) mu of Li as Li2O/2 in J/mol
    plateau_shifts: FloatArray  # (L, M)
    middle_shifts: FloatArray  # (L, 3)
    grand_shifts: FloatArray  # (L, 3)
    pressure_shifts: FloatArray  # (L, 2)
    ln_rates: FloatArray  # (L, 15) of the prefactors
    energies: FloatArray  # (L, 15) J/mol
    doses: FloatArray  # (L, 3) mol Li per mol metal
    melting: FloatArray  # (L, 2) K
    fusion: FloatArray  # (L, 2) J/mol
    eutectic: FloatArray
    melting_width: FloatArray
    initial_lithium: FloatArray
    vacancy_floor: FloatArray
    vacancy_exponent: FloatArray
    antisite: FloatArray  # ln of the factor on D of the layered phase
    boundary_share: FloatArray  # 3 w/d
    reference_lithium: FloatArray
    lithiated_energy: FloatArray
    nuclei: FloatArray
    solid_coverage: FloatArray
    liquid_coverage: FloatArray
    break_up: FloatArray  # mol Li per mol metal in the thinnest film
    contact_scale: FloatArray  # 3/R in 1/m, times the open share of the surface
    open_face_share: FloatArray
    radius: FloatArray
    area: FloatArray  # m2 per mol metal
    electrolyte: FloatArray  # mol per mol metal
    initial_thickness: FloatArray
    layer_factor: FloatArray  # Omega dmu_ref c_M: resistance of the layer is this over RT K_p
    coating_factor: FloatArray  # thickness F2 c_M: resistance of the film is this over RT sigma
    evaporation_velocity: FloatArray


@dataclass(frozen=True, eq=False)
class Batch:
    """Lanes with what they were made from; ``cases`` holds one case per lane."""

    lanes: Lanes
    inputs: ModelInputs
    cases: tuple[SinterCase, ...]
    grid: Grid
    sink: Sink

    @property
    def cells(self) -> int:
        """Shells of the grain."""
        return len(self.lanes.volumes)


def make_batch(inputs: ModelInputs, cases: Sequence[SinterCase], shifts: Shifts | None = None) -> Batch:
    """Lay out composites side by side: one case and n samples, or n cases and one set of parameters.

    All cases must share furnace and number of cells. ``shifts`` holds the samples (:func:`ensemble.shifts`).
    """
    count = len(cases) if shifts is None else samples_of(shifts)
    cases = list(cases) * count if len(cases) == 1 else list(cases)
    numbers = _Numbers(inputs, shifts, count)
    grid, sink, furnace = Grid.make(cases[0].cells), Sink.of(inputs), cases[0].furnace
    pressures = sorted({gas.oxygen_Pa for gas in furnace.gases})
    tables = [grain_tables(inputs, pressure) for pressure in pressures]
    first = tables[0]
    lanes = Lanes(
        conductance=grid.conductance,
        half_conductance=3.0 / float(1.0 - grid.centres[-1]),
        volumes=grid.volumes,
        knots=np.asarray(furnace.times_s, dtype=np.float64),
        knot_temperatures=np.asarray(furnace.temperatures_K, dtype=np.float64),
        gases=np.array(
            [
                [
                    g.oxygen_Pa,
                    max(g.water_Pa, LOWEST_PRESSURE_PA),
                    max(g.carbon_dioxide_Pa, LOWEST_PRESSURE_PA),
                ]
                for g in furnace.gases
            ]
        ),
        gas_tables=np.array([pressures.index(gas.oxygen_Pa) for gas in furnace.gases]),
        temperatures=first.temperatures,
        xi_start=XI_START,
        xi_step=XI_STEP,
        nodes=sink.nodes,
        vertices=sink.vertices,
        layer_volumes=np.ascontiguousarray(sink.grown.sum(axis=1)),
        **_stacked(tables),
        **_potentials(inputs, sink, first.temperatures),
        **_shifts(inputs, sink, shifts, count),
        **_rates(numbers, cases),
        **_contact(numbers, cases, sink),
        **_grain(numbers, cases),
    )
    return Batch(lanes, inputs, tuple(cases), grid, sink)


def samples_of(shifts: Shifts) -> int:
    """Number of samples (n)."""
    for values in (*shifts.scalars.values(), *shifts.tables.values()):
        return len(values)
    return len(next(iter(shifts.rates.values()))[0])


class _Numbers:
    """Scalars and rates of all lanes, moved where the samples move them."""

    def __init__(self, inputs: ModelInputs, shifts: Shifts | None, count: int) -> None:
        self.inputs, self.shifts, self.count = inputs, shifts, count

    def __getitem__(self, name: str) -> FloatArray:
        moved: Mapping[str, FloatArray] = {} if self.shifts is None else self.shifts.scalars
        values = moved.get(name, np.full(self.count, self.inputs[name]))
        return np.ascontiguousarray(np.reshape(values, (self.count, 1)))

    def rate(self, name: str) -> tuple[FloatArray, FloatArray]:
        """ln of the prefactor and energy (J/mol), each (n)."""
        rate = self.inputs.rates[name]
        if self.shifts is None or name not in self.shifts.rates:
            return np.full(self.count, rate.ln_prefactor), np.full(self.count, rate.energy)
        logarithm, energy = self.shifts.rates[name]
        return logarithm + energy / (R * rate.reference_temperature), energy


def _stacked(tables: Sequence[GrainTables]) -> dict[str, FloatArray]:
    names = ("pieces", "middle", "grand", "oxygen")
    return {name: np.stack([getattr(table, name) for table in tables]) for name in names} | {
        "oxide": tables[0].oxide
    }


def _potentials(inputs: ModelInputs, sink: Sink, temperatures: FloatArray) -> dict[str, FloatArray]:
    def tabulated(name: str) -> FloatArray:
        return np.array([float(at_temperature(inputs.tables[name], t)) for t in temperatures])

    from cosinter.analysis.continuum.compensator import equilibrium_pressure

    pressures = [
        [
            np.log(equilibrium_pressure(inputs.tables[f"{salt}.equilibrium_pressure"], t))
            for salt in (HYDROXIDE, CARBONATE)
        ]
        for t in temperatures
    ]
    vapour = (
        tabulated("thermo.lithium_hydroxide_gas.gibbs")
        - 0.5 * tabulated("thermo.lithium_oxide.gibbs")
        - 0.5 * tabulated("thermo.water_gas.gibbs")
    )
    return {
        "ln_pressures": np.array(pressures),
        "vapour": vapour,
        "plateaus": np.stack([sink.plateaus(inputs, t) for t in temperatures]),
    }


def _shifts(inputs: ModelInputs, sink: Sink, shifts: Shifts | None, count: int) -> dict[str, FloatArray]:
    tables: Mapping[str, FloatArray] = {} if shifts is None else shifts.tables

    def ends(name: str) -> tuple[FloatArray, FloatArray]:
        shift = tables.get(name, np.zeros((count, 1)))
        return shift[:, 0], shift[:, -1]

    gibbs = [ends(f"cathode.{phase}.excess_gibbs") for phase in PHASES]
    steps = tables.get("electrolyte.titration.potential", np.zeros((count, 1)))
    steps = np.broadcast_to(steps, (count, len(sink.vertices)))
    return {
        "grand_shifts": np.stack([low for low, _ in gibbs], axis=1),
        "middle_shifts": np.stack([high - low for low, high in gibbs], axis=1),
        "plateau_shifts": 0.5 * np.repeat(steps[:, :-1], 2, axis=1),
        "pressure_shifts": np.stack(
            [ends(f"{salt}.equilibrium_pressure")[0] for salt in (HYDROXIDE, CARBONATE)], axis=1
        ),
    }


def _column(values: Sequence[float]) -> FloatArray:
    return np.array(values, dtype=np.float64)[:, None]


def _rates(numbers: _Numbers, cases: Sequence[SinterCase]) -> dict[str, FloatArray]:
    pairs = [numbers.rate(name) for name in RATES]
    crystallite = _column([case.crystallite_size_m or np.inf for case in cases])
    return {
        "ln_rates": np.stack([ln for ln, _ in pairs], axis=1),
        "energies": np.stack([energy for _, energy in pairs], axis=1),
        "boundary_share": 3.0 * numbers["cathode.grain_boundary.width"] / crystallite,
        "antisite": -numbers["cathode.antisite_sensitivity"] * numbers["cathode.antisite_fraction"],
        "reference_lithium": numbers["conversion.reference_lithium"],
        "lithiated_energy": numbers["conversion.lithiated_activation_energy"],
        "nuclei": numbers["conversion.nuclei"],
    }


def _grain(numbers: _Numbers, cases: Sequence[SinterCase]) -> dict[str, FloatArray]:
    melting = [numbers[f"{salt}.melting_temperature"] for salt in (HYDROXIDE, CARBONATE)]
    fusion = [numbers[f"{salt}.fusion_enthalpy"] for salt in (HYDROXIDE, CARBONATE)]
    return {
        "doses": np.array([[case.doses.get(species, 0.0) for species in SPECIES] for case in cases]),
        "melting": np.hstack(melting),
        "fusion": np.hstack(fusion),
        "eutectic": eutectics(np.hstack(melting), np.hstack(fusion)),
        "melting_width": numbers["compensator.melting_width"],
        "initial_lithium": numbers["cathode.initial_lithium_per_metal"],
        "vacancy_floor": numbers["cathode.vacancy_floor"],
        "vacancy_exponent": numbers["cathode.vacancy_exponent"],
    }


def _contact(numbers: _Numbers, cases: Sequence[SinterCase], sink: Sink) -> dict[str, FloatArray]:
    concentration = numbers["cathode.metal_concentration"]
    radius = _column([case.grain_radius_m for case in cases])
    area = 3.0 / (radius * concentration)
    fraction = _column([case.cathode_volume_fraction for case in cases])
    amounts = zip(concentration[:, 0], numbers["electrolyte.molar_volume"][:, 0], fraction[:, 0], strict=True)
    electrolyte = _column([electrolyte_per_metal(*map(float, amount)) for amount in amounts])

    def coverage(state: str) -> FloatArray:
        chosen = [getattr(case, f"{state}_coverage") for case in cases]
        default = numbers[f"contact.{state}_coverage"]
        return np.array([[d if c is None else c] for c, d in zip(chosen, default[:, 0], strict=True)])

    open_share = numbers["cathode.open_face_share"]
    return {
        "solid_coverage": coverage("solid"),
        "liquid_coverage": coverage("liquid"),
        "break_up": numbers["contact.film_thickness"] * area / numbers["compensator.molar_volume"],
        "contact_scale": 3.0 / radius * open_share,
        "open_face_share": open_share,
        "radius": radius,
        "area": area,
        "electrolyte": electrolyte,
        "initial_thickness": numbers["interphase.initial_thickness"],
        "layer_factor": sink.volume_per_lithium
        * numbers["interphase.reference_driving_force"]
        * concentration,
        "coating_factor": _column([case.coating_thickness_m for case in cases]) * FARADAY**2 * concentration,
        "evaporation_velocity": numbers["compensator.evaporation_velocity"],
    }
