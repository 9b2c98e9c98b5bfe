"""Commands about LaunchPads: what is in one, copy studies between them, and FireWorks' own commands."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosinter.data.exceptions import InputError
from cosinter.workflows.commands.runs import AsJson, LaunchpadPlace

if TYPE_CHECKING:
    from cosinter.workflows.addresses import Address

app = typer.Typer(
    no_args_is_help=True,
    help="LaunchPads: embedded stores (a file) and MongoDB servers.\n\n"
    "A place is a my_launchpad.yaml, a file, sqlite:///absolute/path or mongodb://host/database.",
)
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["--help"]}
Results = Annotated[
    Path | None, typer.Option(help="Results folder whose LaunchPad is meant.", show_default=False)
]


@app.command()
def show(launchpad: LaunchpadPlace = None, results: Results = None, as_json: AsJson = False) -> None:
    """Say where a LaunchPad is, whether it answers, and what it holds.

    Example: cosinter launchpad show --launchpad my_launchpad.yaml
    """
    from cosinter.workflows.launchpad import opened

    address = _address(launchpad, results)
    with opened(address) as held:
        about = _about(address, held)
    if as_json:
        typer.echo(json.dumps(about, indent=1))
        return
    for key, value in about.items():
        text = ", ".join(f"{n} {s}" for s, n in value.items()) if isinstance(value, dict) else value
        typer.echo(f"{key:15} {text}")


def _about(address: Address, launchpad: Any) -> dict[str, Any]:
    states = ("READY", "WAITING", "RESERVED", "RUNNING", "COMPLETED", "FIZZLED", "ARCHIVED")
    counts = {state: launchpad.fireworks.count_documents({"state": state}) for state in states}
    about = {
        "address": address.shown,
        "kind": "embedded store" if address.embedded else "MongoDB server",
        "workflows": launchpad.workflows.count_documents({}),
        "fireworks": {state: number for state, number in counts.items() if number},
    }
    if address.path is not None:
        return {**about, "megabytes": round(address.path.stat().st_size / 1e6, 3)}
    return {**about, "server_version": str(launchpad.connection.server_info().get("version", "unknown"))}


@app.command()
def copy(
    source: Annotated[str, typer.Option("--from", help="Where from.", show_default=False)],
    target: Annotated[str, typer.Option("--to", help="Where to.", show_default=False)],
    study: Annotated[str | None, typer.Option(help="Only the workflows of this study.")] = None,
    results: Annotated[
        Path | None, typer.Option(help="Only the workflows of this results folder.", show_default=False)
    ] = None,
    running: Annotated[bool, typer.Option("--running", help="Also what is being worked on.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy studies between LaunchPads, with their launches and results; what was copied before is left.

    Example: cosinter launchpad copy --from results/first/launchpad.db --to my_launchpad.yaml
    """
    from cosinter.workflows.addresses import find_address
    from cosinter.workflows.launchpad import opened
    from cosinter.workflows.launchpad_copy import copy_workflows

    origin, goal = find_address(source), find_address(target)
    if origin.path is not None and not origin.path.is_file():
        raise InputError(f"there is no LaunchPad at {origin.shown}")
    if origin.shown == goal.shown:
        raise InputError(f"--from and --to are the same LaunchPad, {origin.shown}")
    with opened(origin) as here, opened(goal) as there:
        done = copy_workflows(
            here,
            there,
            origin=origin.shown,
            study=study,
            results=None if results is None else str(results.resolve()),
            running=running,
        )
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=1))
    else:
        typer.echo(
            f"{done.workflows} workflows with {done.fireworks} jobs and {done.launches} launches copied to {goal.shown}; "
            f"{done.already} were there already"
        )


def lpad(context: typer.Context, launchpad: LaunchpadPlace = None, results: Results = None) -> None:
    """FireWorks' own lpad, on any LaunchPad; its options come after it.

    Examples:

    cosinter lpad --results results/first get_wflows

    cosinter lpad --launchpad my_launchpad.yaml rerun_fws -i 3
    """
    _stock("lpad", context.args, launchpad, results)


def rlaunch(context: typer.Context, launchpad: LaunchpadPlace = None, results: Results = None) -> None:
    """FireWorks' own rlaunch, on any LaunchPad; its options come after it.

    Example: cosinter rlaunch --launchpad my_launchpad.yaml rapidfire
    """
    _stock("rlaunch", context.args, launchpad, results)


def qlaunch(context: typer.Context, launchpad: LaunchpadPlace = None, results: Results = None) -> None:
    """FireWorks' own qlaunch, on any LaunchPad; its options come after it.

    Example: cosinter qlaunch --launchpad my_launchpad.yaml -q my_qadapter.yaml -r singleshot
    """
    _stock("qlaunch", context.args, launchpad, results)


def _stock(command: str, arguments: list[str], launchpad: str | None, results: Path | None) -> None:
    from cosinter.workflows.launchpad import lpad_main

    if not arguments:
        raise InputError(f"{command} wants one of its own commands, such as: cosinter {command} -- --help")
    if any(word in ("-l", "--launchpad_file", "-c", "--config_dir", "-h", "--help") for word in arguments):
        code = lpad_main([command, *arguments])
    else:
        with _launchpad_file(_address(launchpad, results)) as file:
            code = lpad_main([command, "-l", file, *arguments])
    if code:
        raise typer.Exit(code)


def _address(launchpad: str | None, results: Path | None) -> Address:
    from cosinter.workflows.addresses import find_address, own_address

    own = results if launchpad is None else None
    found = find_address(launchpad) if own is None else own_address(own)
    if found.path is not None and not found.path.is_file():
        raise InputError(f"there is no LaunchPad at {found.shown}")
    for note in found.notes:
        typer.echo(note, err=True)
    return found


@contextmanager
def _launchpad_file(address: Address) -> Iterator[str]:
    """A my_launchpad.yaml for FireWorks' commands, readable for its owner alone, gone afterwards."""
    import yaml

    descriptor, name = tempfile.mkstemp(prefix="my_launchpad-", suffix=".yaml")  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            yaml.safe_dump(dict(address.options), handle)
        yield name
    finally:
        Path(name).unlink(missing_ok=True)
