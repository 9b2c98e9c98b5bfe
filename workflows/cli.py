"""The command line. Heavy libraries are imported inside the commands, so that --help is quick.

Exit codes: 0 done; 1 something broke while computing; 2 a mistake in the input; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

from cosinter.workflows.commands import (
    benchmark,
    calibrate,
    cell,
    compare,
    crystals,
    data,
    energies,
    hops,
    interfaces,
    launchpad,
    optimise,
    packing,
    phases,
    plot,
    react,
    runs,
    science,
    sensitivity,
    submit,
    sweep,
    watch,
    xrd,
)
from cosinter.workflows.commands.leaving import leave_well, terminate

app = typer.Typer(
    name="cosinter",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Does an NCM | LATP composite survive its co-sintering, and how much LiOH / Li2CO3 makes it survive?\n\n"
    "Start with [bold]cosinter run STUDY[/bold]; the study file says what is mixed and how it is fired. "
    "[bold]cosinter doctor[/bold] checks the installation.",
    epilog="Exit codes: 0 done, 1 something broke while computing, 2 a mistake in the input, 130 interrupted, "
    "143 terminated.",
)


def _version(show: bool) -> None:
    if show:
        from cosinter import __version__

        typer.echo(f"cosinter {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


for _command in (
    runs.run,
    submit.submit,
    packing.pack,
    packing.unpack,
    runs.validate,
    runs.schema,
    crystals.structure,
    crystals.orderings,
    crystals.slab,
    interfaces.interface,
    hops.barrier,
    react.react,
    science.sinter,
    optimise.optimise,
    sweep.sweep,
    sensitivity.sensitivity,
    calibrate.calibrate,
    energies.energies,
    runs.report,
    runs.export,
    cell.cell,
    xrd.xrd,
    compare.compare,
    watch.status,
    watch.logs,
    watch.rerun,
    watch.cancel,
    runs.doctor,
):
    app.command()(_command)

for _stock in (launchpad.lpad, launchpad.rlaunch, launchpad.qlaunch):
    app.command(context_settings=launchpad.PASS_ON)(_stock)

app.command("map")(optimise.process_map)

app.add_typer(phases.app, name="phases")
app.add_typer(data.app, name="data")
app.add_typer(plot.app, name="plot")
app.add_typer(submit.app, name="queue")
app.add_typer(launchpad.app, name="launchpad")
app.add_typer(benchmark.app, name="benchmark")


def main() -> None:
    """Run the command line and leave with the right exit code; a user never sees a traceback."""
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(threads, "1")
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        sys.exit(leave_well(lambda: app(prog_name="cosinter", standalone_mode=False)))
    finally:
        signal.signal(signal.SIGTERM, before)  # who calls this from Python keeps their own
