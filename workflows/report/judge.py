"""What the numbers mean: the verdict, the headline numbers, published figures beside ours, and the limitations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from cosinter.data.exceptions import InputError
from cosinter.data.tables import load_table
from cosinter.workflows.references import reference_barrier
from cosinter.workflows.report.content import Headline, Number, PublishedRow, Verdict
from cosinter.workflows.study import Case, Study

Sinter = Mapping[str, Mapping[str, Any]]

HEADLINES: tuple[tuple[str, str, str, Literal["high", "low"]], ...] = (
    ("layered_fraction", "Layered fraction", "", "high"),
    ("capacity_mAh_per_g", "Capacity", "mAh/g", "high"),
    ("asr_ohm_cm2", "Interface resistance", "Ω cm²", "low"),
)

LARGEST_MEASURED_ERROR = 3.0  # J/mol/K; entropies of calorimetry are better, sums over oxides are not

LIMITATIONS = (
    "The growth constant of the interphase is an analogy (cation mobility in NiO), good to about one order of magnitude; "
    "no thickness of an NCM | LATP interphase against time and temperature was found.",
    "Enthalpies of LATP, LiTi2(PO4)3, LiNiO2 and LiCoO2 are estimates (15 to 45 kJ per mol of formula); of the spinels, "
    "Ni3O4 and LiNi2O4 were never measured.",
    "Phases in one place of the grain share one lithium potential; there is no phase-field and no cracking, and all of the "
    "open faces touch electrolyte or salt. Grains of different size trade no lithium.",
    "Lithium diffusivity at firing temperature is extrapolated from 110-350 °C or computed with a rigid-ion potential.",
    "The electrolyte reacts along one titration curve as a well-stirred sink; the resistance takes the phosphate for a "
    "percolating glass (crystalline Li3PO4 would block), so read it as an order of magnitude.",
    "Lithium evaporates only as LiOH and only from an open crucible, CO2 and H2O draw no lithium out of the cathode, and "
    "LiOH and Li2CO3 mix ideally in the melt.",
    "A film on the cathode passes lithium together with electrons and is lost as it crystallises; its elements stay out of "
    "the cathode, and what is left of it adds nothing to the resistance.",
    "Capacity is the lithium left in layered material times the voltage window left by the resistance; "
    "nothing is known here about cycling.",
)


def verdict(study: Study, sinter: Sinter) -> Verdict:
    """Say whether the cathode survives, for the bare case and the best protected one."""
    limit = study.criterion.layered_fraction
    bare = _first(study, sinter, _bare)
    best = max(
        (data for name, data in sinter.items() if _protected(study, name)),
        key=lambda data: data["summary"]["layered_fraction"],
        default=None,
    )
    if bare is None and best is None:
        return Verdict(
            status="undecided", headline="No verdict: the furnace was not run.", detail="See the warnings."
        )
    parts = [f"{_name(data)}: layered fraction {_shown(data)}" for data in (bare, best) if data is not None]
    detail = f"{'; '.join(parts)} after the furnace; the study asks for at least {limit:g}."
    if bare is not None and _standing(bare, limit) == "survives":
        return Verdict(status="survives", headline="The cathode survives without protection.", detail=detail)
    if best is not None and _standing(best, limit) == "survives":
        return Verdict(status="survives", headline=f"The cathode survives with {_name(best)}.", detail=detail)
    if bare is None or best is None:
        only = bare or best
        standing = _standing(only, limit) if only is not None else "undecided"
    else:
        standing = (
            "undecided" if "undecided" in (_standing(bare, limit), _standing(best, limit)) else "damaged"
        )
    if standing == "undecided":
        return Verdict(
            status="undecided", headline="Undecided within the uncertainty of the parameters.", detail=detail
        )
    return Verdict(
        status="damaged", headline="The cathode is damaged in every case of this study.", detail=detail
    )


def _first(study: Study, sinter: Sinter, wanted: Callable[[Case], bool]) -> Mapping[str, Any] | None:
    return next((sinter[case.name] for case in study.cases if wanted(case) and case.name in sinter), None)


def _bare(case: Case) -> bool:
    return not case.protection


def _compensated(case: Case) -> bool:
    return case.compensator is not None and case.coating is None


def _protected(study: Study, name: str) -> bool:
    return any(case.name == name and bool(case.protection) for case in study.cases)


def _name(data: Mapping[str, Any]) -> str:
    return str(data["summary"]["name"])


def _interval(data: Mapping[str, Any], key: str) -> tuple[float, float] | None:
    found = (data.get("intervals") or {}).get(key)
    return (float(found[0]), float(found[1])) if found else None


def _shown(data: Mapping[str, Any]) -> str:
    interval = _interval(data, "layered_fraction")
    value = f"{data['summary']['layered_fraction']:.3f}"
    return f"{value} ({interval[0]:.2f} to {interval[1]:.2f})" if interval else value


def _standing(data: Mapping[str, Any], limit: float) -> str:
    """survives / damaged where the whole interval lies on one side of the limit, else undecided."""
    value = data["summary"]["layered_fraction"]
    low, high = _interval(data, "layered_fraction") or (value, value)
    low, high = min(low, value), max(high, value)
    if low >= limit:
        return "survives"
    return "damaged" if high < limit else "undecided"


def headlines(sinter: Sinter) -> tuple[Headline, ...]:
    """The three numbers on top, with intervals."""
    rows = []
    for key, label, unit, aim in HEADLINES:
        values = {}
        for name, data in sinter.items():
            interval = _interval(data, key)
            values[name] = Number(
                value=data["summary"][key],
                low=interval[0] if interval else None,
                high=interval[1] if interval else None,
            )
        if values:
            rows.append(Headline(label=label, unit=unit, values=values, aim=aim))
    return tuple(rows)


def published_rows(study: Study, sinter: Sinter) -> tuple[PublishedRow, ...]:
    """Published figures of the case beside ours; misses are shown."""
    if study.published is None:
        return ()
    table = load_table("published").get(study.published)
    if table is None:
        raise InputError(f"published case '{study.published}' is not in the table of published outcomes")
    ours = _ours(study, sinter)
    return tuple(_published(row, ours.get(row["key"]), table["short_source"]) for row in table["rows"])


def _published(row: Mapping[str, Any], ours: float | None, source: str) -> PublishedRow:
    outcome: Literal["input", "agrees", "misses", "not computed"]
    if row["use"] == "input":
        outcome = "input"
    elif ours is None:
        outcome = "not computed"
    else:
        allowed = row.get("tolerance_absolute", row.get("tolerance_fraction", 0.0) * abs(row["value"]))
        outcome = "agrees" if abs(ours - row["value"]) <= allowed else "misses"
    return PublishedRow(
        quantity=row["quantity"],
        unit=row["unit"],
        published=Number(value=row["value"]),
        ours=Number(value=ours) if ours is not None else None,
        use=row["use"],
        outcome=outcome,
        tolerance=row["tolerance"],
        source=source,
        note=row["note"],
    )


def _ours(study: Study, sinter: Sinter) -> dict[str, float]:
    bare = _first(study, sinter, _bare)
    helped = _first(study, sinter, _compensated)
    values = {"capacity_reference": study.cathode.capacity_mAh_per_g}
    if bare is not None:
        values["capacity_bare"] = bare["summary"]["capacity_mAh_per_g"]
    if helped is not None:
        values["layered_kept_C"] = layered_kept(
            helped["series"]["temperature_C"],
            helped["series"]["layered_fraction"],
            limit=study.criterion.layered_fraction,
        )
    if bare is not None and helped is not None:
        saved = 1.0 - helped["summary"]["asr_ohm_cm2"] / bare["summary"]["asr_ohm_cm2"]
        values["asr_saving_percent"] = 100.0 * saved
    return values


def layered_kept(temperature_C: Iterable[float], layered: Iterable[float], *, limit: float) -> float:
    """Highest temperature (°C) reached before the layered fraction first falls below ``limit``.

    >>> layered_kept([25.0, 500.0, 700.0, 25.0], [1.0, 0.95, 0.5, 0.5], limit=0.9)
    500.0
    """
    highest = -273.15
    for temperature, fraction in zip(temperature_C, layered, strict=True):
        if fraction < limit:
            break
        highest = max(highest, temperature)
    return highest


def cited_barrier(host: str, mechanism: str) -> tuple[float | None, str]:
    """A barrier (eV) to show beside a computed one, and where it is from."""
    row = reference_barrier(host, mechanism)
    return (float(row["value_eV"]), f"{row['source']} ({row['kind']})") if row else (None, "")


def measured_entropy(name: str) -> tuple[float | None, str]:
    """S(298.15 K) in J/mol/K of a crystal from the thermochemical table, where it was measured."""
    from cosinter.analysis.thermochemistry.library import load_library
    from cosinter.data.exceptions import CosinterError
    from cosinter.structures.crystals import crystal

    try:
        phase = load_library().phase(crystal(name).formula)
    except CosinterError:
        return None, ""
    if phase.kind != "measured" or phase.entropy_uncertainty_J_per_mol_K > LARGEST_MEASURED_ERROR:
        return None, ""
    return float(phase.entropy(298.15)), phase.source
