"""Commands about the phase library: list, show, add, remove, check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import EngineError, InputError, UnknownNameError
from cosinter.workflows.commands.react_options import OPEN_GASES

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.library import Phase, PhaseLibrary

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
#: Temperatures of the table of `phases show`, °C.
TABLE_C = (25.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 1000.0, 1100.0)
EXAMPLE = """
\b
A phase in YAML: kJ/mol, J/mol/K and K; elements in their reference states at 298.15 K, white P.
The numbers here are made up; Cp segments and transitions: see the documentation.
\b
name: Ni2TiO4
formula: Ni2TiO4
kind: assumed   (or measured, computed, fitted)
H298: -1432.0
S298: 170.0   (without it: the sum's entropy)
neumann_kopp: {NiO: 2, TiO2_rutile: 1}
uncertainty: {H298: 8.0, S298: 5.0}
source: where the numbers are from
"""

app = typer.Typer(no_args_is_help=True, help="The phase library: what is in it, and your own phases.")


@app.command("list")
def list_phases(
    elements: Annotated[
        str | None, typer.Option(help="Only phases made of these elements, e.g. Li,Ti,O.", show_default=False)
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Only s (solid), l (liquid) or g (gas).", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the phases with their enthalpy, entropy, uncertainty and where the numbers are from.

    Example: cosinter phases list --elements Li,Ti,O
    """
    from cosinter.workflows.sources.libraries import chosen_library

    library = chosen_library()
    if elements is not None:
        library = library.restricted(elements=_known_elements(elements, library))
    if state is not None and state not in ("s", "l", "g"):
        raise InputError(f"--state {state}: must be s, l or g")
    described = library.to_dict()
    chosen = [phase for phase in library.phases if state in (None, phase.state)]
    if as_json:
        typer.echo(json.dumps({phase.name: described[phase.name] for phase in chosen}, indent=1))
        return
    _print_list(chosen, described)


def _known_elements(text: str, library: PhaseLibrary) -> list[str]:
    chosen = [part.strip() for part in text.replace("-", ",").split(",") if part.strip()]
    unknown = [element for element in chosen if element not in library.elements]
    if not chosen:
        raise InputError("--elements is empty; give elements with commas, for example Li,Ti,O")
    if unknown:
        raise InputError(
            f"--elements {text}: '{unknown[0]}' is not an element of the library; "
            f"known: {', '.join(library.elements)}"
        )
    return chosen


def _print_list(phases: list[Phase], described: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{len(phases)} phases at 25 °C")
    for heading in ("phase", "H ± kJ/mol", "S J/mol/K", "data, °C", "numbers from"):
        table.add_column(heading, justify="left" if heading in ("phase", "numbers from") else "right")
    for phase in phases:
        row = described[phase.name]
        low, high = (_celsius(t) for t in row["range_K"])
        origin = row["energy_source"] + (" (qualitative)" if row["qualitative"] else "")
        if row["thermal_source"] != "measured":
            origin += f", {row['thermal_source']}"
        table.add_row(
            phase.name,
            f"{row['H298_kJ_per_mol']:.1f} ± {row['uncertainty_kJ_per_mol']:.1f}",
            f"{row['S298_J_per_mol_K']:.1f}",
            f"{low:.0f} to {high:.0f}",
            origin,
        )
    Console().print(table)


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Phase, alias, formula or solution, e.g. Li2TiO3, O2, spinel, 'rock salt'.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Show a phase: G(T), uncertainty, sources, range of the data, other assessments. A formula shows every form.

    Of a solid solution or melt: end members, how they mix, uncertainty and source.

    Example: cosinter phases show TiO2
    """
    from cosinter.analysis.thermochemistry.records import alternatives
    from cosinter.data.tables import load_table
    from cosinter.workflows.commands.solution_tables import describe_solution, print_solution
    from cosinter.workflows.sources.libraries import check_substance, chosen_library, find_solution

    library = chosen_library()
    solution = find_solution(name, library)
    table = load_table("thermochemistry")
    substance = solution is None or name.lower() in library.aliases  # latp is a substance and a solution
    found = _forms(check_substance(name, library), library) if substance else []
    described = [
        {**_describe(phase, library), "alternatives": alternatives(phase.name, table)} for phase in found
    ]
    described += [describe_solution(solution)] if solution is not None else []
    if as_json:
        typer.echo(json.dumps(described, indent=1))
        return
    for content in described:
        print_solution(content) if "members" in content else _print_phase(content)


def _forms(name: str, library: PhaseLibrary) -> list[Phase]:
    """The phase ``name``, or every phase of that formula: gases first where people mean the gas."""
    named = [phase for phase in library.phases if phase.name == name]
    if named and named[0].formula != name:
        return named
    gases = [phase for phase in library.phases if phase.state == "g" and phase.formula == name]
    try:
        condensed = list(library.candidates(name))
    except UnknownNameError:
        if not gases:
            raise
        return gases
    return [*gases, *condensed] if name in OPEN_GASES else [*condensed, *gases]


def _describe(phase: Phase, library: PhaseLibrary) -> dict[str, Any]:
    import numpy as np
    from scipy.constants import zero_Celsius

    from cosinter.analysis.thermochemistry.library import PhaseLibrary as Library

    kelvin = np.asarray(TABLE_C) + zero_Celsius
    columns = {
        "H_kJ_per_mol": phase.enthalpy(kelvin) * 1e-3,
        "S_J_per_mol_K": phase.entropy(kelvin),
        "G_kJ_per_mol": phase.gibbs(kelvin) * 1e-3,
        "uncertainty_kJ_per_mol": phase.gibbs_uncertainty(kelvin) * 1e-3,
    }
    rows = [
        {
            "temperature_C": celsius,
            **{key: float(values[i]) for key, values in columns.items()},
            "inside_range": phase.covers(float(kelvin[i])),
        }
        for i, celsius in enumerate(TABLE_C)
    ]
    errors = {
        source: {"H298_kJ_per_mol": enthalpy * 1e-3, "S298_J_per_mol_K": entropy}
        for source, (enthalpy, entropy) in phase.errors.items()
    }
    return {"name": phase.name, **Library([phase]).to_dict()[phase.name], "errors": errors, "table": rows}


def _print_phase(content: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{content['name']} ({content['formula']}, {content['state']})")
    for heading in ("°C", "H kJ/mol", "S J/mol/K", "G kJ/mol", "± kJ/mol"):
        table.add_column(heading, justify="right")
    for row in content["table"]:
        style = None if row["inside_range"] else "dim"
        table.add_row(
            f"{row['temperature_C']:.0f}" + ("" if row["inside_range"] else " *"),
            f"{row['H_kJ_per_mol']:.2f}",
            f"{row['S_J_per_mol_K']:.2f}",
            f"{row['G_kJ_per_mol']:.2f}",
            f"{row['uncertainty_kJ_per_mol']:.2f}",
            style=style,
        )
    console = Console()
    console.print(table)
    low, high = (_celsius(t) for t in content["range_K"])
    lines = [
        f"data hold from {low:.0f} to {high:.0f} °C"
        + (
            ""
            if all(r["inside_range"] for r in content["table"])
            else "; * extrapolated with the heat capacity of the edge"
        ),
        f"energy: {content['energy_source']} ({content['kind']}); S and Cp: {content['thermal_source']}",
        f"± {content['uncertainty_kJ_per_mol']:.2f} kJ/mol at 25 °C from {_shares(content['errors'])}",
        f"source: {content['source']}",
        *([f"note: {content['note']}"] if content["note"] else []),
        *(f"other assessment: {_other(row)}" for row in content["alternatives"]),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _shares(errors: dict[str, dict[str, float]]) -> str:
    """Error sources with their part of H298, largest first; phases that name the same one err together."""
    parts = {source: abs(error["H298_kJ_per_mol"]) for source, error in errors.items()}
    told = [
        f"{source} {parts[source]:.2f}" for source in sorted(parts, key=lambda s: -parts[s]) if parts[source]
    ]
    return ", ".join(told) or "nothing"


def _other(row: dict[str, Any]) -> str:
    numbers = [f"{key} {row[key]:g}" for key in ("H298", "S298") if key in row]
    return f"{', '.join(numbers)} ({row['source']})"


def _celsius(kelvin: float) -> float:
    from scipy.constants import zero_Celsius

    return kelvin - float(zero_Celsius)


@app.command(epilog=EXAMPLE)
def add(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="YAML file of one or more phases.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Check phases written in YAML and keep them; every later command uses them.

    Several phases stand under one key: phases: {NAME: record, NAME: record}. `cosinter phases list` shows them with
    energy source "user"; `cosinter phases remove NAME` takes one back.

    Example: cosinter phases add my-phases.yaml
    """
    from cosinter.workflows.sources.phase_store import add_phases
    from cosinter.workflows.sources.user_data import phases_folder

    phases = add_phases(file)
    if as_json:
        typer.echo(json.dumps({"added": [phase.name for phase in phases], "folder": str(phases_folder())}))
        return
    for phase in phases:
        typer.echo(f"added {phase.name} ({phase.formula}); kept in {phases_folder()}")
        typer.echo(f"  {_standing(phase)}")


def _standing(phase: Phase) -> str:
    """Say how the new phase stands against the rest of the library at 700 °C without open gases."""
    from scipy.constants import zero_Celsius

    from cosinter.analysis.equilibrium.lp import equilibrium
    from cosinter.workflows.sources.libraries import chosen_library

    temperature = 700.0 + zero_Celsius
    library = chosen_library()
    others = library.restricted(elements=phase.composition, exclude=[phase.name])
    missing = set(phase.composition) - set(others.elements)
    if missing:
        return f"the only phase with {', '.join(sorted(missing))}: nothing to compare with"
    rest = equilibrium(
        library,
        dict(phase.composition),
        temperature_K=temperature,
        pressures_bar={},
        exclude=[phase.name],
    )
    gain = (float(phase.gibbs(temperature)) - rest.gibbs_J) * 1e-3
    mixture = " + ".join(f"{amount:.3g} {name}" for name, amount in rest.amounts.items())
    word = "below" if gain < 0.0 else "above"
    warned = "" if phase.covers(temperature) else " (outside the range of its data)"
    return f"at 700 °C{warned} its G lies {abs(gain):.1f} kJ/mol {word} {mixture}"


@app.command()
def remove(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of a phase that you added.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Take back a phase that you added; phases of the package stay.

    Example: cosinter phases remove Ni2TiO4
    """
    from cosinter.workflows.sources.phase_store import remove_phase

    path = remove_phase(name)
    typer.echo(json.dumps({"removed": path.stem}) if as_json else f"removed {path.stem} ({path})")


@app.command()
def check(as_json: AsJson = False) -> None:
    """Check the library against known reactions, and show decomposition temperatures beside observed ones.

    Example: cosinter phases check
    """
    from cosinter.analysis.thermochemistry.consistency import check_consistency, decomposition_temperatures
    from cosinter.workflows.sources.libraries import chosen_library

    library = chosen_library()
    rows, decompositions = check_consistency(library), decomposition_temperatures(library)
    if as_json:
        content = {
            "consistency": [row.to_dict() for row in rows],
            "decompositions": [row.to_dict() for row in decompositions],
        }
        typer.echo(json.dumps(content, indent=1))
    else:
        for row in rows:
            typer.echo(f"{'ok' if row.good else 'WRONG':6} {row.name:34} {row.detail} ({row.source})")
        typer.echo("\nequilibrium temperatures beside what was observed")
        for item in decompositions:
            shown = "none" if item.temperature_K is None else f"{item.temperature_K:.0f} K"
            typer.echo(f"{shown:>7} {item.name:42} {item.observed}")
    wrong = [row.name for row in rows if not row.good]
    if wrong:
        raise EngineError(f"{len(wrong)} known reaction(s) missed: {', '.join(wrong)}")
