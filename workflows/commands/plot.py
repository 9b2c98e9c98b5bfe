"""The commands ``cosinter plot``: phase diagrams, potential diagrams, maps of products, mixing lines."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import InputError
from cosinter.workflows.commands.react_options import ATMOSPHERE_HELP, ENERGIES_HELP, TEMPERATURE_HELP, plain

if TYPE_CHECKING:
    from cosinter.analysis.thermochemistry.library import PhaseLibrary
    from cosinter.workflows.diagrams.drawing import Drawing

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Draw diagrams: which phases are stable, at which composition, potential and temperature.\n\n"
    "Components are formulas, phase names or aliases (ncm811, latp). The ending of --out says what is written: "
    ".png .svg .pdf for paper, .html to point at and turn, .csv .json for the numbers; give --out several times for several.",
    epilog="Examples:\n\n"
    "cosinter plot ternary Li2O-TiO2-P2O5 --temperature 700\n\n"
    "cosinter plot ternary ncm811-latp-LiOH --atmosphere O2=0.21,H2O=0.01 --basis mass --out gel.html --out gel.png\n\n"
    "cosinter plot quaternary Li2O-TiO2-P2O5-Al2O3 --atmosphere closed --out tetrahedron.html\n\n"
    "cosinter plot potentials ncm811 --axes Li2O,O2 --temperature 800\n\n"
    "cosinter plot ellingham --cathode ncm811 --electrolyte latp --atmosphere O2=0.21,CO2=4e-4,H2O=0.01\n\n"
    "cosinter plot map LiCoO2 latp --temperature 300:1000:25\n\n"
    "cosinter plot line ncm811 latp --temperature 700 --out line.svg",
)


class SectionBasis(StrEnum):
    """What the fractions of a phase diagram count."""

    mole = "mole"
    atom = "atom"
    mass = "mass"


class MixingBasis(StrEnum):
    """What the ratio of two reactants counts."""

    mole = "mole"
    mass = "mass"
    volume = "volume"


Temperature = Annotated[float, typer.Option(help=f"{TEMPERATURE_HELP}.")]
Atmosphere = Annotated[str, typer.Option(help=ATMOSPHERE_HELP)]
Out = Annotated[
    list[Path] | None, typer.Option(help="File to write (repeat for several); NAME.png here if not given.")
]
Energies = Annotated[str, typer.Option(help=ENERGIES_HELP)]
Range = Annotated[str, typer.Option(help=f"{TEMPERATURE_HELP}, as FROM:TO:STEP.")]
Exclude = Annotated[
    str,
    typer.Option(help="Phases (where solutions form, solutions too) that must not form, e.g. Li3PO4,spinel."),
]
ByPymatgen = Annotated[
    bool, typer.Option("--pymatgen", help="Let pymatgen's plotter draw it (closed systems only).")
]
_NAMED = "Formula, phase name or alias."
Solid = Annotated[str, typer.Argument(metavar="SOLID", help=_NAMED, show_default=False)]
First = Annotated[str, typer.Argument(metavar="FIRST", help=_NAMED, show_default=False)]
Second = Annotated[str, typer.Argument(metavar="SECOND", help=_NAMED, show_default=False)]
Solutions = Annotated[
    bool, typer.Option(help="Let solid solutions and the salt melt form (seconds per temperature).")
]
DEFAULT_SOURCES = "measured,chgnet,assumed"


@app.command()
def ternary(
    system: Annotated[
        str, typer.Argument(metavar="SYSTEM", help="Three components joined by '-'.", show_default=False)
    ],
    temperature: Temperature = 700.0,
    atmosphere: Atmosphere = "O2=0.21",
    basis: Annotated[SectionBasis, typer.Option(help="What the fractions count.")] = SectionBasis.mole,
    by_pymatgen: ByPymatgen = False,
    energies: Energies = DEFAULT_SOURCES,
    exclude: Exclude = "",
    out: Out = None,
) -> None:
    """Draw the ternary diagram of SYSTEM: tie triangles, or the regions of a section, with mu(Li2O) as colour.

    Example: cosinter plot ternary Li2O-TiO2-P2O5 --temperature 700 --out ternary.png --out ternary.html
    """
    _section(system, 3, temperature, atmosphere, basis, by_pymatgen, energies, exclude, out)


@app.command()
def quaternary(
    system: Annotated[
        str, typer.Argument(metavar="SYSTEM", help="Four components joined by '-'.", show_default=False)
    ],
    temperature: Temperature = 700.0,
    atmosphere: Atmosphere = "O2=0.21",
    basis: Annotated[SectionBasis, typer.Option(help="What the fractions count.")] = SectionBasis.mole,
    by_pymatgen: ByPymatgen = False,
    energies: Energies = DEFAULT_SOURCES,
    exclude: Exclude = "",
    out: Out = None,
) -> None:
    """Draw the quaternary diagram of SYSTEM as a tetrahedron; .html turns with the mouse.

    Example: cosinter plot quaternary Li2O-TiO2-P2O5-Al2O3 --atmosphere closed --out tetrahedron.html
    """
    _section(system, 4, temperature, atmosphere, basis, by_pymatgen, energies, exclude, out)


def _section(
    system: str, count: int, temperature: float, atmosphere: str, basis: SectionBasis, by_pymatgen: bool,
    energies: str, exclude: str,
    out: list[Path] | None,
) -> None:  # fmt: skip
    from cosinter.analysis.equilibrium.components import split_system
    from cosinter.analysis.equilibrium.diagrams import phase_diagram
    from cosinter.workflows.diagrams.drawing import section_drawing
    from cosinter.workflows.diagrams.pymatgen_plots import pymatgen_drawing

    components = split_system(plain(system), fewest=count, most=count)
    request = _Request(temperature, atmosphere, energies, exclude, out)
    diagram = phase_diagram(components, **request.options)
    drawing = pymatgen_drawing(diagram) if by_pymatgen else section_drawing(diagram, basis=basis.value)
    request.write(drawing, diagram.warnings, name=f"{drawing.name}-{temperature:g}")


@app.command()
def potentials(
    solid: Solid,
    axes: Annotated[str, typer.Option(help="Two species whose potentials are the axes.")] = "Li2O,O2",
    lowest: Annotated[
        str, typer.Option(help="Lowest potential on each axis, kJ/mol of species, e.g. -300,-250.")
    ] = "-400,-400",
    temperature: Temperature = 700.0,
    atmosphere: Atmosphere = "closed",
    energies: Energies = DEFAULT_SOURCES,
    exclude: Exclude = "",
    out: Out = None,
) -> None:
    """Draw what SOLID becomes at given potentials of two species; its other elements are kept.

    Gases are shown by their pressure. Further gases of --atmosphere stay open at theirs.

    Example: cosinter plot potentials ncm811 --axes Li2O,O2 --temperature 800
    """
    from cosinter.analysis.equilibrium.potential_diagrams import potential_diagram
    from cosinter.workflows.commands.react_options import split_list
    from cosinter.workflows.diagrams.drawing import potential_drawing
    from cosinter.workflows.sources.libraries import check_substance

    species = split_list(plain(axes))
    if len(species) != 2:
        raise InputError(f"--axes {axes}: name two species with a comma, for example Li2O,O2")
    bounds = [_number(part, f"--lowest {lowest}") * 1e3 for part in split_list(lowest)]
    if len(bounds) != 2:
        raise InputError(f"--lowest {lowest}: give two numbers in kJ/mol with a comma, for example -300,-250")
    request = _Request(temperature, atmosphere, energies, exclude, out)
    solid = check_substance(solid, request.library)
    diagram = potential_diagram(
        solid, (species[0], species[1]), lowest_J=(bounds[0], bounds[1]), **request.options
    )
    drawing = potential_drawing(diagram)
    request.write(drawing, diagram.warnings, name=f"{drawing.name}-{temperature:g}")


@app.command()
def ellingham(
    cathode: Annotated[str, typer.Option(help="Layered oxide: alias or formula.")] = "ncm811",
    electrolyte: Annotated[str, typer.Option(help="Electrolyte that takes up Li2O.")] = "latp",
    temperature: Range = "300:1000:20",
    atmosphere: Atmosphere = "O2=0.21,CO2=4e-4,H2O=0.01",
    energies: Energies = DEFAULT_SOURCES,
    out: Out = None,
) -> None:
    """Draw the potential of Li2O in compensator, cathode and electrolyte over temperature.

    Example: cosinter plot ellingham --atmosphere O2=1,CO2=1e-5,H2O=0.001
    """
    from cosinter.workflows.diagrams.ellingham import ellingham_drawing
    from cosinter.workflows.sources.libraries import check_substance

    temperatures = _temperatures(temperature)
    request = _Request(temperatures[0], atmosphere, energies, "", out)
    cathode, electrolyte = (check_substance(name, request.library) for name in (cathode, electrolyte))
    drawing = ellingham_drawing(
        cathode,
        electrolyte,
        library=request.library,
        temperatures_C=temperatures,
        pressures_bar=request.pressures,
    )
    name = f"{drawing.name}-{cathode}-{electrolyte}-{temperatures[0]:g}-{temperatures[-1]:g}"
    request.write(drawing, (), name=name)


@app.command(name="map")
def product_map(
    first: First,
    second: Second,
    temperature: Range = "300:1000:25",
    atmosphere: Atmosphere = "O2=0.21",
    ratio_basis: Annotated[MixingBasis, typer.Option(help="What the ratio counts.")] = MixingBasis.mass,
    minor: Annotated[
        float, typer.Option(help="Products below this share of the atoms define no region (0: all do).")
    ] = 0.05,
    resolution: Annotated[float, typer.Option(help="How closely a change of products is located, K.")] = 2.0,
    solutions: Solutions = False,
    energies: Energies = DEFAULT_SOURCES,
    exclude: Exclude = "",
    out: Out = None,
) -> None:
    """Draw which products two solids form at every temperature and ratio.

    Example: cosinter plot map LiCoO2 latp --temperature 300:1000:25 --atmosphere O2=0.21,CO2=4e-4
    """
    from scipy.constants import zero_Celsius

    from cosinter.analysis.equilibrium.product_map import product_map
    from cosinter.workflows.diagrams.drawing import map_drawing

    temperatures = _temperatures(temperature)
    request = _Request(temperatures[0], atmosphere, energies, exclude, out, solutions=solutions)
    first, second, notes = request.reactants(first, second)
    options = {name: value for name, value in request.options.items() if name != "temperature_K"}
    found = product_map(
        first,
        second,
        temperatures_K=[value + zero_Celsius for value in temperatures],
        resolution_K=resolution,
        solutions=request.solutions,
        **options,
    )
    note = "with solid solutions" if solutions else "no solid solutions"
    warnings = dict.fromkeys(warning for reaction in found.reactions for warning in reaction.warnings)
    request.write(
        map_drawing(found.to_dict(), basis=ratio_basis.value, minor=minor, note=note),
        (*notes, *warnings),
        name=f"map-{first}-{second}-{temperatures[0]:g}-{temperatures[-1]:g}",
    )


@app.command()
def line(
    first: First,
    second: Second,
    temperature: Temperature = 700.0,
    atmosphere: Atmosphere = "O2=0.21",
    ratio_basis: Annotated[MixingBasis, typer.Option(help="What the ratio counts.")] = MixingBasis.mass,
    solutions: Solutions = True,
    energies: Energies = DEFAULT_SOURCES,
    exclude: Exclude = "",
    out: Out = None,
) -> None:
    """Draw the driving force and the products of two solids over their mixing ratio.

    Example: cosinter plot line ncm811 latp --temperature 700 --out line.svg --out line.csv
    """
    from cosinter.analysis.equilibrium.interface import interface_reaction
    from cosinter.workflows.diagrams.drawing import line_drawing

    request = _Request(temperature, atmosphere, energies, exclude, out, solutions=solutions)
    first, second, notes = request.reactants(first, second)
    reaction = interface_reaction(first, second, solutions=request.solutions, **request.options)
    request.write(
        line_drawing(reaction.to_dict(), basis=ratio_basis.value),
        (*notes, *reaction.warnings),
        name=f"line-{first}-{second}-{temperature:g}",
    )


class _Request:
    """What the commands share: conditions and phases, read and checked before anything is computed."""

    def __init__(
        self,
        temperature_C: float,
        atmosphere: str,
        energies: str,
        exclude: str,
        out: list[Path] | None,
        *,
        solutions: bool = False,
    ) -> None:
        from scipy.constants import zero_Celsius

        from cosinter.workflows.commands.react_options import parse_atmosphere, parse_temperatures, split_list
        from cosinter.workflows.diagrams.drawing import check_target
        from cosinter.workflows.sources.libraries import chosen_library, parse_energies, split_exclusions

        self.out = out or []
        for path in self.out:
            check_target(path)
        self.temperature_K = parse_temperatures(f"{temperature_C!r}")[0] + zero_Celsius
        self.pressures = parse_atmosphere(atmosphere)
        self.library: PhaseLibrary = chosen_library(parse_energies(energies))
        self.solutions, self.exclude = split_exclusions(
            self.library, split_list(exclude), solutions=solutions
        )

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the equilibrium functions."""
        return {
            "library": self.library,
            "temperature_K": self.temperature_K,
            "pressures_bar": self.pressures,
            "exclude": self.exclude,
        }

    def reactants(self, first: str, second: str) -> tuple[str, str, tuple[str, ...]]:
        """The two reactants as the library reads them, and notes about gases that are not open."""
        from cosinter.workflows.commands.react import check_reactants
        from cosinter.workflows.sources.libraries import check_substance

        first, second = check_substance(first, self.library), check_substance(second, self.library)
        return first, second, check_reactants(first, second, self.library, self.pressures)

    def write(self, drawing: Drawing, warnings: tuple[str, ...], *, name: str) -> None:
        """Write every file asked for, or ``name``.png here, and say where."""
        from cosinter.workflows.report.figures import slug

        for path in self.out or [Path(f"{slug(name)}.png")]:
            drawing.save(path)
            typer.echo(f"{path}")
        for warning in warnings:
            typer.echo(f"note: {warning}", err=True)


def _temperatures(text: str) -> tuple[float, ...]:
    from cosinter.workflows.commands.react_options import parse_temperatures

    found = parse_temperatures(text)
    if len(found) < 2:
        raise InputError(f"--temperature {text}: give a range FROM:TO:STEP in °C, for example 300:1000:25")
    return found


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{option}: '{text}' is not a number") from error
