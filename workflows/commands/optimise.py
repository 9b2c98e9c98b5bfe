"""The commands ``cosinter optimise`` and ``cosinter map``: choose a firing instead of trying one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import InputError
from cosinter.workflows.commands.runs import AsJson, StudyFile

if TYPE_CHECKING:
    from cosinter.analysis.continuum.design import Target
    from cosinter.workflows.design import Request
    from cosinter.workflows.reactions import Tell
    from cosinter.workflows.study import Study
    from cosinter.workflows.variants import Variants

MOST_SAMPLES = 10_000

Case = Annotated[
    str | None,
    typer.Option(
        help="Case of the study; the first with a compensator (else the first) if not given.",
        show_default=False,
    ),
]
Parameters = Annotated[
    Path | None,
    typer.Option(
        help="parameters.json for all runs; each its own, from the tables, if not given.", show_default=False
    ),
]
Workers = Annotated[int, typer.Option("--workers", "-j", min=1, max=64, help="Runs at the same time.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the search and of the samples.")]
TARGET_HELP = (
    "What must hold at the end: layered, spinel, rock_salt, lithium (per metal), interphase (nm), asr (Ω cm²) or "
    "capacity (mAh/g), >= or <= a number"
)


def optimise(
    study: StudyFile,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{TARGET_HELP}; repeat for several. The study's criterion if not given.", show_default=False
        ),
    ] = None,
    minimise: Annotated[
        str, typer.Option(help="dose, time, temperature, energy or an outcome, comma separated.")
    ] = "",
    maximise: Annotated[str, typer.Option(help="The same, to be made large.")] = "",
    free: Annotated[
        str,
        typer.Option(
            metavar="NAME[=FROM:TO],...",
            help="What may be chosen: dose, ratio, hold_C, hold_h, ramp, CO2, H2O, O2, or any key of the study with "
            "its range. If not given: what the objectives call for.",
            show_default=False,
        ),
    ] = "",
    case: Case = None,
    robust: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Also find designs that keep the targets with this probability (0.5 to below 1) over the "
            "uncertainties of the parameters.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            min=1, max=MOST_SAMPLES, help="Samples per design behind --robust; four times as many check."
        ),
    ] = 64,
    sintering_energy: Annotated[
        float | None,
        typer.Option(
            metavar="KJ_PER_MOL",
            help="Activation energy of the densification of your powder: a design must then sinter at least as much as "
            "the study's own programme (master sintering curve).",
            show_default=False,
        ),
    ] = None,
    population: Annotated[int, typer.Option(min=4, max=1000, help="Designs per generation.")] = 40,
    generations: Annotated[int, typer.Option(min=1, max=10_000, help="Generations at most.")] = 60,
    parameters: Parameters = None,
    workers: Workers = 1,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for design.json, front.csv, the front as .png and .html, and process maps through the best "
            "design (temperature and time, dose and temperature).",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find the firing that keeps the targets at the least dose, time, temperature or energy: the Pareto front.

    Densification is not computed: say by the ranges of hold_C and hold_h, or by --sintering-energy, what sinters.

    Both holds stay as in the study unless they are freed or an objective is about them.

    Where no design keeps the targets, the nearest one is shown, and what limits it. Needs pymoo (extra design).

    Examples:

    cosinter optimise study.yaml --target "layered>=0.9" --minimise dose

    cosinter optimise study.yaml --target "layered>=0.95" --minimise dose --maximise temperature --free dose,ratio,hold_C=600:800

    cosinter optimise study.yaml --target "layered>=0.9" --target "asr<=100" --minimise dose,time --out design

    cosinter optimise study.yaml --minimise dose,energy --free dose,hold_C,hold_h --sintering-energy 400

    cosinter optimise study.yaml --target "layered>=0.9" --minimise dose --robust 0.95 --samples 100 --json
    """
    from cosinter.workflows.commands.react import working
    from cosinter.workflows.commands.react_options import split_list
    from cosinter.workflows.design import Objective, Request, parse_free
    from cosinter.workflows.optimise import optimise as search
    from cosinter.workflows.study_file import load_study
    from cosinter.workflows.variants import one_case

    question = one_case(load_study(study), case)
    request = Request(
        study=question,
        targets=_targets(target, question),
        objectives=(
            *(Objective(name) for name in split_list(minimise)),
            *(Objective(name, "max") for name in split_list(maximise)),
        ),
        free=parse_free(free) or None,
        probability=robust,
        samples=samples,
        sintering_kJ_per_mol=sintering_energy,
        population=population,
        generations=generations,
        seed=seed,
    )
    variants = _variants(question, parameters, workers)
    _check_folder(out)
    with working() as tell:
        content = search(request, variants, tell=tell)
        files = [] if out is None else _write(content, request, variants, out, tell)
    if as_json:
        typer.echo(json.dumps(content, indent=1, allow_nan=False))
    else:
        from cosinter.workflows.commands.design_tables import print_design

        print_design(content)
    for path in files:
        typer.echo(f"written: {path}", err=True)


