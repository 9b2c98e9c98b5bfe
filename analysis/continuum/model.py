"""Right-hand side of the compensation model: grain, compensator, product layer and electrolyte in one composite.

State vector y, per mol metal of the grain: for each cell (u, s, a) = Li, spinel, rock salt; then nine extents in
mol (see :data:`EXTENTS`). Everything else follows from these algebraically, so the inventories of Li, H, C, Ti, Al and
P are linear in the state and close to round-off.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R, bar

from cosinter.analysis.continuum.compensator import (
    CompensatorConditions,
    compensator_conditions,
    decomposition_rates,
    eutectic,
    liquid_fraction,
)
from cosinter.analysis.continuum.furnace import Gas
from cosinter.analysis.continuum.grain import (
    GrainConditions,
    GrainState,
    GrainThermodynamics,
    Grid,
    at_temperature,
    conversion_rates,
    diffusion_rates,
    drive,
    grain_state,
    layered_potential,
    partition_table,
)
from cosinter.analysis.continuum.inputs import (
    PHASES,
    SPECIES,
    ModelInputs,
    SinterCase,
    electrolyte_per_metal,
    model_inputs,
)
from cosinter.analysis.continuum.interphase import Sink, layer_resistance
from cosinter.analysis.parameters import ParameterSet

if TYPE_CHECKING:
    import xarray

FloatArray = NDArray[np.float64]

PER_CELL = 3
EXTENTS = (
    "dehydration",  # 2 LiOH -> Li2O + H2O, mol Li2O
    "decomposition",  # Li2CO3 -> Li2O + CO2, mol Li2O
    "hydroxide_to_grain",  # mol Li2O handed over by LiOH (its H2O goes to the gas)
    "carbonate_to_grain",
    "oxide_to_grain",
    "hydroxide_to_sink",
    "carbonate_to_sink",
    "oxide_to_sink",
    "grain_to_sink",
)


@dataclass(frozen=True)
class Conditions:
    """What depends on temperature and gas only; rates of contact in m/s, potentials over RT."""

    temperature: float
    grain: GrainConditions
    compensator: CompensatorConditions
    sink_potentials: FloatArray
    exchange: tuple[float, float]
    interface: float
    layer_per_metre: float


@dataclass(frozen=True)
class Contact:
    """The three nodes at one moment: potentials over RT and flows in mol Li per mol metal and second.

    ``to_grain`` and ``to_sink`` hold LiOH, Li2CO3, Li2O on their last axis.
    """

    grain_potential: FloatArray
    sink_potential: FloatArray
    coverage: FloatArray
    liquid: FloatArray
    to_grain: FloatArray
    to_sink: FloatArray
    grain_to_sink: FloatArray

    @property
    def outflow(self) -> FloatArray:
        """Li leaving the grain."""
        return np.asarray(self.grain_to_sink - self.to_grain.sum(axis=-1))


@dataclass(frozen=True)
class Composite:
    """One case with its inputs, ready to be integrated."""

    inputs: ModelInputs
    case: SinterCase
    grid: Grid
    thermodynamics: GrainThermodynamics
    sink: Sink
    eutectic_K: float
    doses: FloatArray
    electrolyte_amount: float
    area: float
    break_up: float
    _memory: dict[tuple[float, Gas], Conditions] = field(default_factory=dict, repr=False, compare=False)
    _guess: dict[str, FloatArray] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, inputs: ModelInputs, case: SinterCase) -> Composite:
        """Derive grid, splines, sink, area (m2 per mol metal, 3/(R c_M)) and amounts per mol metal."""
        concentration = inputs["cathode.metal_concentration"]
        area = 3.0 / (case.grain_radius_m * concentration)
        doses = np.array([case.doses.get(species, 0.0) for species in SPECIES])
        return cls(
            inputs=inputs,
            case=case,
            grid=Grid.make(case.cells),
            thermodynamics=GrainThermodynamics.of(inputs),
            sink=Sink.of(inputs),
            eutectic_K=eutectic(inputs),
            doses=doses,
            electrolyte_amount=electrolyte_per_metal(
                concentration, inputs["electrolyte.molar_volume"], case.cathode_volume_fraction
            ),
            area=area,
            break_up=inputs["contact.film_thickness"] * area / inputs["compensator.molar_volume"],
        )

    @property
    def size(self) -> int:
        """Length of the state vector."""
        return PER_CELL * self.case.cells + len(EXTENTS)

    def initial_state(self) -> FloatArray:
        """Layered grain of even lithium content; all extents zero."""
        state = np.zeros(self.size)
        state[: PER_CELL * self.case.cells : PER_CELL] = self.inputs["cathode.initial_lithium_per_metal"]
        return state

    def cells(self, state: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(u, s, a) of the cells, each (..., N)."""
        block = state[..., : PER_CELL * self.case.cells]
        return block[..., 0::PER_CELL], block[..., 1::PER_CELL], block[..., 2::PER_CELL]

    def extents(self, state: FloatArray) -> FloatArray:
        """The nine extents (..., 9) in mol per mol metal."""
        return state[..., PER_CELL * self.case.cells :]

    def inventories(self, state: FloatArray) -> FloatArray:
        """Li held by LiOH, Li2CO3 and Li2O (..., 3) in mol Li per mol metal."""
        x = self.extents(state)
        released = x[..., 0:2]
        taken = x[..., 2:5] + x[..., 5:8]
        left = self.doses - 2.0 * taken
        left[..., 0:2] -= 2.0 * released
        left[..., 2] += 2.0 * released.sum(axis=-1)
        return np.asarray(left)

    def taken(self, state: FloatArray) -> FloatArray:
        """Li2O taken up per mol of electrolyte."""
        return np.asarray(self.extents(state)[..., 5:9].sum(axis=-1) / self.electrolyte_amount)

    def thickness(self, state: FloatArray) -> FloatArray:
        """Product layer in m: initial thickness + volume of products per area of grain."""
        volume = self.sink.total_volume(self.taken(state)) * self.electrolyte_amount
        return np.asarray(self.inputs["interphase.initial_thickness"] + volume / self.area)

    def conditions(self, temperature: float, gas: Gas) -> Conditions:
        """Evaluate every temperature-dependent quantity, remembering the last few."""
        key = (temperature, gas)
        if key not in self._memory:
            if len(self._memory) > 8:
                self._memory.clear()
            self._memory[key] = self._evaluate(temperature, gas)
        return self._memory[key]

    def _evaluate(self, temperature: float, gas: Gas) -> Conditions:
        inputs, rt = self.inputs, R * temperature
        oxygen = float(at_temperature(inputs.tables["thermo.oxygen_gas.gibbs"], temperature)) / rt
        oxide = float(at_temperature(inputs.tables["thermo.lithium_oxide.gibbs"], temperature)) / rt
        rates = [inputs.rates[f"conversion.{n}"] for n in ("layered_to_spinel", "spinel_to_rock_salt")]
        diffusivities = [
            inputs.rates[f"cathode.{phase}.lithium_diffusivity"](temperature) for phase in PHASES
        ]
        gibbs = self.thermodynamics.at(temperature)
        oxygen_potential = 0.5 * (oxygen + float(np.log(gas.oxygen_Pa / bar)))
        grain = GrainConditions(
            gibbs=gibbs,
            partition=partition_table(gibbs, oxygen_potential),
            oxygen_potential=oxygen_potential,
            oxide_potential=oxide,
            ln_diffusivity=np.log(np.array(diffusivities) / self.case.grain_radius_m**2),
            vacancy_floor=inputs["cathode.vacancy_floor"],
            vacancy_exponent=inputs["cathode.vacancy_exponent"],
            ln_rates=(rates[0].ln_prefactor, rates[1].ln_prefactor),
            energies=(rates[0].energy / rt, rates[1].energy / rt),
            lithiated_energy=inputs["conversion.lithiated_activation_energy"] / rt,
            reference_lithium=inputs["conversion.reference_lithium"],
        )
        layer = layer_resistance(
            np.asarray(1.0),
            parabolic_constant=inputs.rates["interphase.parabolic_constant"](temperature),
            volume_per_lithium=self.sink.volume_per_lithium,
            driving_force=inputs["interphase.reference_driving_force"],
        )
        return Conditions(
            temperature=temperature,
            grain=grain,
            compensator=compensator_conditions(inputs, temperature, gas=gas, eutectic_K=self.eutectic_K),
            sink_potentials=self.sink.potentials(inputs, temperature),
            exchange=(
                inputs.rates["contact.exchange_solid"](temperature),
                inputs.rates["contact.exchange_liquid"](temperature),
            ),
            interface=inputs.rates["contact.interface_rate"](temperature),
            layer_per_metre=float(layer) * inputs["cathode.metal_concentration"] / rt,
        )

    def contact(self, conditions: Conditions, state: FloatArray, grain: GrainState) -> Contact:
        """Potentials, coverage and flows between grain surface, compensator and electrolyte.

        J_ks = theta_k k_ex c_M (1 - u_s)(1 - e^-(mu_k - mu_s)/RT) for mu_k > mu_s (back-diffusion), flattened at
        equality; lithium is not drawn from the grain into hydroxide or carbonate;
        J_kL = theta_k (mu_k - mu_L)/rho and J_sL = (1 - theta)(mu_s - mu_L)/rho for falling potentials, with
        rho = RT/(k_int c_M) + delta Omega dmu_ref/K_p. theta_k = theta n_k/(n + eps): the cover breaks up when less
        than the film thickness is left, without a pole.
        """
        surface = self.grid.surface(grain.x)
        grain_potential = layered_potential(conditions.grain, surface)
        taken = self.taken(state)
        sink_potential = np.interp(taken, self.sink.nodes, conditions.sink_potentials)

        held = self.inventories(state)
        liquid = liquid_fraction(conditions.compensator, held[..., 0], 0.5 * held[..., 1])
        solid = self._coverage("solid")
        wetted = solid + (self._coverage("liquid") - solid) * liquid
        total = np.maximum(held, 0.0).sum(axis=-1)
        cover = (wetted / (total + self.break_up))[..., None] * held
        coverage = cover.sum(axis=-1)

        scale = self.area * self.inputs["cathode.metal_concentration"]
        potentials = conditions.compensator.potentials
        exchange = conditions.exchange[0] + (conditions.exchange[1] - conditions.exchange[0]) * liquid
        rise = potentials - grain_potential[..., None]
        vacant = np.maximum(1.0 - surface, 0.0)
        to_grain = cover * (scale * exchange * vacant)[..., None] * drive(rise)
        resistance = 1.0 / conditions.interface + conditions.layer_per_metre * self.thickness(state)
        admittance = scale * self.sink.open_share(taken) / resistance
        to_sink = cover * admittance[..., None] * np.maximum(potentials - sink_potential[..., None], 0.0)
        grain_to_sink = (1.0 - coverage) * admittance * np.maximum(grain_potential - sink_potential, 0.0)
        return Contact(grain_potential, sink_potential, coverage, liquid, to_grain, to_sink, grain_to_sink)

    def _coverage(self, state: str) -> float:
        chosen = self.case.solid_coverage if state == "solid" else self.case.liquid_coverage
        return self.inputs[f"contact.{state}_coverage"] if chosen is None else chosen

    def rates(self, conditions: Conditions, state: FloatArray) -> FloatArray:
        """dy/dt (..., n) at the given conditions; leading axes of ``state`` are independent copies."""
        grain = grain_state(conditions.grain, self.cells(state), guess=self._guess.get("potential"))
        if state.ndim == 1 and np.all(np.isfinite(grain.potential)):
            self._guess["potential"] = grain.potential
        contact = self.contact(conditions, state, grain)
        lithium = diffusion_rates(conditions.grain, self.grid, grain, outflow=contact.outflow)
        first, second, direct = conversion_rates(
            conditions.grain, grain.x, grain.fractions, grain.affinities(conditions.grain)
        )
        held = self.inventories(state)
        decay = decomposition_rates(
            conditions.compensator, held[..., 0], 0.5 * held[..., 1], 0.5 * held[..., 2]
        )
        out = np.empty_like(state)
        cells = out[..., : PER_CELL * self.case.cells]
        cells[..., 0::PER_CELL], cells[..., 1::PER_CELL] = lithium, first - second
        cells[..., 2::PER_CELL] = second + direct
        extents = self.extents(out)
        extents[..., 0], extents[..., 1] = decay
        extents[..., 2:5], extents[..., 5:8] = 0.5 * contact.to_grain, 0.5 * contact.to_sink
        extents[..., 8] = 0.5 * contact.grain_to_sink
        return out


def simulate(parameters: ParameterSet, case: SinterCase) -> xarray.Dataset:
    """Integrate one composite through its furnace programme.

    Returns a dataset over ``time`` (s), ``radius`` (m, cell centres), ``product``, ``species`` and ``element`` with
    units in the attributes: see :func:`cosinter.analysis.continuum.results.collect`.

    Raises
    ------
    InputError
        A parameter is missing or outside its range.
    ConvergenceError
        The integration ended early; no partial result is returned.
    """
    from time import perf_counter

    from cosinter.analysis.continuum.results import collect
    from cosinter.analysis.continuum.solver import integrate

    start = perf_counter()
    composite = Composite.of(model_inputs(parameters), case)
    with _quiet_underflow():
        trajectory = integrate(composite)
        return collect(composite, trajectory, wall_s=lambda: perf_counter() - start)


@contextmanager
def _quiet_underflow() -> Iterator[None]:
    with np.errstate(under="ignore", over="ignore"):
        yield
