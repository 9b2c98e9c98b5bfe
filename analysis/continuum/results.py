"""What a run hands on: a dataset over time and radius, and the summary of its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.constants import R, nano

from cosinter.analysis.continuum.balance import ELEMENTS, balance_errors, gas_released
from cosinter.analysis.continuum.cells import (
    THETA_MIN,
    conversion_rates,
    flows,
    half_conductance,
)
from cosinter.analysis.continuum.conditions import Conditions, conditions
from cosinter.analysis.continuum.contact import (
    contact_rates,
    cover,
    layer_thickness,
    liquid_fraction,
    sink_potential,
)
from cosinter.analysis.continuum.grain import at_temperature, oxygen_per_metal
from cosinter.analysis.continuum.inputs import LITHIUM, PHASES, SPECIES
from cosinter.analysis.continuum.lanes import Batch
from cosinter.analysis.continuum.rates import Shells, inner_side, outer_side, reservoirs_of, shells
from cosinter.analysis.continuum.run import Run
from cosinter.analysis.continuum.tables import LITHIUM_EDGE
from cosinter.data.exceptions import InputError

if TYPE_CHECKING:
    import xarray

FloatArray = NDArray[np.float64]

Variable = tuple[tuple[str, ...], FloatArray, dict[str, str]]


def _quantity(dims: str, values: FloatArray, unit: str, meaning: str) -> Variable:
    return tuple(dims.split()), np.asarray(values), {"units": unit, "long_name": meaning}


def collect(batch: Batch, run: Run, *, wall_s: Callable[[], float]) -> xarray.Dataset:
    """Put the accepted steps of the only lane of a batch into a dataset.

    Dimensions: ``time`` (s), ``radius`` (m, cell centres), ``product``, ``species`` (compensators), ``gas``,
    ``element``. Amounts are mol per mol metal of the cathode.
    """
    import xarray

    case, count = batch.cases[0], int(run.record.counts[0])
    times, states = run.record.times[:count], run.record.states[:count, 0]
    moments = [
        _moment(batch, int(segment), float(time), state)
        for segment, time, state in zip(run.record.segments[:count], times, states, strict=True)
    ]
    column = {name: np.array([row[name] for row in moments]) for name in moments[0]}
    variables = _grain_variables(batch, states) | _interphase_variables(batch, states)
    variables |= _contact_variables(batch, states, column)
    gas = gas_released(states[:, 3 * batch.cells :], column["oxygen"])
    variables["gas_released"] = _quantity(
        "time gas", np.stack(list(gas.values()), axis=-1), "mol/mol", "gas released per metal"
    )
    errors = balance_errors(batch, states, column["oxygen"])
    variables["balance_error"] = _quantity(
        "time element", np.stack([errors[e] for e in ELEMENTS], axis=-1), "1", "relative balance error"
    )
    temperature = case.furnace.temperature(times)
    variables["temperature"] = _quantity("time", temperature, "K", "furnace temperature")
    return xarray.Dataset(
        variables,
        coords={
            "time": ("time", times, {"units": "s"}),
            "radius": ("radius", batch.grid.centres * case.grain_radius_m, {"units": "m"}),
            "product": ("product", list(batch.inputs.products)),
            "species": ("species", list(SPECIES)),
            "gas": ("gas", list(gas)),
            "element": ("element", list(ELEMENTS)),
        },
        attrs={
            "case": case.name,
            "grain_radius_m": case.grain_radius_m,
            "cathode_volume_fraction": case.cathode_volume_fraction,
            "electrolyte_per_metal": float(batch.lanes.electrolyte[0, 0]),
            "area_m2_per_mol_metal": float(batch.lanes.area[0, 0]),
            "initial_lithium_per_metal": batch.inputs["cathode.initial_lithium_per_metal"],
            "steps": int(run.record.counts[1]),
            "rejected_steps": int(run.record.counts[2]),
            "notes": notes(batch),
            "wall_s": wall_s(),
        },
    )


def notes(batch: Batch) -> str:
    """What the reader of a result should know about its inputs, one sentence each; empty if nothing."""
    from scipy.interpolate import CubicSpline

    found = []
    table = batch.inputs.tables["cathode.layered.excess_gibbs"]
    lithium = np.linspace(LITHIUM_EDGE, 1.0 - LITHIUM_EDGE, 201)
    for temperature in sorted(set(batch.cases[0].furnace.temperatures_K)):
        curvature = CubicSpline(table.axis(LITHIUM), at_temperature(table, temperature))(lithium, 2)
        low = 1.0 + lithium * (1.0 - lithium) * curvature / (R * temperature) < THETA_MIN
        if np.any(low):
            found.append(
                f"layered phase unmixes at {temperature:.0f} K for u = {lithium[low].min():.2f}-"
                f"{lithium[low].max():.2f}: thermodynamic factor held at {THETA_MIN}"
            )
    return "; ".join(found)


def _grain_variables(batch: Batch, states: FloatArray) -> dict[str, Variable]:
    n = batch.cells
    u, s, a = states[:, :n], states[:, n : 2 * n], states[:, 2 * n : 3 * n]
    fields = {"lithium": u, "layered": 1.0 - s - a, "spinel": s, "rock_salt": a}
    out: dict[str, Variable] = {}
    for name, values in fields.items():
        meaning = "Li per metal" if name == "lithium" else f"{name} fraction"
        out[name] = _quantity("time radius", values, "1", meaning)
        out[f"{name}_mean"] = _quantity("time", batch.grid.mean(values), "1", f"{meaning}, volume average")
    out["shell_volume"] = _quantity("radius", batch.grid.volumes, "1", "share of the grain volume")
    return out


def _interphase_variables(batch: Batch, states: FloatArray) -> dict[str, Variable]:
    lanes = batch.lanes
    held = reservoirs_of(lanes, states[:, 3 * batch.cells :])
    electrolyte, area = lanes.electrolyte[0, 0], lanes.area[0, 0]
    layers = batch.sink.layer_volume(held[3]) * electrolyte / area
    return {
        "interphase_thickness": _quantity(
            "time", layer_thickness(lanes, held[3][:, None])[:, 0], "m", "product layer"
        ),
        "product_thickness": _quantity("time product", layers, "m", "thickness of each product in the layer"),
        "product_amount": _quantity(
            "time product", batch.sink.products(held[3]) * electrolyte, "mol/mol", "amount per metal"
        ),
        "electrolyte_converted": _quantity(
            "time",
            held[3] / batch.sink.vertices[-1],
            "1",
            "Li2O taken up over the capacity of the electrolyte",
        ),
        "coating_left": _quantity(
            "time", 1.0 - held[4], "1", "share of the coating that has not broken down"
        ),
    }


def _contact_variables(
    batch: Batch, states: FloatArray, column: dict[str, FloatArray]
) -> dict[str, Variable]:
    held = reservoirs_of(batch.lanes, states[:, 3 * batch.cells :])[:3].T
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


def active_lithium(batch: Batch, grain: Shells) -> FloatArray:
    """Li in layered material per metal of the grain (L)."""
    return batch.grid.mean(grain.share[0] * grain.functions.content[0])


def _moment(batch: Batch, segment: int, time: float, state: FloatArray) -> dict[str, Any]:
    lanes, n = batch.lanes, batch.cells
    now = conditions(lanes, segment, time)
    with np.errstate(all="ignore"):
        grain = shells(now, lanes, state[None], np.full((1, n), now.middle.mean()))
        held = reservoirs_of(lanes, state[None, 3 * n :])[:, :, None]
        number = np.stack([oxygen_per_metal(grain.functions.content[p])[0][p] for p in range(3)])
        rt = R * now.temperature
        return {
            "oxygen": float(batch.grid.mean((grain.share * number).sum(axis=0))[0]),
            "active": float(active_lithium(batch, grain)[0]),
            "x": grain.functions.content[0][0],
            "coverage": float(np.maximum(cover(now, lanes, held), 0.0).sum()),
            "liquid": float(liquid_fraction(now, held[0], 0.5 * held[1])[0, 0]),
            "surface": 2.0 * rt * float(grain.potential[0, -1] + now.own),
            "sink": 2.0 * rt * float(sink_potential(now, lanes, held[3])[0, 0]),
            "species": 2.0 * rt * now.salts[0],
            "dissipation": rt * dissipation(batch, now, grain, held),
        }


def dissipation(batch: Batch, now: Conditions, grain: Shells, held: FloatArray) -> float:
    """Sum of flow x fall of potential over RT in one lane (1/s): contact, salts, diffusion and conversions.

    Salts overdrawn by round-off count as none.
    """
    lanes, functions, held = batch.lanes, grain.functions, np.maximum(held, 0.0)
    surface = grain.potential[:, -1:] + now.own
    outer = (functions.content[:, :, -1:], functions.factor[:, :, -1:], functions.slope[:, :, -1:])
    half = half_conductance(now, lanes, *outer, grain.share[:, :, -1:])
    extents = contact_rates(now, lanes, surface, outer[0][0], half, held)[:, 0, 0]
    salts, below = now.salts[0], float(sink_potential(now, lanes, held[3])[0, 0])
    total = 2.0 * float(extents[3:6] @ (salts - surface[0, 0]) + extents[6:9] @ (salts - below))
    total += 2.0 * float(extents[9] * (surface[0, 0] - below))
    total += 2.0 * float(extents[0] * salts[0] + extents[1] * salts[1] + extents[2] * (salts[0] - salts[1]))
    sides = inner_side(grain.potential, functions), outer_side(grain.potential, functions)
    flow = flows(now, lanes, grain.share, *sides)[0][0]
    total += float(flow @ (grain.potential[0, :-1] - grain.potential[0, 1:]))
    local = (conversion_rates(lanes, functions, grain.share) * functions.affinities).sum(axis=0)
    return total + float(batch.grid.mean(local)[0])


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
