"""Steps of the furnace: parameter set and sintering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.constants import bar, hour, micro, nano, zero_Celsius

from cosinter.data.exceptions import ConvergenceError
from cosinter.workflows.execution import Task
from cosinter.workflows.results import storage_errors
from cosinter.workflows.steps.case_parameters import cathode_records, with_case
from cosinter.workflows.steps.thermodynamics import cathode_and_titration
from cosinter.workflows.study import Atmosphere, Case, Cathode, Furnace, Study

if TYPE_CHECKING:
    import xarray

    from cosinter.analysis.continuum.furnace import Furnace as FurnaceProgramme
    from cosinter.analysis.continuum.inputs import SinterCase
    from cosinter.analysis.parameters import Arrhenius, ParameterSet

SHOWN_TIMES = 400
CELLS = 50
SAMPLE_CELLS = 25  # moves the interphase by 2 to 3 %, far less than the samples do
FEWEST_SAMPLES = 20  # one beyond each end of a 5 to 95 % interval
TORNADO_OUTCOMES = ("layered_fraction", "asr_ohm_cm2", "capacity_mAh_per_g")
TORNADO_BARS = 5
SALTS = {
    "lithium_hydroxide": ("LiOH", 1.0),
    "lithium_carbonate": ("Li2CO3", 2.0),
    "lithium_oxide": ("Li2O", 2.0),
}


def parameters(task: Task) -> dict[str, Any]:
    """Assemble the parameter set from thermodynamics, barriers and tables."""
    barriers = [stage.data for name, stage in task.upstream.items() if name.startswith("barrier-")]
    found = parameter_set(task.inputs, layered_diffusivity(barriers))
    with storage_errors(task.folder):
        (task.folder / "parameters.json").write_text(found.to_json(), encoding="utf-8")
    kinds = [record.kind for record in found.parameters.values()]
    return {"count": len(kinds), "kinds": {kind: kinds.count(kind) for kind in sorted(set(kinds))}}


def layered_diffusivity(barriers: list[Mapping[str, Any]]) -> Arrhenius | None:
    """Diffusivity from the computed single-vacancy hop of a layered oxide, if there is one.

    Near full lithiation the single-vacancy (oxygen dumbbell) hop carries the diffusion, the divacancy hop only once a
    third of the lithium is gone (Wei et al. 2015, doi:10.1021/jacs.5b04040).
    """
    from cosinter.analysis.atoms.hopping import hop_diffusivity, softening_eV

    for found in barriers:
        if found["mechanism"] == "dumbbell" and found["uncertainty_eV"] is not None:
            return hop_diffusivity(
                found["barrier_eV"],
                found["uncertainty_eV"],
                hop_length_m=found["hop_length_A"] * 1e-10,
                neighbours=6,
                dimensionality=2,
                softening_eV=softening_eV(found["barrier_eV"], found["calculator"]["model"]),
                source=f"climbing-image NEB, {found['path']}, {found['calculator']['model']}",
            )
    return None


def parameter_set(inputs: Mapping[str, Any], diffusivity: Arrhenius | None) -> ParameterSet:
    """Everything the furnace model takes, for the cathode, electrolyte and programme of ``inputs``.

    ``inputs["case"]``, if there, adds the film and the crucible of that case.
    """
    from cosinter.analysis.assembly import assemble

    model, curve = cathode_and_titration(inputs)
    found = assemble(
        study_name=inputs["name"],
        cathode=model,
        titration=curve,
        lithium_diffusivity=diffusivity,
        overrides=cathode_records(inputs["cathode"]),
    )
    return with_case(found, Case.model_validate(inputs["case"])) if "case" in inputs else found


def programme(furnace: Furnace, atmosphere: Atmosphere) -> FurnaceProgramme:
    """The furnace of a study in seconds, kelvin and pascal."""
    from cosinter.analysis.continuum.furnace import Furnace as FurnaceProgramme
    from cosinter.analysis.continuum.furnace import Gas

    knots = furnace.knots()
    gases = tuple(
        Gas(oxygen_Pa=air.O2 * bar, water_Pa=air.H2O * bar, carbon_dioxide_Pa=air.CO2 * bar)
        for air in (segment.atmosphere or atmosphere for segment in furnace.segments)
    )
    return FurnaceProgramme(
        times_s=tuple(time * hour for time, _ in knots),
        temperatures_K=tuple(temperature + zero_Celsius for _, temperature in knots),
        gases=gases,
    )


def sinter_case(inputs: Mapping[str, Any], found: ParameterSet) -> SinterCase:
    """One case of a study for the continuum model."""
    from cosinter.analysis.continuum.inputs import SinterCase, doses_from_weight_percent

    case, cathode = Case.model_validate(inputs["case"]), Cathode.model_validate(inputs["cathode"])
    salt = case.compensator
    fraction = inputs["cathode_volume_fraction"]
    doses: dict[str, float] = {}
    if salt is not None:
        doses = doses_from_weight_percent(
            found,
            cathode_volume_fraction=fraction,
            weight_percent={
                "lithium_hydroxide": salt.LiOH_wt_percent,
                "lithium_carbonate": salt.Li2CO3_wt_percent,
            },
        )
    return SinterCase(
        name=case.name,
        furnace=programme(
            Furnace.model_validate(inputs["furnace"]), Atmosphere.model_validate(inputs["atmosphere"])
        ),
        grain_radius_m=cathode.grain_radius_um * micro,
        size_spread=cathode.grain_size_spread,
        crystallite_size_m=None if cathode.crystallite_um is None else cathode.crystallite_um * micro,
        coating_thickness_m=0.0 if case.coating is None else case.coating.thickness_nm * nano,
        cathode_volume_fraction=fraction,
        doses=doses,
        solid_coverage=salt.coverage if salt is not None else None,
        cells=CELLS,
        seed=inputs["seed"],
    )


def sinter(task: Task) -> dict[str, Any]:
    """Take one case through the furnace, with intervals from samples of the parameters."""
    from cosinter.analysis.parameters import ParameterSet

    stage = task.upstream["parameters"]
    whole = ParameterSet.from_json((stage.folder / "parameters.json").read_bytes())
    found = with_case(whole, Case.model_validate(task.inputs["case"]))
    case = sinter_case(task.inputs, found)
    dataset, summary = simulate_case(found, case)
    with storage_errors(task.folder):
        dataset.to_netcdf(task.folder / "furnace.nc", engine="scipy")
    bands = spread(found, case, count=task.inputs["uncertainty_samples"], seed=task.inputs["seed"])
    warnings = [text for text in str(dataset.attrs.get("notes", "")).split("; ") if text]
    why = bands.pop("first_failure", None)
    if why:
        warnings.append(
            f"{bands['failed_samples']} of {bands['samples']} samples did not end and are left out of the intervals; "
            f"the first: {why}"
        )
    if 0 < bands["samples"] < FEWEST_SAMPLES:
        warnings.append(
            f"the intervals rest on {bands['samples']} samples and may miss even the nominal result; "
            "set uncertainty_samples to 100 or more for their ends"
        )
    levers = tornado(found, case, most=task.inputs["uncertainty_samples"])
    return {
        "summary": summary,
        **bands,
        "tornado": levers,
        "series": series(dataset, found),
        "warnings": warnings,
    }


def simulate_case(found: ParameterSet, case: SinterCase) -> tuple[xarray.Dataset, dict[str, Any]]:
    """Simulate one case; give the dataset and the summary with resistance and capacity.

    Where the grains differ in size, the dataset is that of the median grain and the summary that of the whole powder.

    Raises
    ------
    ConvergenceError
        The time integration failed.
    """
    from cosinter.analysis.continuum.model import simulate
    from cosinter.analysis.continuum.results import summary
    from cosinter.analysis.observables.capacity import discharge_capacity
    from cosinter.analysis.observables.impedance import interface_resistance

    dataset = simulate(found, replace(case, size_spread=0.0))
    resistance = interface_resistance(found, dataset).asr_ohm_cm2
    capacity = discharge_capacity(found, dataset, asr_ohm_cm2=resistance).capacity_mAh_per_g
    end = summary(dataset, asr_ohm_cm2=resistance, capacity_mAh_per_g=capacity).to_dict()
    return dataset, end | (_whole_powder(found, case) if case.size_spread > 0.0 else {})


def _whole_powder(found: ParameterSet, case: SinterCase) -> dict[str, float]:
    """Outcomes averaged over the size classes of a case."""
    from cosinter.analysis.continuum.batch import run_cases

    outcomes = run_cases(found, [case])
    if outcomes.failures:
        raise ConvergenceError(f"case {case.name}: {outcomes.failures[0]}")
    return dict(zip(outcomes.names, map(float, outcomes.values[0]), strict=True))


def spread(found: ParameterSet, case: SinterCase, *, count: int, seed: int) -> dict[str, Any]:
    """Intervals (5 to 95 %) of the numbers of a summary over samples of the parameters.

    There are none if ``count`` is 0 or no sample ended; ``first_failure`` says what stopped the first that did not.
    """
    from cosinter.analysis.continuum.batch import run_samples
    from cosinter.analysis.continuum.ensemble import draw, interval

    if count == 0:
        return {"intervals": {}, "samples": 0, "failed_samples": 0}
    quick = replace(case, cells=SAMPLE_CELLS)
    outcomes = run_samples(found, quick, draw(found, count, seed=seed))
    failed = len(outcomes.failures)
    bands = {
        name: interval(outcomes.column(name)[outcomes.good].tolist(), failed=failed)
        for name in (outcomes.names if failed < count else ())
    }
    summary = {
        "intervals": {name: [band.low, band.high] for name, band in bands.items()},
        "samples": count,
        "failed_samples": failed,
    }
    return summary | ({"first_failure": outcomes.failures[min(outcomes.failures)]} if failed else {})


def tornado(found: ParameterSet, case: SinterCase, *, most: int) -> list[dict[str, Any]]:
    """The widest bars of the headline outcomes: each source of error alone at its 5th and 95th percentile.

    It takes two runs per source of error and is left out where these are more than ``most``.

    Raises
    ------
    ConvergenceError
        The run with the parameters as they are did not end.
    """
    from cosinter.analysis.continuum.ensemble import uncertain
    from cosinter.analysis.continuum.sensitivity import tornado_design
    from cosinter.workflows.sensitivity import tornado_tables

    if len(tornado_design(uncertain(found)).z) > most:
        return []
    return tornado_tables(found, replace(case, cells=SAMPLE_CELLS), TORNADO_OUTCOMES, bars=TORNADO_BARS)


def series(dataset: xarray.Dataset, found: ParameterSet) -> dict[str, Any]:
    """What the report plots over time, thinned to a few hundred times; inventories in mol Li per mol metal."""
    step = max(1, dataset.sizes["time"] // SHOWN_TIMES)
    index = np.unique(np.append(np.arange(0, dataset.sizes["time"], step), dataset.sizes["time"] - 1))
    thin = dataset.isel(time=index)

    def column(name: str, *, scale: float = 1.0, offset: float = 0.0) -> list[float]:
        return tidy(thin[name].to_numpy() * scale + offset)

    full = found.table("electrolyte.titration.products").axis("lithium_oxide_mol_per_mol")[-1]
    taken = 2.0 * full * float(dataset.attrs["electrolyte_per_metal"])

    return {
        "time_h": [float(value) / hour for value in thin["time"].to_numpy()],
        "temperature_C": column("temperature", offset=-zero_Celsius),
        "layered_fraction": column("layered_mean"),
        "spinel_fraction": column("spinel_mean"),
        "rock_salt_fraction": column("rock_salt_mean"),
        "lithium_per_metal": column("lithium_mean"),
        "interphase_nm": column("interphase_thickness", scale=1.0 / nano),
        "inventories": {
            "cathode": column("lithium_mean"),
            **{
                label: tidy(thin["compensator"].sel(species=name).to_numpy())
                for name, (label, _) in SALTS.items()
            },
            "taken by the electrolyte": column("electrolyte_converted", scale=taken),
        },
        "gas": {
            str(name): tidy(thin["gas_released"].sel(gas=name).to_numpy()) for name in thin["gas"].to_numpy()
        },
    }


def tidy(values: Any) -> list[float]:
    """Plain numbers, round-off below 1e-12 shown as zero."""
    return [0.0 if abs(value) < 1e-12 else float(value) for value in values]


def sinter_study(study: Study, parameters_file: Path | None) -> list[dict[str, Any]]:
    """Simulate every case of a study in this process; the keys of ``cosinter sinter --json``.

    A parameter file replaces the tables as a whole, the films and crucibles of the cases included.

    Raises
    ------
    InputError
        The parameter file cannot be read or is not a valid parameter set.
    """
    from cosinter.workflows.sources.libraries import library_inputs
    from cosinter.workflows.variants import read_parameters

    whole = {**study.model_dump(mode="json"), "library": library_inputs(study.thermodynamics.energies)}
    given = None if parameters_file is None else read_parameters(parameters_file)
    common = parameter_set(whole, None) if given is None else given
    results = []
    for case in study.cases:
        found = with_case(common, case) if given is None else given
        inputs = {**whole, "case": case.model_dump(mode="json")}
        results.append(simulate_case(found, sinter_case(inputs, found))[1])
    return results
