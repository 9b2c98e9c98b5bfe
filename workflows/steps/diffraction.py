"""The step of diffraction: powder patterns of the mixture along the programme, as an experiment would see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.constants import zero_Celsius

from cosinter.workflows.chemistry import metals
from cosinter.workflows.execution import Task
from cosinter.workflows.steps.furnace import SALTS

if TYPE_CHECKING:
    import xarray

    from cosinter.analysis.observables.sintered_phases import ProductMixture, SinteredCathode


def diffraction(task: Task) -> dict[str, Any]:
    """Powder patterns of the mixture at the chosen temperatures and after cooling."""
    import xarray

    case = task.inputs["case"]
    stage = next(stage for name, stage in task.upstream.items() if name.startswith("sinter-"))
    with xarray.open_dataset(stage.folder / "furnace.nc", engine="scipy") as stored:
        dataset = stored.load()
    temperature = dataset["temperature"].to_numpy() - zero_Celsius
    moments = [
        (wanted, at)
        for wanted in task.inputs["diffraction"]["temperatures_C"]
        if (at := reached(temperature, wanted))
    ]
    patterns = [_pattern(task, dataset.isel(time=at), wanted, note="on heating") for wanted, at in moments]
    end = dataset.sizes["time"] - 1
    patterns.append(
        _pattern(task, dataset.isel(time=end), float(temperature[end]), note="after the programme")
    )
    return {"case": case, "wavelength": task.inputs["diffraction"]["wavelength"], "patterns": patterns}


def reached(temperature_C: Any, wanted: float) -> int | None:
    """Index of the last time at or below the highest temperature where ``wanted`` °C is met before cooling.

    >>> reached(np.array([25.0, 500.0, 700.0, 700.0, 25.0]), 500.0), reached(np.array([25.0, 700.0, 700.0, 25.0]), 700.0)
    (1, 2)
    >>> reached(np.array([25.0, 300.0]), 600.0) is None
    True
    """
    temperature = np.asarray(temperature_C)
    last_hot = int(np.flatnonzero(temperature >= temperature.max() - 1e-6)[-1])
    heating = temperature[: last_hot + 1]
    if wanted > heating.max() + 1.0:
        return None
    return last_hot if wanted >= heating.max() - 1e-6 else int(np.argmin(np.abs(heating - wanted)))


def mixture_at(formula: str, moment: xarray.Dataset) -> tuple[SinteredCathode, ProductMixture]:
    """What the furnace holds at one time (``moment`` of its dataset): the cathode ``formula`` and the whole mixture."""
    from cosinter.analysis.observables.sintered_phases import SinteredCathode, sintered_mixture

    metal_shares = dict(zip(("Ni", "Co", "Mn"), metals(formula), strict=True))
    fractions = {
        phase: float(np.clip(moment[f"{phase}_mean"], 0.0, 1.0)) for phase in ("spinel", "rock_salt")
    }
    cathode = SinteredCathode(
        metals=metal_shares,
        lithium_per_metal=float(np.clip(moment["lithium_mean"], 0.0, 1.0)),
        layered_fraction=1.0 - fractions["spinel"] - fractions["rock_salt"],
        spinel_fraction=fractions["spinel"],
        rock_salt_fraction=fractions["rock_salt"],
    )
    others = {
        str(name): max(float(moment["product_amount"].sel(product=name)), 0.0)
        for name in moment["product"].to_numpy()
    }
    solid = 1.0 - float(np.clip(moment["liquid_fraction"], 0.0, 1.0))
    for species, (formula, lithium) in SALTS.items():
        others[formula] = solid * max(float(moment["compensator"].sel(species=species)), 0.0) / lithium
    return cathode, sintered_mixture(cathode, others)


def _pattern(task: Task, moment: xarray.Dataset, temperature_C: float, *, note: str) -> dict[str, Any]:
    from cosinter.analysis.observables.diffraction import pattern_ratio_003_104, powder_pattern
    from cosinter.analysis.observables.sintered_phases import layered_structure

    cathode, mixture = mixture_at(task.inputs["cathode"]["formula"], moment)
    found = powder_pattern(mixture.phases, wavelength=task.inputs["diffraction"]["wavelength"])
    missing = [
        f"{label} ({share:.1%} by weight) has no structure in the table" for label, share in mixture.missing
    ]
    return {
        "temperature_C": temperature_C,
        "two_theta_deg": [round(float(angle), 4) for angle in found.two_theta_deg],
        "intensity": [round(float(value), 4) for value in found.scaled()],
        "ratio_003_104": pattern_ratio_003_104(found, layered_structure(cathode)),
        "weight_percent": {phase.label: 100.0 * phase.weight_fraction for phase in mixture.phases},
        "note": "; ".join([note, *missing]),
    }
