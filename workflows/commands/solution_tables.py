"""What ``cosinter phases show`` tells about a solid solution or the salt melt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.solution_models import Member, Solution


def describe_solution(solution: Solution) -> dict[str, Any]:
    """End members, sites, mixing terms, uncertainty and source of a solution, as plain data."""
    from cosinter.analysis.thermochemistry.missing_members import solution_record

    record = solution_record(solution.name)
    return {
        "name": solution.name,
        "solution": True,
        "formula": record["formula"],
        "state": solution.state,
        "kind": solution.kind,
        "range_K": list(solution.range_K),
        "sites": record["sites"],
        "members": [_describe_member(member, record["members"][member.name]) for member in solution.members],
        "missing": [name for name in record["members"] if name not in {m.name for m in solution.members}],
        "interactions": [
            {
                "site": pair["site"],
                "species": pair["species"],
                "enthalpy_kJ_per_mol": term.enthalpy * 1e-3,
                "entropy_J_per_mol_K": term.entropy,
            }
            for pair, term in zip(record.get("interactions", ()), solution.interactions, strict=True)
        ],
        "open_circuit": "vacancies" in record,
        "uncertainty_kJ_per_mol": solution.uncertainty_J * 1e-3,
        "source": solution.source,
    }


def _describe_member(member: Member, entry: Mapping[str, Any]) -> dict[str, Any]:
    from math import hypot

    from cosinter.analysis.thermochemistry.functions import REFERENCE_TEMPERATURE

    return {
        "name": member.name,
        "made_of": entry.get("parts", {member.name: 1}),
        "sites": entry["sites"],
        "H298_kJ_per_mol": float(member.function.enthalpy(REFERENCE_TEMPERATURE)) * 1e-3,
        "S298_J_per_mol_K": float(member.function.entropy(REFERENCE_TEMPERATURE)),
        "uncertainty_kJ_per_mol": hypot(*(heat for heat, _ in member.errors.values())) * 1e-3,
        "energy_source": member.energy_source,
        "qualitative": member.qualitative,
    }


def print_solution(content: Mapping[str, Any]) -> None:
    """Print a solution: a table of end members, then how they mix."""
    from rich.console import Console
    from rich.table import Table
    from scipy.constants import zero_Celsius

    kind = "melt" if content["state"] == "l" else "solid solution"
    table = Table(title=f"{content['name']} ({kind}): {content['formula']}")
    for heading in ("end member", "made of", "sites", "H ± kJ/mol", "numbers from"):
        table.add_column(heading, justify="right" if heading.startswith("H ") else "left", overflow="fold")
    for member in content["members"]:
        table.add_row(
            member["name"],
            _sum(member["made_of"]),
            "; ".join(_held(held) for held in member["sites"].values()),
            f"{member['H298_kJ_per_mol']:.1f} ± {member['uncertainty_kJ_per_mol']:.1f}",
            member["energy_source"] + (" (qualitative)" if member["qualitative"] else ""),
        )
    console = Console()
    console.print(table)
    low, high = (value - zero_Celsius for value in content["range_K"])
    places = ", ".join(f"{count:g} {site}" for site, count in content["sites"].items())
    lines = [
        f"mixing: ideal on the sites ({places} per formula)" + "".join(map(_term, content["interactions"])),
        *(["lithium is taken out along an open-circuit potential"] if content["open_circuit"] else []),
        f"uncertainty of mixing: {content['uncertainty_kJ_per_mol']:g} kJ/mol times 2 (1 - sum of x squared)",
        f"data hold from {low:.0f} to {high:.0f} °C ({content['kind']})",
        f"source: {content['source']}",
        *([f"end members without data: {', '.join(content['missing'])}"] if content["missing"] else []),
        f"leave it out of react and plot with --exclude '{content['name']}'",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _held(species: Mapping[str, float]) -> str:
    """What stands on a site; - for nothing."""
    return " ".join(_amount(count, name) for name, count in species.items() if name != "none") or "-"


def _amount(count: float, name: str) -> str:
    return name if count == 1 else f"{count:.3g} {name}"


def _sum(parts: Mapping[str, float]) -> str:
    items = [f"{'-' if n < 0 else '+'} {_amount(abs(n), name)}" for name, n in parts.items()]
    return " ".join(items).removeprefix("+ ")


def _term(pair: Mapping[str, Any]) -> str:
    entropy = pair["entropy_J_per_mol_K"]
    slope = f" {'-' if entropy > 0.0 else '+'} {abs(entropy):g} J/mol/K T" if entropy else ""
    return f"; {'-'.join(pair['species'])} interact with {pair['enthalpy_kJ_per_mol']:g} kJ/mol{slope}"
