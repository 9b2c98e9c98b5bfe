"""What a run hands on: a dataset over time and radius, and the summary of its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R, nano

from cosinter.analysis.continuum.balance import ELEMENTS, balance_errors, gas_released
from cosinter.analysis.continuum.grain import (
    THETA_MIN,
    GrainState,
    conversion_rates,
    grain_state,
)
from cosinter.analysis.continuum.inputs import PHASES, SPECIES
from cosinter.analysis.continuum.partition import LITHIUM_EDGE
from cosinter.data.exceptions import InputError

if TYPE_CHECKING:
    import xarray

    from cosinter.analysis.continuum.model import Composite, Conditions, Contact
    from cosinter.analysis.continuum.solver import Trajectory

FloatArray = NDArray[np.float64]

Variable = tuple[tuple[str, ...], FloatArray, dict[str, str]]


def _quantity(dims: str, values: FloatArray, unit: str, meaning: str) -> Variable:
    return tuple(dims.split()), np.asarray(values), {"units": unit, "long_name": meaning}


def collect(composite: Composite, trajectory: Trajectory, *, wall_s: Callable[[], float]) -> xarray.Dataset:
    """Put a trajectory into a dataset.

    Dimensions: ``time`` (s), ``radius`` (m, cell centres), ``product``, ``species`` (compensators), ``gas``,
    ``element``. Amounts are mol per mol metal of the cathode.
    """
    import xarray

    case, states = composite.case, trajectory.states
    variables = _grain_variables(composite, states) | _interphase_variables(composite, states)
    moments = [_moment(composite, trajectory, index) for index in range(len(trajectory.times))]
    column = {name: np.array([row[name] for row in moments]) for name in moments[0]}
    variables |= _contact_variables(composite, states, column)
    gas = gas_released(composite, states, column["oxygen"])
    variables["gas_released"] = _quantity(
        "time gas", np.stack(list(gas.values()), axis=-1), "mol/mol", "gas released per metal"
    )
    errors = balance_errors(composite, states, column["oxygen"])
    variables["balance_error"] = _quantity(
        "time element", np.stack([errors[e] for e in ELEMENTS], axis=-1), "1", "relative balance error"
    )
    temperature = case.furnace.temperature(trajectory.times)
    variables["temperature"] = _quantity("time", temperature, "K", "furnace temperature")
    return xarray.Dataset(
        variables,
        coords={
            "time": ("time", trajectory.times, {"units": "s"}),
            "radius": ("radius", composite.grid.centres * case.grain_radius_m, {"units": "m"}),
            "product": ("product", list(composite.inputs.products)),
            "species": ("species", list(SPECIES)),
            "gas": ("gas", list(gas)),
            "element": ("element", list(ELEMENTS)),
        },
        attrs={
            "case": case.name,
            "grain_radius_m": case.grain_radius_m,
            "cathode_volume_fraction": case.cathode_volume_fraction,
            "electrolyte_per_metal": composite.electrolyte_amount,
            "area_m2_per_mol_metal": composite.area,
            "initial_lithium_per_metal": composite.inputs["cathode.initial_lithium_per_metal"],
            "evaluations": trajectory.evaluations,
            "jacobians": trajectory.jacobians,
            "notes": notes(composite),
            "wall_s": wall_s(),
        },
    )


def notes(composite: Composite) -> str:
    """What the reader of a result should know about its inputs, one sentence each; empty if nothing."""
    found = []
    lithium = np.linspace(LITHIUM_EDGE, 1.0 - LITHIUM_EDGE, 201)
    for temperature in sorted(set(composite.case.furnace.temperatures_K)):
        gibbs = composite.thermodynamics.at(temperature)
        inside = np.clip(lithium, composite.thermodynamics.knots[0], composite.thermodynamics.knots[-1])
        _, curvature = gibbs.value_and_curvature(inside)
        low = 1.0 + lithium * (1.0 - lithium) * curvature < THETA_MIN
        if np.any(low):
            found.append(
                f"layered phase unmixes at {temperature:.0f} K for u = {lithium[low].min():.2f}-"
                f"{lithium[low].max():.2f}: thermodynamic factor held at {THETA_MIN}"
            )
    return "; ".join(found)


def _grain_variables(composite: Composite, states: FloatArray) -> dict[str, Variable]:
    u, s, a = composite.cells(states)
    fields = {"lithium": u, "layered": 1.0 - s - a, "spinel": s, "rock_salt": a}
    out: dict[str, Variable] = {}
    for name, values in fields.items():
        meaning = "Li per metal" if name == "lithium" else f"{name} fraction"
        out[name] = _quantity("time radius", values, "1", meaning)
        out[f"{name}_mean"] = _quantity(
            "time", composite.grid.mean(values), "1", f"{meaning}, volume average"
        )
    shell = np.broadcast_to(composite.grid.volumes, (1, composite.case.cells))[0]
    out["shell_volume"] = _quantity("radius", shell, "1", "share of the grain volume")
    return out


def _interphase_variables(composite: Composite, states: FloatArray) -> dict[str, Variable]:
    taken = composite.taken(states)
    layers = composite.sink.layer_volume(taken) * composite.electrolyte_amount / composite.area
    amounts = composite.sink.products(taken) * composite.electrolyte_amount
    return {
        "interphase_thickness": _quantity("time", composite.thickness(states), "m", "product layer"),
        "product_thickness": _quantity("time product", layers, "m", "thickness of each product in the layer"),
        "product_amount": _quantity("time product", amounts, "mol/mol", "amount per metal"),
        "electrolyte_converted": _quantity(
            "time",
            taken / composite.sink.vertices[-1],
            "1",
            "Li2O taken up over the capacity of the electrolyte",
        ),
    }


def _contact_variables(
    composite: Composite, states: FloatArray, column: dict[str, FloatArray]
) -> dict[str, Variable]:
    held = composite.inventories(states)
    return {
        "active_lithium_mean": _quantity("time", column["active"], "1", "Li in layered material per metal"),
        "lattice_oxygen_mean": _quantity("time", column["oxygen"], "1", "O per metal of the grain"),
        "layered_lithium": _quantity(
            "time radius", column["x"], "1", "Li per metal of layered material at the local potential"
        ),
        "compensator": _quantity("time species", held, "mol/mol", "Li held per metal"),
        "coverage": _quantity("time", column["coverage"], "1", "grain area under compensator"),
        "liquid_fraction": _quantity("time", column["liquid"], "1", "molten share of LiOH + Li2CO3"),
        "mu_surface": _quantity(
            "time", column["surface"], "J/mol", "mu(Li2O) - G(Li2O) at the grain surface"
        ),
        "mu_sink": _quantity("time", column["sink"], "J/mol", "mu(Li2O) - G(Li2O) of the electrolyte"),
        "mu_compensator": _quantity(
            "time species", column["species"], "J/mol", "mu(Li2O) - G(Li2O) of each compensator"
        ),
        "dissipation": _quantity(
            "time", column["dissipation"], "J/(mol s)", "sum of flow times fall of potential per metal, >= 0"
        ),
    }


def _moment(composite: Composite, trajectory: Trajectory, index: int) -> dict[str, Any]:
    temperature = float(composite.case.furnace.temperature(trajectory.times[index]))
    conditions = composite.conditions(temperature, trajectory.gases[index])
    state = trajectory.states[index]
    grain = grain_state(conditions.grain, composite.cells(state))
    contact = composite.contact(conditions, state, grain)
    return {
        "oxygen": composite.grid.mean(grain.oxygen),
        "active": composite.grid.mean(grain.fractions[0] * grain.x),
        "x": grain.x,
        "coverage": contact.coverage,
        "liquid": contact.liquid,
        "surface": 2.0 * R * temperature * contact.grain_potential,
        "sink": 2.0 * R * temperature * contact.sink_potential,
        "species": 2.0 * R * temperature * conditions.compensator.potentials,
        "dissipation": R * temperature * _dissipation(composite, conditions, grain, contact),
    }


def _dissipation(composite: Composite, conditions: Conditions, grain: GrainState, contact: Contact) -> float:
    """Sum of flow x potential fall over RT: contact flows and conversions (1/s)."""
    potentials = conditions.compensator.potentials
    flows = float(contact.to_grain @ (potentials - contact.grain_potential))
    flows += float(contact.to_sink @ (potentials - contact.sink_potential))
    flows += float(contact.grain_to_sink * (contact.grain_potential - contact.sink_potential))
    affinity = grain.affinities(conditions.grain)
    conversion = conversion_rates(conditions.grain, grain.x, grain.fractions, affinity)
    local = (conversion * np.stack([affinity[0], affinity[1], affinity.sum(axis=0)])).sum(axis=0)
    return flows + float(composite.grid.mean(local))


def _share(value: Any) -> float:
    """A share within 0 and 1; the time integration may step past an end by its tolerance."""
    return float(np.clip(float(value), 0.0, 1.0))


@dataclass(frozen=True)
class SinterSummary:
    """The end of one run; fractions per metal, thickness in nm, times in s.

    ``asr_ohm_cm2`` and ``capacity_mAh_per_g`` are None until the observables are computed.
    """

    name: str
    layered_fraction: float
    spinel_fraction: float
    rock_salt_fraction: float
    lithium_per_metal: float
    interphase_nm: float
    asr_ohm_cm2: float | None
    capacity_mAh_per_g: float | None
    balance_error: dict[str, float]
    wall_s: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data with the fixed keys of the results file."""
        return asdict(self)


def summary(
    dataset: xarray.Dataset,
    *,
    asr_ohm_cm2: float | None = None,
    capacity_mAh_per_g: float | None = None,
) -> SinterSummary:
    """Summarise the end of a run; ``balance_error`` holds the largest error of each element at any output time.

    Raises
    ------
    InputError
        The dataset was not made by :func:`cosinter.analysis.continuum.model.simulate`.
    """
    if "layered_mean" not in dataset or "balance_error" not in dataset:
        raise InputError(
            "the dataset holds no continuum run (no layered_mean, balance_error); pass one from simulate()"
        )
    end = dataset.isel(time=-1)
    worst = dataset["balance_error"].max("time")
    return SinterSummary(
        name=str(dataset.attrs["case"]),
        **{f"{phase}_fraction": _share(end[f"{phase}_mean"]) for phase in PHASES},
        lithium_per_metal=_share(end["lithium_mean"]),
        interphase_nm=float(end["interphase_thickness"]) / nano,
        asr_ohm_cm2=asr_ohm_cm2,
        capacity_mAh_per_g=capacity_mAh_per_g,
        balance_error={str(e): float(worst.sel(element=e)) for e in dataset["element"].values},
        wall_s=float(dataset.attrs["wall_s"]),
    )
