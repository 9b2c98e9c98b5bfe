"""The command barrier: the path of one ion through a crystal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import CosinterError
from cosinter.workflows.commands.science import AsJson, make_user_folder, write_user_file

if TYPE_CHECKING:
    from cosinter.analysis.atoms.bands import BandStep
    from cosinter.analysis.atoms.barriers import Barrier


def barrier(
    host: Annotated[
        str | None,
        typer.Argument(
            metavar="[HOST]",
            help="Crystal: linio2, ncm811, ltp, li2tio3 ...; --list shows all.",
            show_default=False,
        ),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(help="Name of the path; the first of --list if not given.", show_default=False),
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="List the hosts and their paths, compute nothing.")
    ] = False,
    calculator: Annotated[
        str, typer.Option(help="pmmcs, chgnet, or package.module:Class of any ASE calculator.")
    ] = "pmmcs",
    lithium: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Li per metal of a layered oxide; only the hop's vacancies if not given.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=1, max=99, help="Images between the ends; one per 0.9 Å if not given.")
    ] = None,
    prefactor: Annotated[
        bool, typer.Option("--prefactor", help="Also the attempt frequency (Vineyard), from the vibrations.")
    ] = False,
    workers: Annotated[
        int,
        typer.Option("--workers", "-j", min=1, max=64, help="Processes over which the images are spread."),
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the cation ordering.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for barrier.json, path.xyz and path.png.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find the barrier of an ion's hop by the climbing-image nudged elastic band.

    The rigid-ion potential (pmmcs) takes seconds; what it gets wrong stands as uncertainty beside the result.

    Example: cosinter barrier ltp --out ltp-hop
    """
    from cosinter.structures.migration import hop_names

    if show or host is None:
        _list(hop_names(), as_json=as_json)
        return
    from cosinter.analysis.atoms.barriers import barrier as find_barrier
    from cosinter.analysis.atoms.barriers import hop_calculator
    from cosinter.structures.migration import migration_path
    from cosinter.workflows.commands.react_options import plain
    from cosinter.workflows.user_config import check_calculator

    make_user_folder(out)
    hop = migration_path(plain(host), path, lithium=lithium, seed=seed)
    engine = hop_calculator(hop, check_calculator(calculator))
    with _progress(hop.name) as on_step:
        found = find_barrier(hop, engine, images=images, workers=workers, on_step=on_step)
    content = found.to_dict()
    if prefactor:
        content |= _prefactor(found, engine)
    if out is not None:
        _write(out, found, content)
    if as_json:
        typer.echo(json.dumps(content, indent=1))
    else:
        _print(content)


def _prefactor(found: Barrier, engine: Any) -> dict[str, Any]:
    """The attempt frequency, or why there is none: the barrier stands without it."""
    from cosinter.analysis.atoms.vineyard import attempt_frequency

    try:
        return {"attempt_frequency": attempt_frequency(found, engine).to_dict()}
    except CosinterError as error:
        typer.echo(f"no attempt frequency: {error}", err=True)
        return {"attempt_frequency": None, "attempt_frequency_problem": str(error)}


def _list(hosts: dict[str, tuple[str, ...]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(hosts, indent=1))
        return
    for name, paths in hosts.items():
        typer.echo(f"{name}: {', '.join(paths)}")
    typer.echo("Any other layered oxide by its formula, e.g. LiNi0.5Co0.2Mn0.3O2.")


@contextmanager
def _progress(name: str) -> Iterator[Callable[[BandStep], None] | None]:
    """Show stage, step and residual while a band settles; silent where nobody watches."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield None
        return
    with console.status(f"{name}: relaxing the ends") as status:
        yield lambda step: status.update(
            f"{name}: {step.stage} band, step {step.number}, {step.barrier_eV:.3f} eV, "
            f"residual {step.max_force_eV_per_A:.3f} eV/Å"
        )


def _write(folder: Path, found: Barrier, content: dict[str, Any]) -> None:
    from cosinter.structures.named import write

    write_user_file(folder / "barrier.json", json.dumps(content, indent=1) + "\n")
    write_user_file(folder / "path.xyz", "".join(write(image.structure, "xyz") for image in found.images))
    write_user_file(folder / "path.png", _picture(content))


def _picture(content: dict[str, Any]) -> bytes:
    """Energy along the path, with the uncertainty of the calculator."""
    import io

    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.subplots()
    way = [image["distance_A"] for image in content["images"]]
    energy = [image["energy_eV"] for image in content["images"]]
    axes.plot(way, energy, "o-", color="#1b4965")
    top = max(range(len(energy)), key=energy.__getitem__)
    axes.errorbar([way[top]], [energy[top]], yerr=content["uncertainty_eV"], color="#c1121f", capsize=4)
    axes.set(
        xlabel="way of the ion (Å)",
        ylabel="energy (eV)",
        title=f"{content['path']}: {content['barrier_eV']:.2f} eV ({content['calculator']['model']})",
    )
    axes.grid(alpha=0.3)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150)
    return stream.getvalue()


def _print(content: dict[str, Any]) -> None:
    spread = content["uncertainty_eV"]
    error = "never compared with measurements" if spread is None else f"± {spread:.2f} eV (potential)"
    typer.echo(
        f"{content['path']}: {content['barrier_eV']:.3f} eV, back {content['reverse_barrier_eV']:.3f} eV, {error}"
    )
    typer.echo(f"{content['note']}; {content['steps']} steps with {content['calculator']['model']}")
    for image in content["images"]:
        typer.echo(f"{image['distance_A']:8.3f} Å {image['energy_eV']:8.3f} eV")
    if content.get("attempt_frequency"):
        typer.echo(f"attempt frequency {content['attempt_frequency']['frequency_Hz']:.3g} Hz")
