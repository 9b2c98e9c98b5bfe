"""The solutions that ship with the package: ``data/solutions.yaml`` and a phase library to :class:`Solution`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.constants import R
from scipy.special import xlogy

from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE, Combination, FloatArray
from cosinter.analysis.thermochemistry.library import TRUST, Phase, PhaseLibrary, combined_errors
from cosinter.analysis.thermochemistry.open_circuit import FARADAY, dilute_mixing, ocv_integral
from cosinter.analysis.thermochemistry.solution_models import Interaction, Member, Solution
from cosinter.data.exceptions import UnknownNameError
from cosinter.data.tables import load_table

_NOT_MODELS = {"schema", "units"}


@lru_cache(maxsize=16)
def standard_solutions(library: PhaseLibrary) -> tuple[Solution, ...]:
    """All solutions of ``data/solutions.yaml`` of which ``library`` holds at least two end members.

    Give the whole library: an end member needs every phase it is made of.
    """
    keys = [key for key in load_table("solutions") if key not in _NOT_MODELS]
    found = (_build(key, library) for key in keys)
    return tuple(solution for solution in found if solution is not None and len(solution.members) > 1)


def standard_solution(key: str, library: PhaseLibrary) -> Solution:
    """One solution of ``data/solutions.yaml`` (for example ``layered``) with the end members ``library`` holds.

    Raises
    ------
    UnknownNameError
        No such solution, or the library holds none of its end members.
    """
    table = load_table("solutions")
    solution = _build(key, library) if key in table and key not in _NOT_MODELS else None
    if solution is None:
        known = [name for name in table if name not in _NOT_MODELS and _build(name, library) is not None]
        raise UnknownNameError("solution of this library", key, known)
    return solution


@lru_cache(maxsize=64)
def _build(key: str, library: PhaseLibrary) -> Solution | None:
    record = load_table("solutions")[key]
    phases = {phase.name: phase for phase in library.phases}
    title = record["title"]
    known = {
        name: entry
        for name, entry in record["members"].items()
        if set(entry.get("parts", {name: 1})) <= set(phases)
    }
    if not known:
        return None
    rows = _species(record)
    occupancy = np.asarray(
        [[float(entry["sites"][site].get(s, 0.0)) for entry in known.values()] for site, s in rows]
    )
    places = np.asarray([float(record["sites"][site]) for site, _ in rows])
    own = xlogy(occupancy, occupancy / places[:, None]).sum(axis=0)
    mixed = np.asarray([bool(entry.get("mixed", False)) for entry in known.values()])
    low, high = record["range_K"]
    return Solution(
        name=title,
        members=tuple(_member(title, name, entry, phases) for name, entry in known.items()),
        occupancy=occupancy,
        places=places,
        ordering=np.where(mixed, 0.0, own),
        interactions=tuple(_interaction(pair, rows) for pair in record.get("interactions", ())),
        vacancies=occupancy[rows.index(tuple(record["vacancies"]))] if "vacancies" in record else None,
        uncertainty_J=float(record["uncertainty"]) * 1e3,
        state=record.get("state", "s"),
        range_K=(float(low), float(high)),
        source=record["source"],
        kind=record["kind"],
    )


def _species(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """All (site, species), in the order of the table."""
    rows = [
        (site, species)
        for site in record["sites"]
        for entry in record["members"].values()
        for species in entry["sites"][site]
    ]
    return list(dict.fromkeys(rows))


def _parameter(path: str) -> tuple[float, float, float, float]:
    """Enthalpy and entropy of a parameter of ``thermochemistry.yaml`` and their errors, J/mol and J/mol/K."""
    record: Any = load_table("thermochemistry")
    for key in path.split("."):
        record = record[key]
    if "dH" in record:
        heat, entropy = record["dH"], record["dS"]
        return heat["value"] * 1e3, entropy["value"], heat["uncertainty"] * 1e3, entropy["uncertainty"]
    return record["value"] * 1e3, 0.0, (record["uncertainty"] or 0.0) * 1e3, 0.0


def _member(title: str, name: str, entry: Mapping[str, Any], phases: Mapping[str, Phase]) -> Member:
    parts = [(float(n), phases[p]) for p, n in entry.get("parts", {name: 1}).items()]
    energy, entropy = _delithiation(entry), 0.0
    errors = combined_errors(parts)
    for path, times in entry.get("shift", {}).items():
        heat, order, heat_error, order_error = _parameter(path)
        energy, entropy = energy + times * heat, entropy + times * order
        errors[path] = (times * heat_error, times * order_error)
    if "uncertainty" in entry:
        errors[f"{title}: {name}"] = (float(entry["uncertainty"]) * 1e3, 0.0)
    single = len(parts) == 1 and not entry.get("shift") and "lithium" not in entry
    return Member(
        name=name,
        composition=_composition(parts),
        function=Combination(tuple((n, p.function) for n, p in parts), energy, entropy),
        errors=errors,
        phase=parts[0][1].name if single else None,
        energy_source=max((phase.energy_source for _, phase in parts), key=TRUST.index),
        qualitative=any(phase.qualitative for _, phase in parts),
    )


def _delithiation(entry: Mapping[str, Any]) -> float:
    """Energy of taking lithium out of ``metals`` mole of LiMO2 down to the content ``lithium``, J."""
    if "lithium" not in entry:
        return 0.0
    content: FloatArray = np.asarray(float(entry["lithium"]))
    removal = FARADAY * ocv_integral(content) - R * REFERENCE_TEMPERATURE * dilute_mixing(content)[0]
    return float(entry["metals"]) * float(removal)


def _composition(parts: list[tuple[float, Phase]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for amount, phase in parts:
        for element, count in phase.composition.items():
            total[element] = total.get(element, 0.0) + amount * count
    return {element: count for element, count in total.items() if abs(count) > 1e-12}


def _interaction(pair: Mapping[str, Any], rows: list[tuple[str, str]]) -> Interaction:
    first, second = (rows.index((pair["site"], species)) for species in pair["species"])
    if "parameter" in pair:
        heat, entropy, *_ = _parameter(pair["parameter"])
        return Interaction(first, second, heat, entropy)
    return Interaction(first, second, float(pair["enthalpy"]) * 1e3, float(pair.get("entropy", 0.0)))
