"""The command ``cosinter react``: what two solids form when heated together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import InputError
from cosinter.workflows.commands.react_options import (
    ATMOSPHERE_HELP,
    ENERGIES_HELP,
    MOST_SAMPLES,
    TEMPERATURE_HELP,
)

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.library import PhaseLibrary
    from cosinter.workflows.reactions import ReactionRequest, Tell

SILENCE_S = 30.0
REACTANT_HELP = "Formula, phase name or alias, e.g. LiCoO2, TiO2_anatase, ncm811."


class RatioBasis(StrEnum):
    """What a mixing ratio counts."""

    mole = "mole"
    mass = "mass"
    volume = "volume"


def react(
    first: Annotated[str, typer.Argument(metavar="FIRST", help=REACTANT_HELP, show_default=False)],
    second: Annotated[str, typer.Argument(metavar="SECOND", help=REACTANT_HELP, show_default=False)],
    temperature: Annotated[
        str, typer.Option(help=f"{TEMPERATURE_HELP}: one, a list 500,600 or a range FROM:TO:STEP.")
    ] = "700",
    atmosphere: Annotated[str, typer.Option(help=ATMOSPHERE_HELP)] = "O2=0.21",
    at: Annotated[
        float | None, typer.Option(help="Also show the one ratio with this share of FIRST, 0 to 1.")
    ] = None,
    ratio_basis: Annotated[RatioBasis, typer.Option(help="What --at counts.")] = RatioBasis.mole,
    uncertainty: Annotated[
        int,
        typer.Option(
            metavar="N",
            help=f"Samples of the phases' errors, at most {MOST_SAMPLES}: probabilities and intervals.",
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
    energies: Annotated[str, typer.Option(help=ENERGIES_HELP)] = "measured,chgnet,assumed",
    solutions: Annotated[
        bool, typer.Option("--solutions/--no-solutions", help="Let solid solutions and the salt melt form.")
    ] = True,
    exclude: Annotated[
        str, typer.Option(help="Phases or solutions that must not form, e.g. Li3PO4,spinel.")
    ] = "",
    onset: Annotated[
        float | None,
        typer.Option(
            metavar="MEV", help="Find the temperature where |dG| passes this many meV/atom (above 0)."
        ),
    ] = None,
    titrate: Annotated[
        bool,
        typer.Option(
            "--titrate", help="Also titrate both solids with Li2O, among phases of fixed composition."
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Picture to write: the line, or a map over a range of temperatures.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Find what two solids form when heated together: all kinks of the mixing line, products and energies.

    dG is per mole of the mixture x FIRST + (1-x) SECOND of formula units, and per atom of that mixture.

    Examples:

    cosinter react LiCoO2 latp

    cosinter react ncm811 latp --at 0.5 --ratio-basis mass --titrate

    cosinter react Li2CO3 TiO2 --atmosphere O2=0.21,CO2=4e-4 --onset 20

    cosinter react LiCoO2 latp --temperature 500:900:50 --uncertainty 1000 --plot map.png

    cosinter react ncm811 LiOH --energies measured,mp:NAME,chgnet,assumed --exclude spinel --json
    """
    from cosinter.workflows.commands.react_options import parse_atmosphere, parse_temperatures, split_list
    from cosinter.workflows.reactions import ReactionRequest, reaction_content
    from cosinter.workflows.sources.libraries import (
        check_substance,
        chosen_library,
        parse_energies,
        split_exclusions,
    )

    _check(at=at, uncertainty=uncertainty, seed=seed, onset=onset, plot=plot)
    library = chosen_library(parse_energies(energies))
    request = ReactionRequest(
        first=check_substance(first, library),
        second=check_substance(second, library),
        temperatures_C=parse_temperatures(temperature),
        pressures_bar=parse_atmosphere(atmosphere),
        at=at,
        basis=ratio_basis.value,
        exclude=split_list(exclude),
        solutions=solutions,
        samples=uncertainty,
        seed=seed,
        onset_meV_per_atom=onset,
        titrate=titrate,
    )
    notes = check_reactants(request.first, request.second, library, request.pressures_bar)
    split_exclusions(library, request.exclude, solutions=solutions)
    with working() as tell:
        content = reaction_content(request, library=library, tell=tell)
        content["warnings"] = [*notes, *content["warnings"]]
        if plot is not None:
            tell("drawing (a map takes a line at every change of products)", 0, 1)
            _draw(content, request, library, plot)
    if as_json:
        typer.echo(json.dumps(content, indent=1, allow_nan=False))
        return
    from rich.console import Console

    from cosinter.workflows.commands.react_tables import print_reaction

    print_reaction(Console(), content)


def _check(*, at: float | None, uncertainty: int, seed: int, onset: float | None, plot: Path | None) -> None:
    """Refuse wrong options before anything is computed."""
    if at is not None and not 0.0 <= at <= 1.0:
        raise InputError(f"--at {at:g}: must be from 0 to 1")
    if not 0 <= uncertainty <= MOST_SAMPLES:
        raise InputError(f"--uncertainty {uncertainty}: must be from 0 (none) to {MOST_SAMPLES} samples")
    if seed < 0:
        raise InputError(f"--seed {seed}: must not be negative")
    if onset is not None and not 0.0 < onset <= 10_000.0:
        raise InputError(f"--onset {onset:g}: must be above 0 and at most 10000 meV/atom")
    if plot is not None:
        from cosinter.workflows.diagrams.drawing import check_target

        check_target(plot)


def check_reactants(
    first: str, second: str, library: PhaseLibrary, pressures_bar: Mapping[str, float]
) -> tuple[str, ...]:
    """Refuse reactants of one composition; return notes about gases that are not open.

    Raises
    ------
    InputError, UnknownNameError, CompositionError
        The two are the same, or one is not known.
    """
    from cosinter.analysis.thermochemistry.formulas import proportionality
    from cosinter.workflows.commands.react_options import closed_gas_notes

    compositions = [library.phase(name).composition for name in (first, second)]
    if proportionality(*compositions, tolerance=1e-6) is not None:
        raise InputError(f"{first} and {second} have the same composition; name two different reactants")
    return closed_gas_notes(compositions, pressures_bar)


def _draw(content: dict[str, Any], request: ReactionRequest, library: PhaseLibrary, path: Path) -> None:
    """Draw the line of one temperature; of a range the map, with the borders of its fields located."""
    from cosinter.workflows.diagrams import drawing as diagrams
    from cosinter.workflows.reactions import map_content

    if "temperatures" in content:
        drawing = diagrams.map_drawing(map_content(request, library=library), basis=request.basis)
    else:
        drawing = diagrams.line_drawing(content, basis=request.basis)
    drawing.save(path)
    typer.echo(f"picture: {path}", err=True)


@contextmanager
def working() -> Iterator[Tell]:
    """Show on a terminal what is being computed; elsewhere a line every half minute."""
    from time import monotonic

    from rich.console import Console

    console, told = Console(stderr=True), monotonic()
    with console.status("") as status:

        def tell(what: str, done: int, total: int) -> None:
            nonlocal told
            text = f"{what} ({done} of {total})" if total > 1 else what
            status.update(text)
            if not console.is_terminal and monotonic() - told > SILENCE_S:
                told = monotonic()
                console.print(text, markup=False, highlight=False)

        yield tell