def process_map(
    study: StudyFile,
    x: Annotated[
        str,
        typer.Option(
            "--x",
            metavar="KEY=FROM:TO:STEP",
            help="Across: a key of the study or dose, hold_C, hold_h, ...",
            show_default=False,
        ),
    ],
    y: Annotated[str, typer.Option("--y", metavar="KEY=FROM:TO:STEP", help="Upwards.", show_default=False)],
    outcome: Annotated[
        str,
        typer.Option(help="What is drawn: layered, spinel, rock_salt, lithium, interphase, asr, capacity."),
    ] = "layered",
    target: Annotated[
        str | None,
        typer.Option(
            help=f"{TARGET_HELP}; its line is drawn. The study's criterion for layered if not given.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            min=0,
            max=MOST_SAMPLES,
            help="Samples per point: a second map, the probability that the target holds.",
        ),
    ] = 0,
    case: Case = None,
    parameters: Parameters = None,
    workers: Workers = 1,
    seed: Seed = 0,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="File to write: .png .svg .pdf .html .csv .json (repeat for several); the map of the probability "
            "goes beside pictures as NAME-probability. map.png here if neither --out nor --json is given."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw a process map: an outcome over two numbers of the study, with the line where the target is met.

    Examples:

    cosinter map study.yaml --x hold_C=500:800:25 --y dose=0:8:1

    cosinter map study.yaml --x furnace.hold_h=0.5:8:0.5 --y furnace.hold_C=500:800:25 --target "layered>=0.95" --out map.html

    cosinter map study.yaml --x hold_C=500:800:25 --y dose=0:8:1 --samples 100 --out map.png --out map.csv

    cosinter map study.yaml --x CO2=1e-5,1e-4,1e-3,1e-2 --y hold_C=600:800:25 --outcome asr --json
    """
    from cosinter.workflows.commands.react import working
    from cosinter.workflows.design import outcome_name, parse_target
    from cosinter.workflows.diagrams.drawing import check_target
    from cosinter.workflows.process_map import parse_axis
    from cosinter.workflows.process_map import process_map as run
    from cosinter.workflows.study_file import load_study
    from cosinter.workflows.variants import one_case

    question, drawn = one_case(load_study(study), case), outcome_name(outcome)
    axes = parse_axis(x), parse_axis(y)
    bound = parse_target(target) if target is not None else None
    if bound is None and drawn == _criterion(question).outcome:
        bound = _criterion(question)
    paths = out or ([] if as_json else [Path("map.png")])
    for path in paths:
        check_target(path)
    with working() as tell:
        content = run(
            _variants(question, parameters, workers),
            *axes,
            outcome=drawn,
            target=bound,
            samples=samples,
            seed=seed,
            tell=tell,
        )
    if as_json:
        typer.echo(json.dumps(content, indent=1, allow_nan=False))
    for path in _draw(content, paths):
        typer.echo(f"written: {path}", err=True)
    for failure in content["failures"][:1]:
        typer.echo(
            f"{len(content['failures'])} runs failed, the first at {failure['x']:g}, {failure['y']:g}: {failure['why']}",
            err=True,
        )


def _targets(texts: Sequence[str] | None, study: Study) -> tuple[Target, ...]:
    from cosinter.workflows.design import parse_target

    return tuple(map(parse_target, texts)) if texts else (_criterion(study),)


def _criterion(study: Study) -> Target:
    """When the cathode of the study counts as having survived."""
    from cosinter.analysis.continuum.design import Target

    return Target("layered_fraction", ">=", study.criterion.layered_fraction)


def _variants(study: Study, parameters: Path | None, workers: int) -> Variants:
    from cosinter.workflows.variants import Variants, read_parameters

    found = None if parameters is None else read_parameters(parameters)
    return Variants(study, parameters=found, workers=workers)


def _check_folder(folder: Path | None) -> None:
    """Refuse a folder that cannot be written into, before anything is computed."""
    if folder is None:
        return
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write into {folder} ({error.strerror})") from error


def _draw(content: Mapping[str, Any], paths: Sequence[Path]) -> Iterator[Path]:
    """Write a process map into every path, beside pictures the map of the probability."""
    from cosinter.workflows.diagrams.process import map_drawing, probability_drawing

    for path in paths:
        map_drawing(content).save(path)
        yield path
        if content["probability"] is not None and path.suffix.lower() not in (".csv", ".json"):
            beside = path.with_name(f"{path.stem}-probability{path.suffix}")
            probability_drawing(content).save(beside)
            yield beside


def _write(
    content: Mapping[str, Any], request: Request, variants: Variants, folder: Path, tell: Tell
) -> list[Path]:
    """Write the design, its front and the process maps through its best design."""
    from cosinter.workflows.commands.science import write_user_file
    from cosinter.workflows.diagrams.process import front_drawing
    from cosinter.workflows.optimise import front_csv, maps_through

    texts = {
        "design.json": json.dumps(content, indent=1, allow_nan=False) + "\n",
        "front.csv": front_csv(content),
    }
    for name, text in texts.items():
        write_user_file(folder / name, text)
    written = [folder / name for name in texts]
    if len(content["objectives"]) > 1:
        pictures = [folder / "front.png", folder / "front.html"]
        for path in pictures:
            front_drawing(content).save(path)
        written += pictures
    maps, notes = maps_through(content, request, variants, tell=tell)
    for name, drawn in maps.items():
        written += _draw(drawn, [folder / f"{name}.{suffix}" for suffix in ("png", "html", "csv")])
    for note in notes:
        typer.echo(note, err=True)
    return written
