"""Parameters that a study sets itself: of its cathode, and of the film and the crucible of a case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scipy.constants import kilo, milli, zero_Celsius

if TYPE_CHECKING:
    from cosinter.analysis.parameters import AnyRecord, Arrhenius, ParameterSet, Scalar
    from cosinter.workflows.study import Case, Coating, Law

#: Spread of the mass-transfer coefficient of an open crucible, decades; the gas above the powder is rarely known.
EVAPORATION_SPREAD = 0.5


def cathode_records(cathode: Mapping[str, Any]) -> dict[str, AnyRecord]:
    """Records that replace those of the tables, from the ``cathode`` section of a study."""
    records: dict[str, AnyRecord] = {
        "capacity.reference": capacity_reference(cathode["capacity_mAh_per_g"]),
    }
    if cathode["antisite_fraction"] is not None:
        records["cathode.antisite_fraction"] = _scalar(
            cathode["antisite_fraction"], "1", "cathode.antisite_fraction: Ni on lithium sites"
        )
    return records


def capacity_reference(capacity_mAh_per_g: float) -> Scalar:
    """Capacity of the undamaged cathode as the study gives it, in C/kg."""
    from cosinter.analysis.observables.capacity import C_PER_KG_PER_MAH_PER_G

    return _scalar(
        capacity_mAh_per_g * C_PER_KG_PER_MAH_PER_G,
        "C/kg",
        "cathode.capacity_mAh_per_g: capacity of the undamaged cathode",
    )


def with_case(found: ParameterSet, case: Case) -> ParameterSet:
    """The set with the film and the crucible of ``case`` in place of those of the tables."""
    records: dict[str, AnyRecord] = {}
    if case.coating is not None:
        records.update(film_records(case.coating))
    if case.crucible is not None:
        records["compensator.evaporation_velocity"] = _scalar(
            case.crucible.evaporation_mm_per_s * milli,
            "m/s",
            "crucible.evaporation_mm_per_s: mass transfer from an open crucible",
            log10_uncertainty=EVAPORATION_SPREAD,
        )
    if not records:
        return found
    return found.model_copy(update={"parameters": {**found.parameters, **records}})


def film_records(coating: Coating) -> dict[str, Arrhenius]:
    """Conductivity and breakdown of a film, of the table or the study's own.

    Raises
    ------
    DataError
        The table of coatings is damaged.
    """
    from cosinter.analysis.coatings import UNITS, coating_records

    own = {
        name: _law(law, UNITS[name], coating.material)
        for name in UNITS
        if (law := getattr(coating, name)) is not None
    }
    return coating_records(coating.material, own=own)


def _law(law: Law, unit: str, material: str) -> Arrhenius:
    from cosinter.analysis.parameters import Arrhenius

    return Arrhenius(
        reference_value=law.value,
        reference_temperature=law.at_C + zero_Celsius,
        activation_energy=law.energy_kJ_per_mol * kilo,
        log10_uncertainty=law.log10_uncertainty,
        unit=unit,
        kind="measured",
        source=law.source,
        note=f"film of {material}, given in the study",
    )


def _scalar(value: float, unit: str, source: str, **fields: Any) -> Scalar:
    from cosinter.analysis.parameters import Scalar

    return Scalar(value=value, unit=unit, kind="measured", source=f"study file, {source}", **fields)
